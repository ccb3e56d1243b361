"""The sheet of a compound: a page each, with its numbers, its cells, its masks and its run; the same file each time."""

from __future__ import annotations

import re
import zlib
from typing import Any

import pandas as pd
import pytest
import xarray as xr

from hcskit.errors import InputError
from hcskit.views import compound_sheets
from tests.small_run import HOSTILE


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", pdf))


def images(pdf: bytes) -> int:
    return len(re.findall(rb"/Subtype /Image", pdf))


@pytest.fixture
def tables(responses: pd.DataFrame, points: pd.DataFrame, curves: pd.DataFrame) -> Any:
    return responses, points, curves


@pytest.mark.slow
def test_each_compound_has_a_page_with_its_cells(tables: Any, plate: xr.Dataset) -> None:
    found = compound_sheets(*tables, [HOSTILE, "late"], plates={"P1": plate})
    assert found.startswith(b"%PDF")
    assert pages(found) == 2
    assert images(found) == 5 + 4  # a control and the concentrations; D04 was not acquired


@pytest.mark.slow
def test_notes_masks_and_the_run_stand_on_the_page(tables: Any, points: pd.DataFrame) -> None:
    hidden = points[(points["compound"] == "potent") & (points["well"] == "B03")]
    wells = pd.MultiIndex.from_tuples([("P1", "B03")], names=["plate", "well"])
    masks = pd.DataFrame({"reason": "air bubble", "who": "me", "when": "2026-01-01T10:00:00"}, index=wells)
    without = compound_sheets(*tables, ["potent"])
    assert without == compound_sheets(*tables, ["potent"])
    found = compound_sheets(
        *tables, ["potent"], masked=hidden, masks=masks, notes={"potent": "$x_1$ {a}"}, facts={"run": "plate7"}
    )
    assert images(found) == 0
    assert _texts(found) == _texts(without) + 3


def _texts(pdf: bytes) -> int:
    """How many pieces of text the pages of a file have."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    pieces = 0
    for stream in streams:
        try:
            pieces += len(re.findall(rb"\bTm\b|\bTd\b", zlib.decompress(stream)))
        except zlib.error:
            continue
    return pieces


def test_an_unknown_compound_is_refused(tables: Any) -> None:
    with pytest.raises(InputError, match="no response of compound 'other'"):
        compound_sheets(*tables, ["other"])
