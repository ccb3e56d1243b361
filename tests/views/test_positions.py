"""The map of what the place of a well adds."""

import numpy as np
import pandas as pd
import pytest

from hcskit.errors import InputError
from hcskit.plate import Well
from hcskit.views import position_map


def points(edge: float) -> pd.DataFrame:
    wells = [Well(row, column) for row in range(8) for column in range(12)]
    value = np.random.default_rng(0).normal(5, 1, 96)
    value += [edge * (well.row in (0, 7) or well.column in (0, 11)) for well in wells]
    names = [well.name for well in wells]
    return pd.DataFrame(
        {"plate": "P1", "well": names, "role": "treatment", "compound": "x", "concentration": 1.0, "readout": "a"}
    ).assign(value=value)


def test_an_edge_is_named_and_seen() -> None:
    drawn = position_map(points(3.0), "P1", "a")
    title = drawn.opts.get("plot").kwargs["title"]
    assert "edge (p = " in title
    rectangles = next(layer for layer in drawn if "value" in [dim.name for dim in layer.vdims])
    shown = rectangles.dframe().set_index("well")["value"].drop("", errors="ignore")  # the ends of the colour scale
    assert len(shown) == 96
    assert shown["A01"] > 0 > shown[["D05", "D06", "E05", "E06"]].mean()


def test_a_quiet_plate_says_so_and_an_absent_one_is_refused() -> None:
    title = position_map(points(0.0), "P1", "a").opts.get("plot").kwargs["title"]
    assert title == "a of P1: no effect of the place"
    with pytest.raises(InputError, match="plate P2 has no wells with the readout a"):
        position_map(points(0.0), "P2", "a")
