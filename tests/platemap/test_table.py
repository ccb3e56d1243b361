"""Plate maps with one row a well: what is read, what is refused, and in which words."""

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
ONE = HEADER + "A01,X,1,nM,treatment\n"


def read(folder: Path, text: str | bytes, plate: str | None = None) -> pd.DataFrame:
    path = folder / "map.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_plate_map(path, plate)


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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "\N{ZERO WIDTH NO-BREAK SPACE}" + ONE,  # Excel's byte order mark
        ONE.replace("\n", "\r\n") + ",,,,\r\n , ,,,\r\n",  # blank rows
        HEADER.strip() + ",,\nA01,X,1,nM,treatment,,\n",  # blank columns
        "well , compound,concentration,concentration_unit, role\nA01, X,1,nM, treatment\n",
        "well,row,column,compound,concentration,concentration_unit,role\nA01,A,1,X,1,nM,treatment\n",
        ONE.encode("utf-16"),
        ONE.replace(",", "\t"),
        ONE.replace(",", "\t").encode("utf-16"),  # what Excel calls Unicode text
        ONE.replace(",", ";"),
        "sep=;\r\n" + ONE.replace(",", ";"),
        "Plate map of the first screen,,,,\n\n" + ONE,
        "row,column,compound,concentration,concentration_unit,role\nA,01,X,1,nM,treatment\n",
        "Row,Col,Compound,Conc,Unit,Role\n1,1,X,1,nM,treatment\n",
        "Well ID,Compound Name,CONCENTRATION,Concentration Unit,Well Type\nA1,X,1,nM,Sample\n",
        "well,compound,concentration (nM),role\nA01,X,1,treatment\n",
        "well,compound,Final Conc. [nM],role\nA01,X,1,treatment\n",
        "well,compound,concentration_nM,role\nA01,X,1,treatment\n",
        "well,compound,Concentration in nM,role\nA01,X,1,treatment\n",
        "well,compound,concentration (nM),concentration_unit,role\nA01,X,1,nM,treatment\n",
        "well,compound,concentration (nM),concentration_unit,role\nA01,X,1,,treatment\n",
        "well,compound,concentration,role\nA01,X,1 nM,treatment\n",
        HEADER + "A01,X,1nM,nM,treatment\n",
    ],
)
def test_other_ways_to_write_the_same(tmp_path: Path, text: str | bytes) -> None:
    pd.testing.assert_frame_equal(read(tmp_path, text), read(tmp_path, ONE))


def test_a_decimal_comma_is_one_where_semicolons_separate(tmp_path: Path) -> None:
    german = "Well;Compound;Concentration;Unit;Role\nA1;X;0,5;\N{MICRO SIGN}M;treatment\nA2;X;1,25e1;uM;treatment\n"
    for encoding in ("utf-8", "cp1252"):
        table = read(tmp_path, (german + "A3;X;2;uM;treatment\n").encode(encoding))
        assert list(table["concentration"]) == [0.5, 12.5, 2.0]
    assert read(tmp_path, german.replace("0,5;\N{MICRO SIGN}M", "0,5 \N{MICRO SIGN}M;"))["concentration"].iloc[0] == 0.5
    assert read(tmp_path, german.replace("0,5", "0.5").replace("1,25", "1.25"))["concentration"].iloc[0] == 0.5
    for left, right in (("2,5", "1.000"), ("1,000", "10,000"), ("1.000", "2.000")):
        with pytest.raises(
            PlateMapError, match=f"concentrations {left} and {right} may have a decimal sign or a thousands separator"
        ):
            read(tmp_path, german.replace("0,5", left).replace("1,25e1", right))


def test_usual_words_for_a_role(tmp_path: Path) -> None:
    words = {
        "Treated": "treatment",
        "sample": "treatment",
        "trt": "treatment",
        "Neg. control": "negative_control",
        "negcon": "negative_control",
        "vehicle": "negative_control",
        "POS": "positive_control",
        "Positive-Control": "positive_control",
        "blank": "empty",
    }
    rows = "".join(f"A{number},X,1,nM,{word}\n" for number, word in enumerate(words, 1))
    assert list(read(tmp_path, HEADER + rows)["role"]) == list(words.values())


