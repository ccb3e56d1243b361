"""Plate maps as laboratories write them: what is read, what is refused, and in which words."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcskit.errors import PlateMapError
from hcskit.plate import parse_well
from hcskit.platemap import check_plate_map, read_plate_map

HEADER = "well,compound,concentration,concentration_unit,role\n"


def read(folder: Path, text: str | bytes) -> pd.DataFrame:
    path = folder / "map.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_plate_map(path)


def test_all_that_is_in_a_map_comes_through(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "well,compound,concentration,concentration_unit,role,moa,replicate,operator\n"
        "b2,Wortmannin , 1e2,nM,treatment,PI3K,1,Kim\nA10,DMSO,,,negative_control,,2,\n"
        "A9,LY294002,0.5,\N{MICRO SIGN}M,treatment,PI3K,1,Kim\nA01,,,,empty,,,\nH12,X,0,uM,positive_control,,1,Kim\n",
    )
    assert list(table.index) == ["A01", "A09", "A10", "B02", "H12"]
    np.testing.assert_array_equal(table["concentration"], [np.nan, 0.5, np.nan, 100.0, 0.0])
    assert list(table["concentration_unit"]) == ["", "uM", "", "nM", "uM"]
    assert list(table["compound"]) == ["", "LY294002", "DMSO", "Wortmannin", "X"]
    assert list(table["operator"]) == ["", "Kim", "", "Kim", "Kim"]


def test_a_checked_map_passes_the_check_unchanged(tmp_path: Path) -> None:
    table = read(tmp_path, HEADER + "A01,X,0.1,uM,treatment\nA02,,,,negative_control\n")
    pd.testing.assert_frame_equal(check_plate_map(table.reset_index()), table)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from([f"{row}{column}" for row in "ABC" for column in range(1, 13)]), min_size=1, unique=True),
    st.randoms(),
)
def test_the_order_of_rows_does_not_matter(wells: list[str], random) -> None:
    rows = [(well, "A", float(number), "nM", "treatment") for number, well in enumerate(wells)]
    columns = HEADER.strip().split(",")
    table = check_plate_map(pd.DataFrame(rows, columns=columns))
    random.shuffle(rows)
    pd.testing.assert_frame_equal(check_plate_map(pd.DataFrame(rows, columns=columns)), table)
    assert list(table.index) == sorted(table.index, key=parse_well)


@pytest.mark.parametrize(
    "text",
    [
        "\N{ZERO WIDTH NO-BREAK SPACE}" + HEADER + "A01,X,1,nM,treatment\n",  # Excel's byte order mark
        HEADER.replace("\n", "\r\n") + "A01,X,1,nM,treatment\r\n,,,,\r\n , ,,,\r\n",  # blank rows
        HEADER.strip() + ",,\nA01,X,1,nM,treatment,,\n",  # blank columns
        "well , compound,concentration,concentration_unit, role\nA01, X,1,nM, treatment\n",
        "well,row,column,compound,concentration,concentration_unit,role\nA01,A,1,X,1,nM,treatment\n",
    ],
    ids=["BOM", "blank rows", "blank columns", "spaces", "row and column"],
)
def test_quirks_that_lose_nothing_are_read(tmp_path: Path, text: str) -> None:
    plain = read(tmp_path, HEADER + "A01,X,1,nM,treatment\n")
    pd.testing.assert_frame_equal(read(tmp_path, text), plain)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as a CSV plate map"),
        (HEADER, "no wells"),
        ("well,compound\nA01,X\n", "column concentration, concentration_unit, role is missing"),
        (HEADER.replace(",", ";") + "A01;X;1;nM;treatment\n", "separated by commas, found 'well;compound"),
        (HEADER.replace(",", "\t") + "A01\tX\t1\tnM\ttreatment\n", "separated by commas"),
        ("Dear colleague,\nplease find enclosed the map.\n", "column well, compound"),
        (bytes(range(256)) * 8, "UTF-8"),
        (("\N{BYTE ORDER MARK}" + HEADER).encode("utf-16"), "UTF-8"),
        ((HEADER + "A01,X,1,\N{MICRO SIGN}M,treatment\n").encode("latin-1"), "UTF-8"),
        (HEADER + 'A01,"X,1,nM,treatment\n', "cannot be read as a CSV plate map"),
        (HEADER + "A01,X,1,nM,treatment,extra\nA02,X,1,nM,treatment,extra\n", "more cells than its header"),
        (HEADER + "A01,X,1,nM,treatment\nA02,X,0,5,nM,treatment\n", "cannot be read as a CSV plate map"),
        (HEADER.replace("role", "role,well ") + "A01,X,1,nM,treatment,B01\n", "column well is there twice"),
        (HEADER.replace("role", "role,plate") + "A01,X,1,nM,treatment,P\n", "column plate has a name hcskit uses"),
        (HEADER + "A01,X,1,nM,treatment\nA1,Y,2,nM,treatment\n", "well A01 is listed more than once"),
        (HEADER + "a01,X,1,nM,treatment\nA01,X,1,nM,treatment\n", "well A01 is listed more than once"),
        (HEADER + "Z99,X,1,nM,treatment\n", "'Z99' is not the name of a well"),
        (HEADER + ",X,1,nM,treatment\n", "'' is not the name of a well"),
        (HEADER + "A01,X,1,nM,Treatment\n", "well A01: role 'Treatment' is not one of treatment, negative_control"),
        (HEADER + "A01,X,-1,nM,treatment\n", "well A01: concentration -1 is not a finite"),
        (HEADER + "A01,X,inf,nM,treatment\n", "well A01: concentration inf is not a finite"),
        (HEADER + "A01,X,nan,nM,treatment\n", "well A01: concentration 'nan' is not a number"),
        (HEADER + 'A01,X,"0,5",nM,treatment\n', "well A01: concentration '0,5' is not a number"),
        (HEADER + "A01,X,10 nM,nM,treatment\n", "well A01: concentration '10 nM' is not a number"),
        (HEADER + "A01,X,,nM,treatment\n", "well A01: a treatment needs a concentration"),
        (HEADER + "A01,X,1,,treatment\n", "well A01: concentration 1 has no concentration_unit"),
        (HEADER + "A01,,1,nM,treatment\n", "well A01: a treatment needs a compound"),
        (HEADER + "A01,X,1,nmolar,treatment\n", "well A01: unknown unit of concentration 'nmolar'"),
        (HEADER + "A01,X,1,nM,treatment\nA02,X,1,uM,treatment\n", r"compound X is given in several units \(nM, uM\)"),
    ],
)
def test_a_bad_map_is_refused_with_its_fault(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(PlateMapError, match=message) as caught:
        read(tmp_path, text)
    assert "map.csv" in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlateMapError, match="there is no plate map"):
        read_plate_map(tmp_path / "map.csv")
    with pytest.raises(PlateMapError, match="cannot be read"):
        read_plate_map(tmp_path)


def test_all_faults_are_told_at_once_but_at_most_twenty(tmp_path: Path) -> None:
    with pytest.raises(PlateMapError) as caught:
        read(tmp_path, HEADER + "A01,X,-1,nM,treatment\nA02,X,1,nm,treatment\nA03,X,1,nM,sample\n")
    assert [word in str(caught.value) for word in ("A01", "A02", "A03")] == [True] * 3
    rows = "".join(
        f"A{column:02d},X,{-column},nM,treatment\nB{column:02d},X,-1,nM,treatment\n" for column in range(1, 13)
    )
    with pytest.raises(PlateMapError, match="has 24 fault") as caught:
        read(tmp_path, HEADER + rows)
    assert str(caught.value).count("is not a finite") == 20
    assert "and 4 more" in str(caught.value)
