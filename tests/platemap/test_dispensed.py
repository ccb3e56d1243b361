"""Lists of dispensers: Echo's transfers and a D300's report become one row a well."""

from __future__ import annotations

from pathlib import Path

import pytest

from hcskit.errors import PlateMapError
from hcskit.platemap import draw_plate_map, read_plate_map

ECHO = """Run ID,22193
Run Date/Time,03/01/2024 10:00

[DETAILS]
Source Well,Destination Plate Barcode,Destination Well,Sample Name,Source Conc,Source Conc Units,Transfer Volume
A1,BC1,B2,Cpd-1,10,mM,25
A1,BC1,B2,Cpd-1,10,mM,25
A2,BC1,B3,Cpd-2,1,mM,5
P1,BC1,B3,DMSO,,,45
P1,BC1,B4,DMSO,,,50
"""
D300 = [
    ["Plate", "Dispensed\nwell", "Fluid name", "Dispensed conc.", "Conc. units", "Volume (nL)"],
    ["P1", "A1", "Cpd-1", "0.5", "µM", "2.5"],
    ["P1", "A1", "DMSO normalization", "", "", "47.5"],
    ["P1", "A2", "DMSO normalization", "", "", "50"],
]


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "map.csv").write_text(text, encoding="utf-8")
    return tmp_path / "map.csv"


def test_transfers_of_an_echo_with_the_wells_volume(tmp_path: Path) -> None:
    table = read_plate_map(written(tmp_path, ECHO), "BC1", well_volume_ul=50)
    # 10 mM × 50 nL / 50 µL and 1 mM × 5 nL / 50 µL
    assert table.concentration.tolist()[:2] == [0.01, 0.0001]
    assert table.concentration_unit.tolist() == ["mM", "mM", ""]
    assert table.role.tolist() == ["treatment", "treatment", "negative_control"]
    assert table.compound.tolist() == ["Cpd-1", "Cpd-2", "DMSO"]


def test_without_the_volume_they_are_refused_with_what_to_say(tmp_path: Path) -> None:
    with pytest.raises(PlateMapError, match=r"--well-volume 50 --csv map\.csv"):
        read_plate_map(written(tmp_path, ECHO), "BC1")


def test_a_well_of_two_compounds_is_refused(tmp_path: Path) -> None:
    both = ECHO.replace("B3,Cpd-2", "B2,Cpd-2")
    with pytest.raises(PlateMapError, match="well B2 has Cpd-1 and Cpd-2"):
        read_plate_map(written(tmp_path, both), "BC1", well_volume_ul=50)


def test_the_report_of_a_d300(tmp_path: Path) -> None:
    lines = "\n".join("\t".join(f'"{cell}"' for cell in row) for row in D300)
    table = read_plate_map(written(tmp_path, lines))
    assert table.compound.tolist() == ["Cpd-1", "DMSO"]
    assert (table.concentration["A01"], table.concentration_unit["A01"]) == (0.5, "uM")
    assert table.role.tolist() == ["treatment", "negative_control"]


def test_the_picture_says_which_column_was_taken_for_which(tmp_path: Path) -> None:
    table = read_plate_map(written(tmp_path, "Well,drug,dose_nM,role\nA1,X,5,treatment\n"))
    assert draw_plate_map(table).splitlines()[-1] == "taken: 'drug' as compound, 'dose_nM' as concentration"