def test_one_plate_of_several(tmp_path: Path) -> None:
    text = "Barcode," + HEADER + "P1,A01,X,1,nM,treatment\nP2,A01,Y,2,nM,treatment\nP2,A02,Y,bad,nM,treatment\n"
    table = read(tmp_path, text, plate="P1")
    assert list(table["compound"]) == ["X"]
    assert "plate" not in table
    with pytest.raises(PlateMapError, match=r"2 plate\(s\): P1, P2; say which"):
        read(tmp_path, text)
    with pytest.raises(PlateMapError, match=r"has no plate P3; it is the map of 2 plate\(s\): P1, P2"):
        read(tmp_path, text, plate="P3")
    with pytest.raises(PlateMapError, match=r"1 row\(s\) name no plate"):
        read(tmp_path, text + ",A03,Y,1,nM,treatment\n", plate="P1")
    with pytest.raises(PlateMapError, match="has no plate P2"):
        read(tmp_path, "plate," + HEADER + "P1,A01,X,1,nM,treatment\n", plate="P2")
    for named in ("plate," + HEADER + "P1,A01,X,1,nM,treatment\n", "plate," + HEADER + ",A01,X,1,nM,treatment\n", ONE):
        pd.testing.assert_frame_equal(read(tmp_path, named), table)
    pd.testing.assert_frame_equal(read(tmp_path, ONE, plate="P1"), table)


def test_a_final_concentration_is_not_worked_out(tmp_path: Path) -> None:
    stocks = "well,compound,role,Stock concentration (mM),Transfer volume (nL),Well Volume\nA01,X,treatment,10,50,100\n"
    with pytest.raises(PlateMapError, match=r"has Stock concentration \(mM\), Transfer volume .* Compute it") as caught:
        read(tmp_path, stocks)
    assert "column concentration" in str(caught.value)
    with pytest.raises(PlateMapError, match="it has dilution factor, but no concentration"):
        read(tmp_path, "well,compound,role,dilution factor\nA01,X,treatment,1000\n")
    with pytest.raises(PlateMapError, match="log10 concentration is a logarithm; give the concentration itself"):
        read(tmp_path, "well,compound,role,log10 concentration\nA01,X,treatment,-6\n")
    both = "well,compound,role,stock concentration (mg/mL),concentration (uM)\nA01,X,treatment,10,5\n"
    table = read(tmp_path, both)
    assert (table["concentration"].item(), table["concentration_unit"].item()) == (5.0, "uM")
    assert table["stock concentration (mg_mL)"].item() == "10"
    with pytest.raises(
        PlateMapError, match=r"with Source Well, Transfer Volume .* 'Concentration' may be .* the stock"
    ):
        read(tmp_path, "well,compound,role,Source Well,Transfer Volume,Concentration\nA01,X,treatment,B02,50,10\n")
    final = "well,compound,role,Source Well,Transfer Volume,Final Concentration (uM)\nA01,X,treatment,B02,50,10\n"
    assert read(tmp_path, final)["concentration"].item() == 10


@pytest.mark.parametrize("nothing", ["NA", "n/a", "nan", "None", "-"])
def test_a_word_for_no_concentration(tmp_path: Path, nothing: str) -> None:
    table = read(tmp_path, "well,compound,concentration (uM),role\n" + f"A01,X,1,trt\nA02,DMSO,{nothing},neg\n")
    assert np.isnan(table.concentration["A02"])
    assert table.concentration_unit["A02"] == ""


