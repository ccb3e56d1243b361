"""Plate maps in Excel workbooks."""

import zipfile
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from hcskit.errors import PlateMapError
from hcskit.platemap import read_plate_map

HEADER = ("Well", "Compound", "Concentration", "Unit", "Role")
ROWS = [
    HEADER,
    ("A1", "DMSO", None, None, "neg"),
    ("A2", "Wortmannin", 0.5, "µM", "sample"),
    ("A3", "Wortmannin", 10, "µM", "sample"),
    ("B1", "LY294002", 0, "nM", "pos"),
    ("B2", None, None, None, "blank"),
]
DRAWN = {
    "Compound": [(None, 1, 2, 3), ("A", "DMSO", "Wortmannin", "Wortmannin"), ("B", "LY294002")],
    "Concentration": [(None, 1, 2, 3), ("A", None, "0.5 uM", "10 µM"), ("B", "0 nM")],
    "Role": [(None, 1, 2, 3), ("A", "neg", "sample", "sample"), ("B", "pos", "blank")],
}


@pytest.fixture
def workbook(tmp_path: Path) -> Callable[..., Path]:
    def write(sheets: dict[str, Iterable[tuple[Any, ...]]], name: str = "map.xlsx", **formats: str) -> Path:
        book = openpyxl.Workbook()
        book.remove(book.active)
        for title, rows in sheets.items():
            sheet = book.create_sheet(title)
            for row in rows:
                sheet.append(row)
            for cell, number_format in formats.items():
                sheet[cell].number_format = number_format
        book.save(tmp_path / name)
        return tmp_path / name

    return write


