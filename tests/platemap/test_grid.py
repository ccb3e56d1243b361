"""Plate maps drawn as the plate, one block a variable."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from hcskit.errors import PlateMapError
from hcskit.platemap import read_plate_map

COMPOUND = ["Compound,1,2,3", "A,DMSO,Wortmannin,Wortmannin", "B,LY294002,,"]
CONCENTRATION = ["Concentration,1,2,3", "A,,0.5 uM,10 uM", "B,0 nM,,"]
ROLE = ["Role,1,2,3", "A,neg,sample,sample", "B,pos,empty,"]
UNDER_ONE_ANOTHER = [*COMPOUND, ",,,", *CONCENTRATION, "", *ROLE]
SIDE_BY_SIDE = [f"{left},,{middle},{right}" for left, middle, right in zip(COMPOUND, CONCENTRATION, ROLE, strict=True)]


def above(block: list[str]) -> list[str]:
    """Move the title from the corner to the row above."""
    title, numbers = block[0].split(",", 1)
    return [f",,{title},", f",{numbers}", *block[1:]]


@pytest.mark.parametrize(
    "lines",
    [
        UNDER_ONE_ANOTHER,
        SIDE_BY_SIDE,
        [*above(COMPOUND), *above(CONCENTRATION), *above(ROLE)],
        [*above(COMPOUND)[:1], "", *above(COMPOUND)[1:], "", *above(CONCENTRATION), *ROLE],
        ["First screen, plate 7", "", *UNDER_ONE_ANOTHER, "", "drawn by Kim,,green = treated"],
        ["Compound", COMPOUND[0].replace("Compound", "Row/Column"), *COMPOUND[1:], *CONCENTRATION, *ROLE],
        [line.replace("A,", "a,").replace(",1,2,3", ",01,02,03") for line in UNDER_ONE_ANOTHER],
    ],
    ids=["under", "beside", "above", "blank row", "remarks", "axes in the corner", "small letters"],
)
def test_blocks_are_found_where_labs_draw_them(
    lines: list[str], save: Callable[..., Path], dosed: pd.DataFrame
) -> None:
    pd.testing.assert_frame_equal(read_plate_map(save("\n".join(lines))), dosed)
    tabs = "\r\n".join(lines).replace(",", "\t")
    pd.testing.assert_frame_equal(read_plate_map(save(tabs, encoding="utf-16")), dosed)
    semicolons = "\n".join(lines).replace(",", ";").replace("0.5", "0,5")
    pd.testing.assert_frame_equal(read_plate_map(save(semicolons)), dosed)


def test_any_part_of_a_plate_may_be_drawn_and_any_variable(save: Callable[..., Path]) -> None:
    """Two halves of a 1536-well plate, each with a corner of its own, and a variable of the lab's."""
    left = ["Cell line,1,2", "AE,HeLa,HeLa", "AF,,U2OS"]
    right = ["Cell line,47,48", "AE,A549,A549", "AF,A549,A549"]
    lines = [*left, "", *right]
    for title, cell in {"Compound": ",X", "Concentration (nM)": ",1", "Role": ",treatment"}.items():
        lines += ["", f"{title},1,2,47,48", f"AE{cell * 4}", f"AF{cell * 4}"]
    table = read_plate_map(save("\n".join(lines)))
    assert list(table.index) == ["AE01", "AE02", "AE47", "AE48", "AF01", "AF02", "AF47", "AF48"]
    assert list(table["Cell line"]) == ["HeLa", "HeLa", "A549", "A549", "", "U2OS", "A549", "A549"]
    assert set(table["concentration_unit"]) == {"nM"}


def test_numbers_and_letters_in_the_cells_are_no_block(save: Callable[..., Path]) -> None:
    compound = ["Compound,1,2,3", "A,A,B,C", "B,B,C,D"]
    others = [
        "Concentration (uM),1,2,3",
        "A,1,2,3",
        "B,2,3,4",
        "Role,1,2,3",
        *(f"{row}{',sample' * 3}" for row in "AB"),
    ]
    table = read_plate_map(save("\n".join([*compound, *others])))
    assert list(table["concentration"]) == [1, 2, 3, 2, 3, 4]
    assert list(table["compound"]) == ["A", "B", "C", "B", "C", "D"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*COMPOUND, *CONCENTRATION], "role is missing; .* found well, compound, concentration"),
        ([",1,2,3", *COMPOUND[1:]], "the block at row 1, column 1 has no title; write compound"),
        ([*UNDER_ONE_ANOTHER, "", *COMPOUND], "two blocks are called 'Compound', and both have well A01"),
        ([*UNDER_ONE_ANOTHER, "", "Conc,1,2", "A,1,2", "B,3,4"], "'Concentration' and 'Conc' both mean concentration"),
        ([*COMPOUND, "A,again,,"], "the block at row 1, column 1 has well A01 twice"),
        (["Compound,1,2,1", *COMPOUND[1:]], "has well A01 twice"),
        (["Compound,1,2,49", *COMPOUND[1:]], "the block at row 1, column 1: 'A49' is not the name of a well"),
        (UNDER_ONE_ANOTHER[:-1], "well B01: role '' is not one of"),
    ],
)
def test_a_bad_drawing_is_refused_with_its_place(lines: list[str], message: str, save: Callable[..., Path]) -> None:
    with pytest.raises(PlateMapError, match=message) as caught:
        read_plate_map(save("\n".join(lines)))
    assert "map.csv" in str(caught.value)