@pytest.mark.parametrize(("separator", "quote"), [("\t", ""), (";", ""), (",", '"')])
def test_a_decimal_comma(tmp_path: Path, separator: str, quote: str) -> None:
    rows = [["Well", "Compound", "Concentration (µM)", "Role"], ["A1", "X", f"{quote}0,5{quote}", "sample"]]
    assert read(tmp_path, "".join(separator.join(row) + "\n" for row in rows))["concentration"].item() == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no plate map: it is empty"),
        (HEADER, "no wells"),
        ("well,compound\nA01,X\n", "concentration, concentration_unit, role is missing"),
        (
            "Dear colleague,\nplease find enclosed the map.\n",
            "no plate map: found 'Dear colleague | '; expected a header",
        ),
        (bytes(range(256)) * 8, "UTF-8"),
        (HEADER + 'A01,"X,1,nM,treatment\n', "cannot be read as CSV: unexpected end of data"),
        (HEADER + "A01,X,1,nM,treatment,extra\nA02,X,1,nM,treatment,extra\n", "column 6 has cells, but no name"),
        (HEADER + "A01,X,1,nM,treatment\nA02,X,0,5,nM,treatment\n", "quotation marks around a cell that has a comma"),
        (HEADER.replace("role", "role,well ") + "A01,X,1,nM,treatment,B01\n", "column well is there twice"),
        (HEADER.replace("role", "role,Well") + "A01,X,1,nM,treatment,B01\n", "'well' and 'Well' both mean well"),
        (HEADER.replace("role", "role,conc") + "A01,X,1,nM,treatment,2\n", "both mean concentration"),
        (HEADER.replace("role", "role,time") + "A01,X,1,nM,treatment,24\n", "column time has a name hcskit uses"),
        (HEADER + "A01,X,1,nM,treatment\nA1,Y,2,nM,treatment\n", "well A01 is listed more than once"),
        (HEADER + "a01,X,1,nM,treatment\nA01,X,1,nM,treatment\n", "well A01 is listed more than once"),
        (HEADER + "Z99,X,1,nM,treatment\n", "'Z99' is not the name of a well"),
        (HEADER + ",X,1,nM,treatment\n", "'' is not the name of a well"),
        (HEADER.replace("well", "row,column") + "0,1,X,1,nM,treatment\n", "'01' is not the name of a well"),
        (HEADER + "A01,X,1,nM,control\n", "well A01: role 'control' is not one of treatment, negative_control"),
        (HEADER + "A01,X,-1,nM,treatment\n", "well A01: concentration -1 is not a finite"),
        (HEADER + "A01,X,inf,nM,treatment\n", "well A01: concentration inf is not a finite"),
        (HEADER + "A01,X,nan,nM,treatment\n", "well A01: a treatment needs a concentration"),
        (
            HEADER + 'A01,X,"1,000",nM,treatment\n',
            "concentrations 1,000 may have a decimal sign or a thousands separator",
        ),
        (ONE.replace("well,", "well,row,column,").replace("A01,", "A01,B,1,"), "well A01 is said to be in .* B1"),
        (HEADER + "A01,X,<0.1,nM,treatment\n", "well A01: concentration '<0.1' is not a number"),
        (HEADER + "A01,X,10 parts,nM,treatment\n", "well A01: concentration '10 parts' is not a number"),
        (HEADER + "A01,X,10 uM,nM,treatment\n", "well A01: the concentration is given in uM and in nM"),
        (HEADER.replace("n,", "n (uM),") + "A01,X,10,nM,treatment\n", "well A01: the concentration is given in uM and"),
        (
            HEADER.replace("n,", "n (parts),") + "A01,X,10,,treatment\n",
            "in the name of its concentration: unknown unit",
        ),
        (HEADER + "A01,X,,nM,treatment\n", "well A01: a treatment needs a concentration"),
        (HEADER + "A01,X,1,,treatment\n", "well A01: concentration 1 has no concentration_unit"),
        (HEADER + "A01,,1,nM,treatment\n", "well A01: a treatment needs a compound"),
        (HEADER + "A01,X,1,nmolar,treatment\n", "well A01: unknown unit of concentration 'nmolar'"),
        (
            HEADER + "A01,X,1,nM,treatment\nA02,X,1,ug/mL,treatment\n",
            r"compound X is given in several units \(nM, ug/mL\) that do not convert",
        ),
    ],
)
def test_a_bad_map_is_refused_with_its_fault(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(PlateMapError, match=message) as caught:
        read(tmp_path, text)
    assert "map.csv" in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_one_compound_in_several_units(tmp_path: Path) -> None:
    rows = (
        "A01,X,1,uM,treatment\nA02,X,300,nM,treatment\nA03,X,0.002,mM,treatment\nA04,Y,5,nM,treatment\nA05,X,3,uM,trt\n"
    )
    table = read(tmp_path, HEADER + rows)
    assert table.concentration.to_list() == [1.0, 0.3, 2.0, 5.0, 3.0]
    assert table.concentration_unit.to_list() == ["uM", "uM", "uM", "nM", "uM"]


def test_compounds_that_differ_in_case_and_blanks_are_one_with_a_warning(tmp_path: Path) -> None:
    rows = "A01,Cpd 1,1,uM,trt\nA02,cpd 1,2,uM,trt\nA03,Cpd  1 ,3,uM,trt\nA04,Cpd 10,3,uM,trt\n"
    with pytest.warns(UserWarning, match=r"taken for one: 'Cpd  1' is 'Cpd 1', 'cpd 1' is 'Cpd 1'"):
        table = read(tmp_path, HEADER + rows)
    assert table["compound"].to_list() == ["Cpd 1", "Cpd 1", "Cpd 1", "Cpd 10"]


def test_text_of_windows(tmp_path: Path) -> None:
    table = read(tmp_path, (HEADER + "A01,Säure,1,µM,treatment\n").encode("cp1252"))
    assert table.loc["A01", ["compound", "concentration_unit"]].to_list() == ["Säure", "uM"]


@pytest.mark.parametrize(
    ("names", "unit"),
    [
        ("Well,Drug,Dose (uM),Role", "uM"),
        ("well,drug name,drug_conc_nM,role", "nM"),
        ("well_position,broad_sample,mmoles_per_liter,pert_type", "mM"),
        ("Metadata_Well,Metadata_pert_iname,Metadata_umoles_per_liter,Metadata_pert_type", "uM"),
        ("well,cpd,ug_per_ml,role", "ug/mL"),
        ("Destination Well,Sample Name,Final Concentration [uM],role", "uM"),
    ],
)
def test_what_other_programs_call_the_columns(names: str, unit: str, tmp_path: Path) -> None:
    table = read(tmp_path, f"{names}\nA1,X,2,trt\n")
    found = table.loc["A01", ["compound", "concentration", "concentration_unit", "role"]].to_list()
    assert found == ["X", 2.0, unit, "treatment"]


def test_a_plate_map_of_a_cell_painting_project(tmp_path: Path) -> None:
    text = (
        "plate_map_name\twell_position\tbroad_sample\tmg_per_ml\tmmoles_per_liter\tsolvent\n"
        "M1\tA01\t\t\t\tDMSO\nM1\tA02\tBRD-K1\t3.2\t10\tDMSO\n"
    )
    table = read(tmp_path, text, plate="BR00117")
    assert table.role.to_list() == ["negative_control", "treatment"]
    assert table.compound.to_list() == ["DMSO", "BRD-K1"]
    assert (table.concentration["A02"], table.concentration_unit["A02"], table.mg_per_ml["A02"]) == (10.0, "mM", "3.2")


def test_the_controls_of_jump(tmp_path: Path) -> None:
    rows = "A01,a,1,trt,\nA02,b,1,control,poscon_cp\nA03,DMSO,0,control,negcon\n"
    table = read(tmp_path, "well,compound,concentration (uM),pert_type,control_type\n" + rows)
    assert table.role.to_list() == ["treatment", "positive_control", "negative_control"]


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlateMapError, match="there is no plate map"):
        read_plate_map(tmp_path / "map.csv")
    with pytest.raises(PlateMapError, match="cannot be read"):
        read_plate_map(tmp_path)


def test_all_faults_are_told_at_once_but_at_most_twenty(tmp_path: Path) -> None:
    with pytest.raises(PlateMapError) as caught:
        read(tmp_path, HEADER + "A01,X,-1,nM,treatment\nA02,X,1,nm,treatment\nA03,X,1,nM,control\n")
    assert [word in str(caught.value) for word in ("A01", "A02", "A03")] == [True] * 3
    rows = "".join(
        f"A{column:02d},X,{-column},nM,treatment\nB{column:02d},X,-1,nM,treatment\n" for column in range(1, 13)
    )
    with pytest.raises(PlateMapError, match="has 24 fault") as caught:
        read(tmp_path, HEADER + rows)
    assert str(caught.value).count("is not a finite") == 20
    assert "and 4 more" in str(caught.value)