def rewritten(path: Path, part: str, old: bytes, new: bytes) -> Path:
    """Change the XML of a workbook, as a program other than openpyxl would have written it."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old in parts[part]
    parts[part] = parts[part].replace(old, new)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    "sheets",
    [
        {"Sheet1": ROWS},
        {"empty": [], "Map": [("Plate 7",), (), *ROWS, (None,) * 9], "Notes": [("made by", "Kim")]},
        DRAWN,
        {
            "Plate": [
                row for rows in ([(name, *rows[0][1:]), *rows[1:], ()] for name, rows in DRAWN.items()) for row in rows
            ]
        },
    ],
    ids=["a table", "among other sheets", "a sheet a variable", "one sheet of blocks"],
)
def test_a_workbook(sheets: dict[str, Any], workbook: Callable[..., Path], dosed: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(read_plate_map(workbook(sheets)), dosed)
    pd.testing.assert_frame_equal(read_plate_map(workbook(sheets, "MAP.XLSM")), dosed)


def test_numbers_keep_all_their_digits(workbook: Callable[..., Path]) -> None:
    doses = [0.1, 1e-9, 1 / 3, 123456789.125, 1e15]
    rows = [HEADER, *((f"A{number}", 4711, dose, "nM", "sample") for number, dose in enumerate(doses, 1))]
    table = read_plate_map(workbook({"Map": rows}, C2="0.00"))
    assert list(table["concentration"]) == doses
    assert set(table["compound"]) == {"4711"}


def test_a_percentage_is_what_is_shown(workbook: Callable[..., Path]) -> None:
    rows = [HEADER, ("A1", "DMSO", 0.005, None, "neg"), ("A2", "DMSO", 0.07, "%", "neg"), ("A3", "DMSO", 1, "%", "neg")]
    table = read_plate_map(workbook({"Map": rows}, C2="0.00%", C3="0%", C4='0.0" % v/v"'))
    assert list(table["concentration"]) == [0.5, 7, 1]
    assert set(table["concentration_unit"]) == {"%"}


def test_a_formula_is_its_saved_value(workbook: Callable[..., Path]) -> None:
    rows = [HEADER, ("A1", "X", "=5*2", "nM", "sample"), ("A2", '=IF(1,"","")', 1, "nM", "pos")]
    path = workbook({"Map": rows})
    with pytest.raises(PlateMapError, match=r"map\.xlsx: sheet Map, cell C2 is a formula without a saved value"):
        read_plate_map(path)
    sheet = "xl/worksheets/sheet1.xml"
    rewritten(path, sheet, b"<f>5*2</f>", b"<f>5*2</f><v>10</v>")
    with pytest.raises(PlateMapError, match="cell B3 is a formula without"):
        read_plate_map(path)
    rewritten(path, sheet, b'<c r="B3">', b'<c r="B3" t="str">')  # a text that came to nothing
    table = read_plate_map(path)
    assert list(table["concentration"]) == [10, 1]
    assert list(table["compound"]) == ["X", ""]


@pytest.mark.parametrize(
    ("sheets", "message"),
    [
        ({"Plate 1": ROWS, "Plate 2": ROWS}, r"is the map of 2 plate\(s\): Plate 1, Plate 2; say which"),
        ({"List": ROWS, **DRAWN}, "several sheets look like plate maps: List, Compound, Concentration, Role"),
        ({"Notes": [("Dear", "colleague")]}, "holds no plate map: found 'Dear | colleague'"),
        ({"Sheet1": []}, "it is empty"),
        ({"Map": [*ROWS[:2], ("A2", "X", "#N/A", "nM", "sample")]}, "sheet Map, cell C3 is an error: #N/A"),
    ],
)
def test_a_bad_workbook_is_refused(sheets: dict[str, Any], message: str, workbook: Callable[..., Path]) -> None:
    with pytest.raises(PlateMapError, match=message) as caught:
        read_plate_map(workbook(sheets))
    assert "map.xlsx" in str(caught.value)


def test_what_is_no_workbook_is_said_to_be_so(workbook: Callable[..., Path], save: Callable[..., Path]) -> None:
    with pytest.raises(PlateMapError, match=r"old Excel workbook \(.xls\) or has a password; save it as .xlsx"):
        read_plate_map(save(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "map.xls"))
    whole = workbook({"Map": ROWS}).read_bytes()
    with pytest.raises(PlateMapError, match=r"map.xlsx cannot be read as an Excel workbook"):
        read_plate_map(save(whole[: len(whole) // 2], "map.xlsx"))
    path = save(b"", "text.xlsx")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    with pytest.raises(PlateMapError, match=r"text.xlsx cannot be read as an Excel workbook"):
        read_plate_map(path)


@pytest.mark.slow
def test_a_bomb_in_a_workbook_does_not_go_off(workbook: Callable[..., Path]) -> None:
    doctype = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><worksheet '
    path = rewritten(workbook({"Map": ROWS}), "xl/worksheets/sheet1.xml", b"<worksheet ", doctype)
    with pytest.raises(PlateMapError, match=r"cannot be read as an Excel workbook: .* could not read worksheets"):
        read_plate_map(path)
    path = workbook({"Map": ROWS})
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/zeros", "w", force_zip64=True) as part,
    ):
        for _ in range(201):
            part.write(bytes(1_000_000))
    with pytest.raises(PlateMapError, match=r"unpacks to 201,\d+,\d+ bytes; a plate map is far smaller"):
        read_plate_map(path)


def test_a_sheet_for_each_plate(workbook: Callable[..., Path]) -> None:
    other = [HEADER, ("A1", "Taxol", 1, "uM", "sample")]
    path = workbook({"P1": ROWS, "P2": other})
    assert read_plate_map(path, "P2")["compound"].to_list() == ["Taxol"]
    assert len(read_plate_map(path, "P1")) == 5
    drawn = [row for rows in ([(name, *rows[0][1:]), *rows[1:], ()] for name, rows in DRAWN.items()) for row in rows]
    other = [tuple("Taxol" if cell == "Wortmannin" else cell for cell in row) for row in drawn]
    path = workbook({"P1": drawn, "P2": other})
    assert set(read_plate_map(path, "P2")["compound"]) == {"DMSO", "Taxol", "LY294002", ""}


def test_merged_cells_are_of_each_of_their_wells(workbook: Callable[..., Path]) -> None:
    path = workbook({"Map": [(*HEADER, "MoA"), *((*row, None) for row in ROWS[1:])]})
    book = openpyxl.load_workbook(path)
    book["Map"]["F3"] = "PI3K"
    book["Map"].merge_cells("F3:F4")
    book.save(path)
    assert read_plate_map(path)["moa"].to_list() == ["", "PI3K", "PI3K", "", ""]


def test_dates_are_refused_where_a_map_has_none(workbook: Callable[..., Path]) -> None:
    rows = [(*HEADER, "made on"), ("A1", "SEPT2", 1, "uM", "sample", datetime(2024, 5, 7))]
    assert read_plate_map(workbook({"Map": rows}))["made on"].item() == "2024-05-07"
    rows[1] = ("A1", datetime(2024, 3, 1), 1, "uM", "sample", None)
    with pytest.raises(PlateMapError, match=r"cell B2: 2024-03-01, in the column compound, is a date\n.* as text"):
        read_plate_map(workbook({"Map": rows}))


def test_of_two_rows_of_headers_the_one_below_the_merged_cell_counts(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (
        ("Well", "Treatment", None, None, "Role"),
        (None, "Compound", "Concentration", "Unit", None),
        ("A1", "X", 5, "nM", "sample"),
        ("A2", "X", 10, "nM", "sample"),
    ):
        sheet.append(row)
    for cells in ("A1:A2", "B1:D1", "E1:E2"):
        sheet.merge_cells(cells)
    book.save(tmp_path / "map.xlsx")
    table = read_plate_map(tmp_path / "map.xlsx")
    assert (table.compound.tolist(), table.concentration.tolist()) == (["X", "X"], [5, 10])
