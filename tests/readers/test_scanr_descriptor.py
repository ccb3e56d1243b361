"""ScanR's descriptor: the plate's format counts the wells, and chosen wells without images are missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from hcskit.readers import ImageIndex, read_folder


def describe(folder: Path, wells: dict[int, str], rows: int = 16, columns: int = 24) -> None:
    chosen = "".join(
        f"<String><Name/><Val>{number}</Val></String><String><Name/><Val>{well}</Val></String>"
        for number, well in wells.items()
    )
    (folder / "experiment_descriptor.xml").write_text(
        "<LVData><Cluster><Name>experiment</Name><String><Name>plate name</Name><Val>Plate 5</Val></String>"
        "<DBL><Name>conversion factor um/pixel</Name><Val>0.645</Val></DBL>"
        f"<Cluster><Name>format typedef</Name><I32><Name>Rows</Name><Val>{rows}</Val></I32>"
        f"<I32><Name>Columns</Name><Val>{columns}</Val></I32></Cluster>"
        f"<Array><Name>well selection table + cDNA</Name>{chosen}</Array></Cluster></LVData>"
    )


def images(folder: Path, *names: str) -> None:
    (folder / "data").mkdir(parents=True)
    for name in names:
        tifffile.imwrite(folder / "data" / f"{name}--P00001--Z00000--T00000--DAPI.tif", np.ones((4, 5), np.uint16))


def only(folder: Path) -> ImageIndex:
    (index,) = read_folder(folder)
    return index


def test_numbers_of_wells_count_on_the_plate_that_it_describes(tmp_path: Path) -> None:
    images(tmp_path, "W00025", "W00026")
    describe(tmp_path, {25: "B1", 26: "B2"})
    index = only(tmp_path)
    assert (index.plate, index.plate_format, index.pixel_size) == ("Plate 5", 384, 0.645)
    assert (sorted(index.table.well), index.absent) == (["B01", "B02"], ())


def test_a_chosen_well_without_images_is_missing(tmp_path: Path) -> None:
    images(tmp_path, "A1--W00001")
    describe(tmp_path, {1: "A1", 3: "A3"}, 8, 12)
    assert only(tmp_path).absent == ("well A03, by experiment_descriptor.xml",)


def test_a_descriptor_that_says_nothing_changes_nothing(tmp_path: Path) -> None:
    images(tmp_path / "exp", "A1--W00001", "A1--W00002")
    (tmp_path / "exp" / "experiment_descriptor.xml").write_text("<LVData/>")
    index = only(tmp_path)
    assert (index.plate, sorted(index.table.well), index.absent) == ("exp", ["A01", "A02"], ())
