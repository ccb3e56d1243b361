"""Units of concentration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcskit.errors import UnitError
from hcskit.units import convert, parse_unit

MOLAR = ("M", "mM", "uM", "nM", "pM", "fM")
MASS = ("g/L", "mg/mL", "ug/mL", "ng/mL", "pg/mL")
AMOUNTS = st.floats(1e-6, 1e6)


@given(AMOUNTS, st.sampled_from([(a, b) for units in (MOLAR, MASS) for a in units for b in units]))
def test_there_and_back_is_the_same_concentration(value: float, pair: tuple[str, str]) -> None:
    assert convert(convert(value, *pair), *pair[::-1]) == pytest.approx(value, rel=1e-12)


@given(AMOUNTS, st.sampled_from(MOLAR), st.sampled_from(MOLAR), st.sampled_from(MOLAR))
def test_a_detour_changes_nothing(value: float, a: str, b: str, c: str) -> None:
    assert convert(convert(value, a, b), b, c) == pytest.approx(convert(value, a, c), rel=1e-12)


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (1, "M", "nM", 1e9),
        (250, "nM", "uM", 0.25),
        (3, "ug/mL", "ng/mL", 3000),
        (2, "mg/mL", "g/L", 2),
        (0, "M", "fM", 0),
    ],
)
def test_conversions_known_by_hand(value: float, source: str, target: str, expected: float) -> None:
    assert convert(value, source, target) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("spelling", ["uM", " uM ", "\N{MICRO SIGN}M", "\N{GREEK SMALL LETTER MU}M", "umol/L"])
def test_spellings_of_micromolar(spelling: str) -> None:
    assert parse_unit(spelling).name == "uM"


@pytest.mark.parametrize("text", ["", "MM", "Nm", "um", "nm", "mol", "M/L", "uM/mL", "ppm", "10 nM"])
def test_an_unknown_unit_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(UnitError, match="unknown unit") as caught:
        parse_unit(text)
    assert repr(text) in str(caught.value)
    assert "nM" in str(caught.value)


@pytest.mark.parametrize("pair", [("nM", "ng/mL"), ("%", "uM"), ("g/L", "%")])
def test_quantities_are_not_mixed(pair: tuple[str, str]) -> None:
    with pytest.raises(UnitError, match="cannot convert"):
        convert(1.0, *pair)
