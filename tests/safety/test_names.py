"""No name that a file holds leads out of the folder that was given, and no pipe or device is waited for."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from hcskit.actions import import_plates
from hcskit.errors import HcskitError, InputError, ReaderError
from hcskit.names import alike, below, child
from hcskit.readers import read_folder, read_image
from hcskit.results import RunRecord, write_illumination
from hcskit.sections import YamlFile
from hcskit.store import open_plate, open_screen, plate_path, write_plate
from tests.safety.cases import CELLVOYAGER, HARMONY, OME, RECORD, STEP
from tests.small_run import make_screen_plate

HOSTILE = ("..", "../victim", "x/../../victim", "/etc/passwd", "C:\\victim", "a\0b", "v" * 300, "\ud800", "")


@contextmanager
def nothing_outside_changes(top: Path, *free: Path) -> Iterator[None]:
    """Compare all that lies beside what may be written."""

    def seen() -> dict[Path, bytes]:
        files = (path for path in top.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files if not any(one in path.parents for one in free)}

    (top / "victim").mkdir()
    (top / "victim" / "kept.txt").write_text("kept")
    before = seen()
    yield
    assert seen() == before


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_makes_a_path_inside_or_none(tmp_path: Path, name: str) -> None:
    for make in (child, below, plate_path):
        with pytest.raises(InputError):
            make(tmp_path, name)


@pytest.mark.parametrize("name", ["a/b.tif", r"a\b.tif", "Übersicht 1.tif"])
def test_a_relative_path_stays_below(tmp_path: Path, name: str) -> None:
    assert below(tmp_path, name).resolve().is_relative_to(tmp_path)


def harmony(folder: Path, name: str) -> Path:
    return write(folder / "Images" / "Index.idx.xml", HARMONY.replace("a.tiff", name))


def cellvoyager(folder: Path, name: str) -> Path:
    return write(folder / "MeasurementData.mlf", CELLVOYAGER.replace("a.tif", name))


def ome_companion(folder: Path, name: str) -> Path:
    return write(folder / "plate.companion.ome", OME.replace("a.tif", name))


def ome_zarr(folder: Path, name: str) -> Path:
    plate = {"rows": [{"name": "A"}], "columns": [{"name": "1"}], "wells": [{"path": f"{name}/A/1"}]}
    ome = {"attributes": {"ome": {"version": "0.5", "plate": plate}}, "zarr_format": 3, "node_type": "group"}
    return write(folder / "P1.zarr" / "zarr.json", json.dumps(ome))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("make", [harmony, cellvoyager, ome_companion, ome_zarr])
@pytest.mark.parametrize("name", ["..", "x/../../../victim", "/etc/passwd", "C:\\victim", "v" * 300])
def test_an_index_names_no_file_outside(tmp_path: Path, make, name: str) -> None:
    source, screen = tmp_path / "source", tmp_path / "outer" / "screen"
    make(source / "P1", name)
    with nothing_outside_changes(tmp_path, screen), pytest.raises(HcskitError):
        import_plates(source, screen, progress=False)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_run_and_its_results_write_nothing_outside(tmp_path: Path, name: str) -> None:
    run, screen = tmp_path / "outer" / "run", tmp_path / "outer" / "screen"
    record = {**RECORD, "steps": [{**STEP, "output": name}]}
    write(run / "run.json", json.dumps(record))
    light = xr.Dataset({"flat": (("channel", "y", "x"), np.ones((1, 2, 2), np.float32))})
    with nothing_outside_changes(tmp_path, screen):
        with pytest.raises(InputError, match=r"run\.json is not the record of a run"):
            RunRecord.read(run)
        with pytest.raises(InputError):
            write_illumination(screen, name, light)


def test_names_that_are_one_on_some_systems_are_refused(tmp_path: Path, export) -> None:
    assert alike(["Plate é", "plate e\u0301", "x"]) == ["Plate é", "plate e\u0301"]
    source = tmp_path / "source"
    for name in ("Plate", "PLATE"):
        export(source / name, [("A01", 1, "DNA")], plate=name)
    with pytest.raises(ReaderError, match="Plate are one folder where upper and lower case are alike"):
        read_folder(source)
    write_plate(make_screen_plate("P1"), tmp_path / "screen", progress=False)
    with pytest.raises(InputError, match=r"already holds P1\.zarr, which is one folder with p1\.zarr"):
        write_plate(make_screen_plate("p1"), tmp_path / "screen", progress=False)


def test_a_link_out_of_a_source_is_followed_on_request_only(tmp_path: Path, export) -> None:
    secret = export(tmp_path / "elsewhere", [("A01", 1, "DNA")])
    source = export(tmp_path / "source", [("A02", 1, "DNA")])
    link = source / "P1_A01_f01_DNA.tif"
    link.symlink_to(secret / link.name)
    with pytest.raises(ReaderError, match=r"P1_A01_f01_DNA\.tif is or lies behind a link .*--follow-links"):
        read_folder(source)
    (index,) = read_folder(source, follow_links=True)
    assert sorted(index.table.well) == ["A01", "A02"]
    assert list(open_screen(source, follow_links=True)["P1"].well.values) == ["A01", "A02"]
    link.unlink()
    (source / "again.tif").symlink_to(source / "P1_A02_f01_DNA.tif")  # it stays inside
    assert len(read_folder(source).plates) == 1


def test_a_link_inside_a_zarr_is_none_either(tmp_path: Path) -> None:
    path = write_plate(make_screen_plate(), tmp_path / "screen", progress=False)
    shard = next(file for file in (path / "A" / "01" / "1" / "0" / "c").rglob("*") if file.is_file())
    shard.replace(tmp_path / "elsewhere")
    shard.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ReaderError, match="lies behind a link that leads out"):
        read_folder(tmp_path / "screen", "ome-zarr")
    assert read_folder(tmp_path / "screen", "ome-zarr", follow_links=True).plates


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket is at most 107 bytes
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize(("make", "kind"), [(make_pipe, "a named pipe"), (make_socket, "a socket")])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, export, make, kind: str) -> None:
    source = export(tmp_path / "source", [("A01", 1, "DNA")])
    make(source / "P1_A02_f01_DNA.tif")
    with pytest.raises(ReaderError, match=f"P1_A02_f01_DNA.tif is {kind}, not a file"):
        read_folder(source)
    for name in ("image.tif", "image.png"):
        make(tmp_path / name)
        with pytest.raises(ReaderError, match=name):
            read_image(tmp_path / name)
    make(tmp_path / "recipe.yaml")

    class Anything(YamlFile):
        content = "anything"

    with pytest.raises(InputError, match=r"recipe\.yaml is not anything"):
        Anything.from_yaml(tmp_path / "recipe.yaml")


def test_a_shard_that_is_a_pipe_is_an_error(tmp_path: Path) -> None:
    path = write_plate(make_screen_plate(), tmp_path, progress=False)
    shard = next(file for file in (path / "A" / "01" / "1" / "0" / "c").rglob("*") if file.is_file())
    shard.unlink()
    os.mkfifo(shard)
    with pytest.raises(HcskitError, match="cannot be read"):
        open_plate(path).image.isel(well=0, field=0, channel=0).compute()
