"""Designs: the true dose response, the balance of the controls, and what is refused."""

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcskit.errors import HcskitError, InputError, UnitError
from hcskit.simulation import Compound, PlateDesign, dilution_series, lay_out

positive = st.floats(1e-3, 1e4)


@given(ec50=positive, slope=st.floats(0.3, 4.0), top=st.floats(0.1, 1.0), low=positive, fold=st.floats(1.1, 100.0))
def test_strength_is_a_rising_hill_curve(ec50: float, slope: float, top: float, low: float, fold: float) -> None:
    compound = Compound("A", "translocation", ec50, slope, top)
    assert compound.strength(ec50) == pytest.approx(top / 2)
    assert 0.0 == compound.strength(0.0) <= compound.strength(low) <= compound.strength(low * fold) <= top
    # The slope is that of the logit over the logarithm of the concentration: three-fold steps around the EC50.
    up, down = (compound.strength(ec50 * step) / top for step in (3.0, 1.0 / 3.0))
    assert up / (1 - up) / (down / (1 - down)) == pytest.approx(9.0**slope)


def test_inactive_compound_does_nothing() -> None:
    assert Compound("A").strength(1e9) == 0.0


def test_default_design_fills_a_96_well_plate_with_balanced_controls() -> None:
    treatments = lay_out(PlateDesign())
    assert len({treatment.well for treatment in treatments}) == len(treatments) == PlateDesign().format.size == 96
    rows, columns = defaultdict(list), defaultdict(list)
    for treatment in treatments:
        if treatment.role != "treatment":
            rows[treatment.compound].append(min(treatment.well.row, 7 - treatment.well.row))
            columns[treatment.compound].append(treatment.well.column)
    for compound, each in (("DMSO", 2), ("translocation control", 1), ("condensation control", 1)):
        assert sorted(rows[compound]) == sorted([0, 1, 2, 3] * each)  # every distance from the edge equally often
        assert sorted(columns[compound]) == [0] * 2 * each + [11] * 2 * each


def test_replicates_lie_in_different_rows_with_one_series() -> None:
    doses = defaultdict(dict)
    for treatment in lay_out(PlateDesign()):
        if treatment.role == "treatment":
            doses[treatment.compound].setdefault(treatment.replicate, []).append(
                (treatment.well.row, treatment.concentration)
            )
    for replicates in doses.values():
        assert [concentration for _, concentration in replicates[1]] == [c for _, c in replicates[2]]
        assert replicates[1][0][0] + 4 == replicates[2][0][0]


def test_dilution_series_rises_by_one_factor() -> None:
    series = dilution_series(3000.0, 3.0, 10)
    assert len(series) == 10
    assert series[-1] == 3000.0
    for low, high in pairwise(series):
        assert high / low == pytest.approx(3.0, rel=0.01)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phenotype": "translokation"}, "unknown phenotype"),
        ({"ec50": None}, "ec50 None"),
        ({"phenotype": None}, "phenotype None"),
        ({"ec50": 0.0}, "above zero"),
        ({"hill_slope": -1.0}, "above zero"),
        ({"maximum_effect": 1.5}, "maximum_effect 1.5"),
        ({"unit": "furlong"}, "unknown unit"),
    ],
)
def test_impossible_compound_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(Compound("A", "translocation", ec50=1.0), **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "my_plate"}, "my_plate"),
        ({"compounds": ()}, "at least one"),
        ({"fields": 0}, "at least one"),
        ({"image_size": (256, 8)}, "32 pixels"),
        ({"concentrations": (0.0, 1.0)}, "above zero"),
        ({"noise": -1.0}, "noise"),
        ({"edge_effect": 1.0}, "edge_effect"),
        ({"concentrations": dilution_series(1e6, 1.1, 47)}, "largest plate"),
        ({"compounds": (Compound("A"), Compound("A"))}, "one name"),
        ({"missing_wells": ("I01",)}, "A01 to H12"),
        ({"missing_wells": ("a1",)}, "A01 to H12"),
        ({"missing_fields": (("A01", 3),)}, "no field 3"),
    ],
)
def test_impossible_design_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(HcskitError, match=message):
        replace(PlateDesign(), **changes)


def test_units_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(UnitError, match="molar mass"):
        PlateDesign(compounds=(Compound("A", "translocation", ec50=1.0, unit="ug/mL"),))


def test_two_rows_still_give_each_phenotype_a_control() -> None:
    compounds = (Compound("A", "condensation", ec50=1.0), Compound("B", "translocation", ec50=1.0))
    design = PlateDesign(compounds=compounds, replicates=1)
    controls = [treatment.compound for treatment in lay_out(design) if treatment.role == "positive_control"]
    assert sorted(controls) == ["condensation control", "translocation control"]
