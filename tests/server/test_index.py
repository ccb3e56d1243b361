"""Several runs have an index: each in a line with its link, and what changed between two."""

from __future__ import annotations

import shutil
from pathlib import Path

import panel as pn
import pytest

from hcskit.actions import mask_wells
from hcskit.errors import NotAScreenError
from hcskit.results import RunRecord
from hcskit.server import make_server
from hcskit.server._index import Pair, index_page
from hcskit.server._server import _runs
from tests.fitted_run import BUBBLE


@pytest.fixture(scope="module")
def two(fitted_run: Path, tmp_path_factory: pytest.TempPathFactory, record: RunRecord) -> dict[str, Path]:
    """A run, and its copy of another seed in which a well is masked."""
    root = tmp_path_factory.mktemp("<b>runs")
    for name, seed in (("one", 7), ("two", 8)):
        shutil.copytree(fitted_run, root / name)
        record.model_copy(update={"parameters": {"seed": seed}, "status": "completed"}).write(root / name)
    mask_wells(root / "two", [BUBBLE], "air bubble")
    return {"1-one": root / "one", "2-two": root / "two"}


def said(runs: dict[str, Path], **pair: str) -> str:
    names = {slug: f"{folder.parent.name}/{folder.name}" for slug, folder in runs.items()}
    page = index_page(runs, names, Pair(**pair))
    return "\n".join(str(part.object) for part in page.select(pn.pane.HTML))


@pytest.mark.slow
def test_each_run_has_a_line_and_a_link(two: dict[str, Path]) -> None:
    text = said(two)
    assert "<a href='./1-one'>&lt;b&gt;runs" in text
    assert "<td>dose_response</td><td>completed</td><td>2026-01-01 00:00</td>" in text
    assert "<b>runs" not in text


def test_what_changed_between_two_is_told(two: dict[str, Path]) -> None:
    text = said(two)
    assert "<td>seed</td><td>7</td><td>8</td>" in text
    assert "<td>potent</td>" in text
    assert "of 7 result tables differ: " in text
    assert "Choose two different runs." in said(two, first="2-two")
    assert "of 7 result tables differ" in said(two, first="no such run")


def test_a_folder_of_runs_stands_for_its_runs(two: dict[str, Path], tmp_path: Path) -> None:
    root = two["1-one"].parent
    assert _runs(root) == list(two.values())
    assert _runs(two["1-one"]) == [two["1-one"]]
    with pytest.raises(NotAScreenError, match="holds no part of a run or a screen, and no run"):
        make_server([tmp_path])


def test_a_folder_without_a_record_is_listed_and_says_why_it_cannot_be_compared(
    two: dict[str, Path], fitted_run: Path
) -> None:
    text = said({**two, "3-plain": fitted_run})
    assert "<td>no record</td>" in text
    assert "holds no record" in text
