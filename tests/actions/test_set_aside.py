"""Several plates are imported at once; one that is at fault is set aside, with the reason, until it is repaired."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

import hcskit
from hcskit.errors import InputError, NotAScreenError, ReaderError
from hcskit.results import SET_ASIDE, read_table
from hcskit.store import open_plates

MAP = pd.DataFrame(
    {"well": ["A01", "A02"], "role": ["negative_control", "treatment"], "compound": [None, "X"]}
    | {"concentration": [np.nan, 1.0], "concentration_unit": "nM"}
).set_index("well")


def export(folder: Path, plate: str, wells: tuple[str, ...] = ("A01", "A02")) -> Path:
    """Write the images of a plate, 64 × 64, one field and channel a well, as OME-TIFF."""
    rng = np.random.default_rng(len(plate))
    for well in wells:
        path = folder / f"{plate}_{well}_s1_w1.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, rng.integers(0, 999, (64, 64), dtype=np.uint16))
    return folder


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    """Return the exports of three plates, and a file that says how they are named."""
    (tmp_path / "names.yaml").write_text(
        "name: plain\npattern: '(?P<plate>[^_]+)_(?P<well>[A-Z]\\d+)_s(?P<field>\\d)_w(?P<channel>\\d)[.]tif'\n",
        encoding="utf-8",
    )
    return [export(tmp_path / "exports" / name, name) for name in ("P1", "P2", "P3")]


def take_in(sources: list[Path], out: Path, **options: object) -> tuple[list[str], list[str]]:
    """Import all; return the names of the plates, and what is said."""
    said: list[str] = []
    reader = sources[0].parents[1] / "names.yaml"
    given: dict[str, object] = {"reader": reader, "set_aside": True, "progress": False, "say": said.append} | options
    paths = hcskit.import_plates(sources, out, MAP, **given)  # type: ignore[arg-type]
    return [path.stem for path in paths], said


def test_plates_of_several_folders_become_one_screen(sources: list[Path], tmp_path: Path) -> None:
    assert take_in(sources, tmp_path / "screen")[0] == ["P1", "P2", "P3"]
    plates = open_plates(tmp_path / "screen")
    stored = plates["P2"].image.sel(well="A02").to_numpy().squeeze()
    np.testing.assert_array_equal(stored, tifffile.imread(sources[1] / "P2_A02_s1_w1.tif"))
    with pytest.raises(NotAScreenError):
        read_table(tmp_path / "screen", SET_ASIDE)


@pytest.mark.parametrize("fault", ["header", "pixels", "no image", "wells of the map"])
def test_a_plate_at_fault_is_set_aside_and_taken_in_when_it_is_repaired(
    fault: str, sources: list[Path], tmp_path: Path
) -> None:
    bad, screen = sources[1] / "P2_A02_s1_w1.tif", tmp_path / "screen"
    whole = bad.read_bytes()
    if fault == "no image":
        for path in sources[1].iterdir():
            path.rename(path.with_suffix(".part"))
    elif fault == "wells of the map":
        bad.unlink()
    else:
        bad.write_bytes(whole[:4] if fault == "header" else whole[:-5000])

    imported, said = take_in(sources, screen)
    assert imported == ["P1", "P3"]
    reasons = read_table(screen, SET_ASIDE)["reason"]
    name = str(sources[1]) if fault == "no image" else "P2"
    assert list(reasons.index) == [name]
    assert any(line.startswith(f"set aside {name}: ") for line in said)
    expected = {"no image": "no reader|no image", "wells of the map": "A02"}.get(fault, "P2_A02_s1_w1.tif")
    assert reasons.str.contains(expected).all()
    with pytest.raises(InputError):
        take_in(sources, screen, set_aside=False)

    for path in sources[1].glob("*.part"):
        path.rename(path.with_suffix(".tif"))
    bad.write_bytes(whole)
    assert take_in(sources, screen)[0] == ["P1", "P2", "P3"]
    assert sorted(open_plates(screen)) == ["P1", "P2", "P3"]
    assert not SET_ASIDE.there(screen)


def test_all_plates_at_fault_are_an_error_that_names_each(sources: list[Path], tmp_path: Path) -> None:
    for source in sources:
        (source / f"{source.name}_A02_s1_w1.tif").unlink()
    with pytest.raises(InputError, match=r"(?s)the step import can use no plate:.*P1.*P2.*P3"):
        take_in(sources, tmp_path / "screen")


def test_a_plate_that_was_imported_before_is_not_set_aside_in_silence(sources: list[Path], tmp_path: Path) -> None:
    take_in(sources, tmp_path / "screen")
    (sources[1] / "P2_A02_s1_w1.tif").write_bytes(b"II*")
    with pytest.raises(InputError, match=r"(?s)P2.*was imported before"):
        take_in(sources, tmp_path / "screen")


def test_two_folders_with_the_same_plate_are_refused(sources: list[Path], tmp_path: Path) -> None:
    again = export(tmp_path / "exports" / "again", "P1")
    with pytest.raises(ReaderError, match="P1 is there 2 times"):
        take_in([*sources, again], tmp_path / "screen")


def test_a_screen_of_other_plates_is_refused_where_the_plates_are_to_be_alone(
    sources: list[Path], tmp_path: Path
) -> None:
    take_in(sources, tmp_path / "screen")
    with pytest.raises(InputError, match="holds P3, which the source does not"):
        take_in(sources[:2], tmp_path / "screen", alone=True)
