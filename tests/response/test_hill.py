import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcskit.response import hill


def test_the_limits_are_the_asymptotes_and_half_way_is_the_ec50() -> None:
    response = hill([0.0, 5.0, np.inf], bottom=2.0, top=-4.0, ec50=5.0, hill_slope=1.7)

    assert response == pytest.approx([2.0, -1.0, -4.0])


def test_it_is_the_textbook_formula() -> None:
    c = np.geomspace(0.01, 100, 9)

    expected = 0.1 + (0.9 - 0.1) * c**2.5 / (c**2.5 + 3.0**2.5)

    assert hill(c, 0.1, 0.9, 3.0, 2.5) == pytest.approx(expected, rel=1e-12)


def test_extreme_concentrations_and_slopes_do_not_overflow() -> None:
    assert hill([1e-300, 1e300], 0.0, 1.0, ec50=1e-12, hill_slope=1000.0).tolist() == [0.0, 1.0]


@given(
    slope=st.floats(0.1, 20),
    ec50=st.floats(1e-12, 1e3),
    top=st.floats(-1e3, 1e3),
)
def test_the_curve_is_monotone_and_stays_between_its_asymptotes(slope: float, ec50: float, top: float) -> None:
    response = hill(np.concatenate([[0.0], np.geomspace(1e-14, 1e5, 60)]), 1.0, top, ec50, slope)

    steps = np.diff(response) * np.sign(top - 1.0)
    assert (steps >= -1e-12 * abs(top - 1.0)).all()
    assert response.min() >= min(1.0, top) - 1e-9
    assert response.max() <= max(1.0, top) + 1e-9
