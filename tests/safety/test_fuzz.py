"""Files that were damaged, or made to harm: each ends in its data, or in one error of hcskit that names it."""

import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hcskit.cluster import ClusterConfig
from hcskit.errors import HcskitError
from hcskit.pipeline import Pipeline
from hcskit.platemap import read_plate_map
from hcskit.readers import FilePattern, read_folder
from hcskit.recipe import Recipe
from hcskit.results import PREDICTIONS, RunRecord, read_table, write_table
from hcskit.store import open_plate, write_plate
from hcskit.training import ModelCard
from hcskit.training._card import load_card
from tests.safety.cases import CARD, CELLVOYAGER, HARMONY, HTD, OME, RECORD, predictions
from tests.small_run import make_screen_plate

Read = Callable[[Path], object]
EXAMPLES = settings(
    derandomize=True, max_examples=40, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


INSERTED = (b"\0", b"\xff", b"{", b"[", b"<", b"&", b"-1", b"1e999", b"null", b"\xf0\x9f", b"'", b'"')


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Flip bits, cut off, put in, or repeat."""
    kind = draw(st.sampled_from(["flip", "cut", "insert", "repeat"]))
    places = draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4))
    what = draw(
        st.sampled_from([b"\0", b"\xff", b"{", b"[", b"<", b"&", b"-1", b"1e999", b"null", b"\xf0\x9f", b"'", b'"'])
    )
    bit = draw(st.integers(0, 7))

    def apply(data: bytes) -> bytes:
        at = sorted(int(place * len(data)) for place in places)
        if kind == "flip":
            changed = bytearray(data)
            for place in at:
                changed[place] ^= 1 << bit
            return bytes(changed)
        if kind == "cut":
            return data[: at[0]]
        if kind == "insert":
            return data[: at[0]] + what + data[at[0] :]
        return data[: at[-1]] + data[at[0] : at[-1]] * 2 + data[at[-1] :]

    return apply


def ends_well(path: Path, read: Read, named: str = "") -> object | None:
    """Read; an error must be ours, and name the file or its folder."""
    try:
        return read(path)
    except HcskitError as error:
        told = str(error)
    assert (named or path.name) in told, told
    assert len(told.splitlines()) < 40
    return None


# Metadata of plates


@cache
def stored_plate() -> dict[str, bytes]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = write_plate(make_screen_plate().isel(well=[0, 1]), folder, progress=False)
        return {file.relative_to(folder).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def plate_with(folder: Path, name: str, data: bytes) -> Path:
    for one, content in {**stored_plate(), name: data}.items():
        (folder / one).parent.mkdir(parents=True, exist_ok=True)
        (folder / one).write_bytes(content)
    return folder / "P1.zarr"


@EXAMPLES
@given(harm=damage())
def test_metadata_of_a_stored_plate(tmp_path: Path, harm) -> None:
    path = plate_with(tmp_path, "P1.zarr/zarr.json", harm(stored_plate()["P1.zarr/zarr.json"]))
    ends_well(path, lambda one: open_plate(one).attrs)


@pytest.mark.slow
@EXAMPLES
@given(harm=damage())
def test_a_shard_is_its_pixels_or_an_error(tmp_path: Path, harm) -> None:
    name = "P1.zarr/A/01/1/0/c/0/0/0"
    path = plate_with(tmp_path, name, harm(stored_plate()[name]))
    read = ends_well(path, lambda one: open_plate(one).image.isel(well=0, field=0, channel=1).to_numpy())
    if isinstance(read, np.ndarray):
        np.testing.assert_array_equal(read, make_screen_plate().image[0, 0, 1])


@pytest.mark.slow
@EXAMPLES
@given(harm=damage(), which=st.sampled_from(["zarr.json", "A/01/zarr.json", "A/01/1/zarr.json", "A/01/1/0/zarr.json"]))
def test_metadata_of_a_plate_of_others(tmp_path: Path, harm, which: str) -> None:
    path = plate_with(tmp_path, f"P1.zarr/{which}", harm(stored_plate()[f"P1.zarr/{which}"]))
    ends_well(path, lambda one: read_folder(one, "ome-zarr").plates[0].info())


# Exports of microscopes


def image_of(folder: Path, name: str) -> None:
    tifffile.imwrite(folder / name, np.zeros((4, 5), np.uint16))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reader", "index", "text", "image"),
    [
        ("harmony", "Index.idx.xml", HARMONY, "a.tiff"),
        ("cellvoyager", "MeasurementData.mlf", CELLVOYAGER, "a.tif"),
        ("ome-tiff", "plate.companion.ome", OME, "a.tif"),
        ("metaxpress", "P1.HTD", HTD, "P1_A01_s1_w1.TIF"),
    ],
)
@EXAMPLES
@given(harm=damage())
def test_the_index_of_an_export(tmp_path: Path, reader: str, index: str, text: str, image: str, harm) -> None:
    image_of(tmp_path, image)
    (tmp_path / index).write_text(text)
    assert read_folder(tmp_path, reader).plates
    (tmp_path / index).write_bytes(harm(text.encode()))
    ends_well(tmp_path, lambda one: read_folder(one, reader).plates[0].info(), str(tmp_path))


# Files of a lab


YAML: dict[type[Any], str] = {
    Recipe: "epochs: 3\nmodel: {kind: mcnn, features: 8}\n",
    Pipeline: "name: x\nsteps: [import]\nparameters: {a: 1, when: 2026-11-28}\n",
    ClusterConfig: "kind: slurm\ncores: 4\nmemory: 8GB\nwalltime: '01:00:00'\n",
    FilePattern: "name: x\npattern: '(?P<well>[A-H]\\d\\d).tif'\nchannels: {1: DNA}\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", YAML)
@EXAMPLES
@given(harm=damage())
def test_yaml(tmp_path: Path, kind, harm) -> None:
    (tmp_path / "file.yaml").write_bytes(harm(YAML[kind].encode()))
    ends_well(tmp_path / "file.yaml", kind.from_yaml)


PAIRS = list(pairwise("abcdefghi"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "a: &a [x, x]\n" + "".join(f"{one}: &{one} [{', '.join([f'*{before}'] * 9)}]\n" for before, one in PAIRS),
        "a: &a {x: 1}\n"
        + "".join(f"{one}: &{one} {{<<: [{', '.join([f'*{before}'] * 30)}]}}\n" for before, one in PAIRS),
        "a: &a [*a]",
        "epochs: " + "9" * 10_000,
        "epochs: 2026-99-99",
        "epochs: !!int abc",
        "epochs: !!python/object/apply:os.system [ls]",
        "? [a, {b: c}]\n: x",
        "x" * 2_000_000,
        "\0",
    ],
    ids=["nested", "aliases", "merged", "itself", "digits", "date", "tag", "code", "key", "long", "nul"],
)
@pytest.mark.parametrize("kind", YAML)
def test_yaml_that_means_harm(tmp_path: Path, kind, text: str) -> None:
    (tmp_path / "file.yaml").write_text(text)
    assert ends_well(tmp_path / "file.yaml", kind.from_yaml) is None


@pytest.mark.parametrize(
    ("name", "content", "read"),
    [("card.json", CARD, load_card), ("run.json", RECORD, RunRecord.read)],
)
@EXAMPLES
@given(harm=damage())
def test_records(tmp_path: Path, name: str, content: dict[str, Any], read: Read, harm) -> None:
    (tmp_path / "model.keras").write_bytes(b"model") if name == "card.json" else None
    (tmp_path / name).write_bytes(harm(json.dumps(content).encode()))
    ends_well(tmp_path, read, str(tmp_path))


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 5_000 + "1" + "}" * 5_000, "9" * 10_000, '"\\ud800"', ""],
    ids=["list", "table", "digits", "half", "empty"],
)
def test_json_that_means_harm(tmp_path: Path, text: str) -> None:
    for name, read in (("card.json", load_card), ("run.json", RunRecord.read)):
        (tmp_path / name).write_text(text)
        assert ends_well(tmp_path, read, str(tmp_path)) is None
    plate = plate_with(tmp_path, "P1.zarr/zarr.json", text.encode())
    assert ends_well(plate, open_plate) is None
    assert ends_well(plate, lambda one: read_folder(one, "ome-zarr")) is None


def test_a_zarr_that_says_it_is_vast_makes_no_memory(tmp_path: Path) -> None:
    name = "P1.zarr/A/01/1/0/zarr.json"
    array = json.loads(stored_plate()[name])
    for shape in ([2, 10**9, 10**9], [10**9, 40, 40]):
        path = plate_with(tmp_path, name, json.dumps({**array, "shape": shape}).encode())
        assert ends_well(path, lambda one: read_folder(one, "ome-zarr")) is None
    array["chunk_grid"]["configuration"]["chunk_shape"] = [2, 10**9, 10**9]
    path = plate_with(tmp_path, name, json.dumps(array).encode())
    assert ends_well(path, lambda one: read_folder(one, "ome-zarr")) is None


# Tables


@pytest.mark.slow
@EXAMPLES
@given(harm=damage())
def test_a_result_table(tmp_path: Path, harm) -> None:
    path = write_table(tmp_path, PREDICTIONS, predictions("sick"))
    path.write_bytes(harm(path.read_bytes()))
    ends_well(path, lambda _: read_table(tmp_path, PREDICTIONS))


MAP = (
    "well,compound,concentration,concentration_unit,role\nA01,DMSO,0,uM,negative_control\nA02,taxol,1.5,uM,treatment\n"
)


@cache
def workbook() -> bytes:
    file, book = io.BytesIO(), openpyxl.Workbook()
    for line in MAP.splitlines():
        book.active.append(line.split(","))
    book.save(file)
    return file.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
@EXAMPLES
@given(harm=damage())
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_plate_map(tmp_path: Path, suffix: str, harm) -> None:
    path = tmp_path / f"map{suffix}"
    path.write_bytes(harm(workbook() if suffix == ".xlsx" else MAP.encode()))
    ends_well(path, read_plate_map)


def rewritten(path: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(workbook())) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            new.writestr(entry, change(old.read(entry)) if entry == name else old.read(entry))


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        lambda sheet: sheet.replace(b"</sheetData>", b" " * 250_000_000 + b"</sheetData>"),
        lambda sheet: sheet.replace(b'r="A2"', b'r="XFD1048576"').replace(b'<row r="2"', b'<row r="1048576"'),
        lambda sheet: sheet.replace(
            b"</sheetData>", b'</sheetData><mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>'
        ),
        lambda sheet: b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + sheet,
        lambda _: b"<x>" * 100_000,
    ],
    ids=["bomb", "far", "merged", "entities", "nested"],
)
def test_a_workbook_that_means_harm(tmp_path: Path, change) -> None:
    rewritten(tmp_path / "map.xlsx", "xl/worksheets/sheet1.xml", change)
    assert ends_well(tmp_path / "map.xlsx", read_plate_map) is None


def test_the_cases_are_read_where_they_are_whole(tmp_path: Path) -> None:
    assert ModelCard.model_validate(CARD).classes == ("a", "b")
    (tmp_path / "run.json").write_text(json.dumps(RECORD))
    assert RunRecord.read(tmp_path) is not None
    (tmp_path / "map.xlsx").write_bytes(workbook())
    assert isinstance(read_plate_map(tmp_path / "map.xlsx"), pd.DataFrame)
