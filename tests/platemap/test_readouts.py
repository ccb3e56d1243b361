"""Tables of readouts from other programs: told by their names, with a word on each guess, or refused with a hint."""

import numpy as np
import pandas as pd
import pytest

from hcskit.errors import InputError
from hcskit.platemap import recognise_readouts
from hcskit.response import fit_responses, hill

SERIES = np.geomspace(0.01, 100, 8).repeat(2)


def viabilities(**names: str) -> pd.DataFrame:
    """Two drugs and a solvent, as a plate reader's software exports them."""
    rng = np.random.default_rng(0)
    wells = [
        (drug, c, float(hill(c, 1, 0.1, ec50, 1.3))) for drug, ec50 in (("Alpha", 1), ("Beta", 10)) for c in SERIES
    ]
    table = pd.DataFrame([*wells, *[("DMSO", 0.0, 1.0)] * 8], columns=["Drug", "Dose (µM)", "Viability"])
    return table.assign(Viability=table["Viability"] + rng.normal(0, 0.02, len(table))).rename(columns=names)


def wells(table: pd.DataFrame) -> list[str]:
    return [f"{'ABCDEFGH'[i // 12]}{i % 12 + 1:02d}" for i in range(len(table))]


def cellprofiler() -> pd.DataFrame:
    """Two sites a well, with the columns that CellProfiler calls metadata."""
    table = viabilities(
        **{"Drug": "Metadata_Compound", "Dose (µM)": "Metadata_Concentration_uM", "Viability": "Mean_Nuclei_AreaShape"}
    )
    table = table.assign(Metadata_Plate="BR1", Metadata_Well=wells(table), ImageNumber=range(len(table)))
    sites = [
        table.assign(Metadata_Site=site, Mean_Nuclei_AreaShape=table["Mean_Nuclei_AreaShape"] + 0.01 * site)
        for site in (1, 2)
    ]
    return pd.concat(sites, ignore_index=True)


def reader() -> pd.DataFrame:
    table = viabilities(**{"Drug": "Substance", "Dose (µM)": "conc_uM", "Viability": "OD600"})
    return table.assign(Row=[i // 12 + 1 for i in range(len(table))], Column=[i % 12 + 1 for i in range(len(table))])


TABLES = {
    "drug and dose": (viabilities(), "Viability", "took 'Drug' as compound, 'Dose (µM)' as concentration, in uM"),
    "treatment": (viabilities(Drug="Treatment"), "Viability", "took 'Treatment' as compound"),
    "cellprofiler": (cellprofiler(), "Mean_Nuclei_AreaShape", "2 rows of a well are averaged"),
    "plate reader": (reader(), "OD600", "wells named by 'row' and 'column'"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(TABLES))
def test_a_foreign_table_is_fitted_and_each_guess_is_told(name: str) -> None:
    table, readout, telling = TABLES[name]

    points, said = recognise_readouts(table, "wells.csv")

    assert any(telling in line for line in said), said
    assert any("8 negative control" in line or "16 negative control" in line for line in said)
    found = fit_responses(points).responses.xs(readout, level="readout")
    assert list(found.index) == ["Alpha", "Beta"]
    assert found["ec50"].to_numpy() == pytest.approx([1, 10], rel=0.15)
    assert (found["concentration_unit"] == "uM").all()
    assert (found["n_controls"] == 8).all()


def test_our_own_table_is_left_as_it_is() -> None:
    points, _ = recognise_readouts(viabilities(), "wells.csv")
    again, said = recognise_readouts(points, "wells.csv")
    assert again is points
    assert said == []


def test_what_tells_experiments_apart_is_carried() -> None:
    table = pd.concat([viabilities().assign(cell_line=own, time=24) for own in ("HeLa", "A549")], ignore_index=True)
    points, _ = recognise_readouts(table, "wells.csv")
    assert {"cell_line", "time"} <= set(points.columns)
    assert set(points["readout"]) == {"Viability"}
    assert len(fit_responses(points, by=["cell_line"]).responses) == 4


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (viabilities(Drug="cmpuond"), "Did you mean 'cmpuond' as the compound"),
        (viabilities(**{"Dose (µM)": "Dose"}), "does not tell the unit of its concentrations.* or say --unit uM"),
        (
            viabilities(**{"Dose (µM)": "x"}),
            "no column that is surely the concentration; it has compound, x",
        ),
        (viabilities().drop(columns="Viability"), "no column of numbers that may be a readout"),
        (viabilities(Viability="conc"), "both mean concentration"),
    ],
)
def test_what_is_not_clear_is_asked_for(table: pd.DataFrame, said: str) -> None:
    with pytest.raises(InputError, match=said):
        recognise_readouts(table, "wells.csv")


def test_unit_and_readouts_may_be_given() -> None:
    table = viabilities(**{"Dose (µM)": "Dose"}).assign(Other=1.0)
    points, _ = recognise_readouts(table, "wells.csv", unit="nM", readouts=["Viability"])
    assert set(points["readout"]) == {"Viability"}
    assert set(points["concentration_unit"]) == {"nM"}
    with pytest.raises(InputError, match="no column 'Cells' to be a readout; it has compound"):
        recognise_readouts(table, "wells.csv", unit="nM", readouts=["Cells"])
