"""A page of half a run says what is missing and which command makes it; of a whole one it says nothing of the kind."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import panel as pn
import pytest

from hcskit.app._content import Content, content_of
from hcskit.app._page import page
from hcskit.app._progress import progress
from hcskit.app._selection import Selection
from hcskit.locks import locked
from hcskit.response import fit_responses
from hcskit.results import CURVES, PARTS, POINTS, READOUTS, RESPONSES, RunRecord, StepRecord, read_table, write_table


def said(folder: Path, title: str) -> str:
    """All that a page of a run says in words."""
    whole = page(folder, Selection(page=title))
    return "\n".join(str(part.object) for part in whole.select(pn.pane.HTML))


@pytest.fixture
def only(run_folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the small run that has some of its parts only."""

    def make(*names: str) -> Path:
        for part in PARTS:
            path = part.path(run_folder)
            if part.name in names and path.exists():
                to = tmp_path / "some" / path.relative_to(run_folder)
                to.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if path.is_dir() else shutil.copy)(path, to)
        return tmp_path / "some"

    return make


@pytest.mark.slow
@pytest.mark.parametrize("title", ["", "Screen", "Quality"])
def test_a_page_of_images_alone_names_the_commands(only: Callable[..., Path], title: str) -> None:
    text = said(only("plates"), title)
    expected = {
        "": ["hcskit fit"],
        "Screen": ["hcskit fit", "hcskit predict", "hcskit embed"],
        "Quality": ["hcskit quality", "hcskit train", "hcskit cross-validate"],
    }
    for command in expected[title]:
        assert f"run {command} first" in text


@pytest.mark.slow
def test_a_run_without_images_shows_its_tables(only: Callable[..., Path]) -> None:
    folder = only("responses", "points", "curves", "quality", "history")
    assert "run hcskit import first" in said(folder, "")
    screen = said(folder, "Screen")
    assert "Click a compound" in screen
    assert "run hcskit fit first" not in screen
    assert "out of focus" in said(folder, "Quality")


@pytest.mark.slow
def test_a_run_of_one_well_is_shown(fitted_run: Path, tmp_path: Path) -> None:
    one = read_table(fitted_run, READOUTS).query("well == 'B02' and readout == 'antimitotic'")
    write_table(tmp_path, READOUTS, one)
    fits = fit_responses(one)
    for table, frame in ((RESPONSES, fits.responses), (POINTS, fits.points), (CURVES, fits.curves)):
        write_table(tmp_path, table, frame)
    text = said(tmp_path, "Screen")
    assert "No treatment is in several places of a plate" in text
    assert "no treatment has two wells" in text


def test_a_damaged_history_is_told(only: Callable[..., Path]) -> None:
    folder = only("plates", "history")
    (folder / "model" / "history.csv").write_text("epoch\n1\n")
    assert "history.csv cannot be shown" in said(folder, "Quality")


def test_the_page_says_how_far_a_run_is(run_folder: Path, record: RunRecord, tmp_path: Path) -> None:
    steps = [
        StepRecord(name=name, notebook="", notebook_sha256="", parameters={}, output=f"notebooks/{name}.ipynb")
        for name in ("import", "train")
    ]
    steps[0].status, steps[1].status = "completed", "running"
    with locked(tmp_path):
        record.model_copy(update={"steps": steps, "status": "running"}).write(tmp_path)
        assert progress(Content(tmp_path)) == (
            "This run is still running: 1 of 2 steps are done; step train is running. "
            "Reload the page to see what is new."
        )
    assert progress(Content(tmp_path)).startswith("This run was stopped: 1 of 2 steps are done; step train is stopped")
    steps[1].status, steps[1].error = "failed", "Traceback\nInputError: <b>no wells</b>"
    record.model_copy(update={"steps": steps, "status": "failed"}).write(tmp_path)
    assert "step train is failed: InputError: &lt;b&gt;no wells" in progress(Content(tmp_path))
    record.model_copy(update={"status": "completed"}).write(tmp_path)
    assert progress(Content(tmp_path)) == ""


def test_markup_in_the_name_of_the_folder_is_escaped(only: Callable[..., Path]) -> None:
    folder = only("plates")
    folder = folder.rename(folder.with_name("<script>alert(1)"))
    assert "<script>" not in said(folder, "Screen")


def test_sessions_share_what_was_read_until_a_step_writes_something(only: Callable[..., Path]) -> None:
    folder = only("plates", "responses", "points", "curves")
    content = content_of(folder)
    assert content_of(folder) is content
    write_table(folder, RESPONSES, read_table(folder, RESPONSES).iloc[:1])
    fresh = content_of(folder)
    assert fresh is not content
    assert len(fresh.table(RESPONSES)) == 1
