"""BBBC021: a table of fields, and the folders of the plates that were fetched."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from hcskit.errors import PlateMapError, ReaderError
from hcskit.readers import Claim, ImageIndex, bbbc021, list_files, metaxpress
from hcskit.testing import CASES, Numbering, StampedPlate, check_reader

GUID = "E54F0108-F44A-4F6E-9637-6A9DE80F0823"
STAINS = {"DAPI": 1, "Tubulin": 2, "Actin": 4}
MOA = '"compound",concentration,"moa"\n"AZ138",0.100000,"Eg5 inhibitors"\n"DMSO",0.000000,"DMSO"\n'
COLUMNS = [
    *("TableNumber", "ImageNumber"),
    *(f"Image_{kind}_{stain}" for stain in STAINS for kind in ("FileName", "PathName")),
    *("Image_Metadata_Plate_DAPI", "Image_Metadata_Well_DAPI", "Replicate"),
    *("Image_Metadata_Compound", "Image_Metadata_Concentration"),
]


def row(plate: str, well: str, field: int = 1, compound: str = "AZ138", dose: str = "0.1") -> dict[str, str]:
    names = {
        f"Image_FileName_{stain}": f"Week1_150607_{well}_s{field}_w{wave}{GUID}.tif" for stain, wave in STAINS.items()
    }
    paths = {f"Image_PathName_{stain}": f"Week1/{plate}" for stain in STAINS}
    treatment = {"Image_Metadata_Compound": compound, "Image_Metadata_Concentration": dose, "Replicate": "1"}
    return {
        **names,
        **paths,
        **treatment,
        "TableNumber": "4",
        "ImageNumber": "233",
        "Image_Metadata_Plate_DAPI": plate,
        "Image_Metadata_Well_DAPI": well,
    }


def write_table(folder: Path, rows: Sequence[dict[str, str]]) -> Path:
    path = folder / "BBBC021_v1_image.csv"
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        if is_new:
            writer.writeheader()
        writer.writerows(rows)
    return path


def write_images(folder: Path, *rows: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for one in rows:
        for stain in STAINS:
            tifffile.imwrite(folder / one[f"Image_FileName_{stain}"], np.full((4, 6), 7, np.uint16))


def write_plate(folder: Path, plate: StampedPlate) -> None:
    stains = {"DNA": "DAPI", "Actin": "Actin"}
    home = folder / plate.name
    home.mkdir()
    rows = {}
    for label in plate.images:
        rows[label.well, label.field] = one = row(plate.name, label.well, label.field)
        tifffile.imwrite(home / one[f"Image_FileName_{stains[label.channel]}"], plate.pixels(label))
    write_table(folder, list(rows.values()))


class WithoutAbsentFiles:
    """The reader, and what `read_folder` does with the files that are not there; the table names a third channel."""

    def claim(self, folder: Path, files: Sequence[Path]) -> Claim | None:
        return bbbc021.claim(folder, files)

    def index(self, folder: Path, files: Sequence[Path]) -> list[ImageIndex]:
        return [index.without_absent_files() for index in bbbc021.index(folder, files)]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_conformance(case: str, tmp_path: Path) -> None:
    numbering = Numbering(more_channels=(), without=("z", "time", "formats"))
    check_reader(WithoutAbsentFiles(), write_plate, tmp_path, case, numbering)


def read(folder: Path) -> list[ImageIndex]:
    return bbbc021.index(folder, list_files(folder))


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    """A plate of the real table, of which one field is there."""
    folder = tmp_path_factory.mktemp("bbbc021")
    for name in ("BBBC021_v1_image.csv.gz", "BBBC021_v1_moa.csv"):
        (folder / name).write_bytes((shared_data / "bbbc021" / name).read_bytes())
    table = pd.read_csv(folder / "BBBC021_v1_image.csv.gz", dtype=str)
    field = table[(table.Image_Metadata_Plate_DAPI == "Week1_22123") & (table.Image_Metadata_Well_DAPI == "D05")].iloc[
        0
    ]
    write_images(folder / "images" / "Week1" / "week1_22123", {str(name): str(value) for name, value in field.items()})
    (index,) = read(folder)
    return index


def test_the_real_table(real: ImageIndex) -> None:
    assert (real.plate, real.channels, real.plate_format) == ("Week1_22123", ("DNA", "Tubulin", "Actin"), 96)
    assert len(real.table) == 60 * 4 * 3
    assert set(real.table.field) == {1, 2, 3, 4}
    waves = real.table["path"].str.extract(r"_w(\d)", expand=False)
    assert set(zip(real.table.channel, waves, strict=True)) == {("DNA", "1"), ("Tubulin", "2"), ("Actin", "4")}
    assert (real.table["path"].str.extract(r"_([A-H]\d\d)_s", expand=False) == real.table.well).all()
    assert real.notes == ("54 of the plates in BBBC021_v1_image.csv.gz have no folder here",)


def test_files_that_are_not_there(real: ImageIndex) -> None:
    found = real.without_absent_files()
    assert len(found.absent) == 717
    assert set(found.table.well) == {"D05"}
    assert found.info().channels == ("DNA", "Tubulin", "Actin")


def test_the_real_plate_map(real: ImageIndex) -> None:
    table = real.plate_map
    assert table is not None
    assert table["role"].value_counts().to_dict() == {"treatment": 48, "negative_control": 6, "positive_control": 6}
    controls = table[table.role == "positive_control"]
    assert set(controls.index) == {"B11", "C11", "D11", "E02", "F02", "G02"}
    assert set(zip(controls.compound, controls.concentration, strict=True)) == {("taxol", 0.3)}
    assert list(table.loc["D05", ["compound", "concentration", "concentration_unit", "role", "moa"]]) == [
        *("taxol", 0.3, "uM"),
        *("treatment", "Microtubule stabilizers"),
    ]
    assert list(table.loc["B02", ["compound", "role", "moa"]]) == ["DMSO", "negative_control", ""]
    assert table.loc["D10", "moa"] == ""  # taxol, but at 1 nM
    assert table.replicate.notna().all()


@pytest.mark.parametrize("place", ["Week1_22123", "Week1/Week1_22123", "images/WEEK1_22123"])
def test_folders_in_the_field(place: str, tmp_path: Path) -> None:
    one = row("Week1_22123", "B02")
    write_table(tmp_path, [one, row("Week1_22141", "B02")])
    write_images(tmp_path / place, one)
    claim = bbbc021.claim(tmp_path, list_files(tmp_path))
    named = metaxpress.claim(tmp_path, list_files(tmp_path))
    assert claim is not None
    assert named is not None
    assert (claim.names, named.names) == (None, 3)  # an index outweighs names
    (index,) = read(tmp_path)
    assert len(index.without_absent_files().table) == 3
    assert index.notes == (
        "1 of the plates in BBBC021_v1_image.csv have no folder here",
        "BBBC021_v1_moa.csv is not there, so no mechanism of action is known",
    )


def test_mechanisms_are_of_a_concentration(tmp_path: Path) -> None:
    rows = [row("Week1_1", "B03"), row("Week1_1", "B04", dose="0.3"), row("Week1_1", "B02", compound="DMSO", dose="0")]
    write_table(tmp_path, rows)
    write_images(tmp_path / "Week1_1", *rows)
    (tmp_path / "bbbc021_v1_moa.CSV").write_text(MOA, encoding="utf-8-sig")
    (index,) = read(tmp_path)
    assert index.plate_map is not None
    assert index.plate_map.moa.to_dict() == {"B02": "", "B03": "Eg5 inhibitors", "B04": ""}


def test_without_its_table(tmp_path: Path) -> None:
    write_images(tmp_path / "Week1_1", row("Week1_1", "B02"))
    assert bbbc021.claim(tmp_path, list_files(tmp_path)) is None
    with pytest.raises(ReaderError, match=r"there is no BBBC021_v1_image.csv below .*; download it to there"):
        read(tmp_path)


def test_without_a_folder_of_a_plate(tmp_path: Path) -> None:
    write_table(tmp_path, [row("Week1_1", "B02"), row("Week1_2", "B02")])
    with pytest.raises(ReaderError, match=r"lists 2 plates, and there is no folder of any, such as Week1/Week1_1"):
        read(tmp_path)


def test_a_folder_that_is_there_twice(tmp_path: Path) -> None:
    one = row("Week1_1", "B02")
    write_table(tmp_path, [one])
    for place in ("Week1_1", "old/Week1_1"):
        write_images(tmp_path / place, one)
    with pytest.raises(ReaderError, match=r"the folder Week1/Week1_1 is there twice, .*Week1_1 and .*old"):
        read(tmp_path)


@pytest.mark.parametrize("kind", ["PathName", "FileName"])
@pytest.mark.parametrize("name", ["../B02_s1_w1.tif", "/etc/B02_s1_w1.tif", "..\\B02_s1_w1.tif", "C:\\B02_s1_w1.tif"])
def test_names_that_lead_out_of_the_folder(kind: str, name: str, tmp_path: Path) -> None:
    one = row("Week1_1", "B02")
    write_images(tmp_path / "Week1_1", one)
    write_table(tmp_path, [one | {f"Image_{kind}_Actin": name}])
    with pytest.raises(ReaderError, match="in its own folder or below; such a file is not read"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["B03_s1_w1.tif", "B02_w1.tif", "B99_s1_w1.tif"])
def test_a_name_that_says_another_well_or_no_field(name: str, tmp_path: Path) -> None:
    one = row("Week1_1", "B02")
    write_images(tmp_path / "Week1_1", one)
    write_table(tmp_path, [one | {"Image_FileName_DAPI": name}])
    with pytest.raises(ReaderError, match=f"gives '{name}' as an image of well B02; its name should have the well"):
        read(tmp_path)


def test_an_image_that_is_listed_twice(tmp_path: Path) -> None:
    one = row("Week1_1", "B02")
    write_images(tmp_path / "Week1_1", one)
    write_table(tmp_path, [one, one])
    (index,) = read(tmp_path)
    assert len(index.table) == 3
    other = "other_" + str(one["Image_FileName_DAPI"])
    write_table(tmp_path, [one, one | {"Image_FileName_DAPI": other}])
    with pytest.raises(ReaderError, match=r"1 image\(s\) are there more than once; plate Week1_1, well B02, field 1"):
        read(tmp_path)


def test_a_well_with_two_treatments(tmp_path: Path) -> None:
    rows = [row("Week1_1", "B02"), row("Week1_1", "B02", field=2, dose="0.3")]
    write_images(tmp_path / "Week1_1", *rows)
    write_table(tmp_path, rows)
    with pytest.raises(PlateMapError, match=r"plate Week1_1 has 1 fault.*\n.*well B02 is listed more than once"):
        read(tmp_path)


def test_a_table_that_is_cut_off(tmp_path: Path) -> None:
    rows = [row("Week1_1", "B02"), row("Week1_1", "B03")]
    write_images(tmp_path / "Week1_1", *rows)
    table = write_table(tmp_path, rows)
    table.write_bytes(table.read_bytes()[:-30])
    with pytest.raises(ReaderError, match=r"BBBC021_v1_image.csv, line 3 is not whole; download it again"):
        read(tmp_path)


@pytest.mark.parametrize("data", [b"", b"<html>\n<p>\n", b"\x00\xff" * 50], ids=["empty", "a web page", "binary"])
def test_a_table_that_is_none(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "BBBC021_v1_image.csv").write_bytes(data)
    with pytest.raises(ReaderError, match=r"BBBC021_v1_image.csv .*; download it again"):
        read(tmp_path)


@pytest.mark.parametrize("fault", ["cut off", "damaged"])
def test_a_compressed_table_that_is_not_whole(fault: str, tmp_path: Path) -> None:
    table = write_table(tmp_path, [row("Week1_1", f"B{column:02d}") for column in range(1, 13)])
    data = bytearray(gzip.compress(table.read_bytes()))
    table.unlink()
    data[len(data) // 2] ^= 255
    (tmp_path / "BBBC021_v1_image.csv.gz").write_bytes(data if fault == "damaged" else data[: len(data) // 3])
    with pytest.raises(ReaderError, match=r"BBBC021_v1_image.csv.gz cannot be read as a table: .*; download it again"):
        read(tmp_path)
