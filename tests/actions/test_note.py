"""What people note of compounds: kept with who and when, shown in the report, and taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from hcskit.actions import note_compounds, read_notes
from hcskit.app._compounds import hit_table
from hcskit.app._content import Content
from hcskit.errors import InputError, StoreError
from hcskit.locks import locked
from hcskit.reporting import report
from tests.fitted_run import BRACES, MARKUP


@pytest.mark.slow
def test_a_note_is_kept_shown_and_taken_back(fitted_run: Path) -> None:
    note_compounds(fitted_run, ["potent", BRACES], " repeat on fresh stock ", flag=True, who="ada")
    notes = note_compounds(fitted_run, [MARKUP], "<b>bold</b>", who="bo")
    assert notes[["flag", "note", "who"]].to_dict("index") == {
        "potent": {"flag": True, "note": "repeat on fresh stock", "who": "ada"},
        BRACES: {"flag": True, "note": "repeat on fresh stock", "who": "ada"},
        MARKUP: {"flag": False, "note": "<b>bold</b>", "who": "bo"},
    }
    shown = hit_table(Content(fitted_run)).set_index("compound")
    assert shown["flag"].to_dict() | {"potent": "flagged", BRACES: "flagged", MARKUP: ""} == shown["flag"].to_dict()
    assert shown.loc["potent", "note"] == "repeat on fresh stock"
    page = report(fitted_run).read_text(encoding="utf-8")
    assert "flagged: repeat on fresh stock (ada, " in page
    assert "2 compounds flagged by hand" in page
    assert "&lt;b&gt;bold&lt;/b&gt; (bo, " in page
    assert "<b>bold</b>" not in page

    note_compounds(fitted_run, ["potent", BRACES])
    assert read_notes(fitted_run).index.tolist() == [MARKUP]
    assert note_compounds(fitted_run, [MARKUP]).empty


@pytest.mark.parametrize(
    ("compounds", "message"), [(["aspirin"], "no response of compound 'aspirin'"), ([], "no compound is named")]
)
def test_what_cannot_be_noted_is_told(fitted_run: Path, compounds: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        note_compounds(fitted_run, compounds, "x")
    assert read_notes(fitted_run).empty


def test_a_run_that_is_being_written_takes_no_note(fitted_run: Path) -> None:
    with locked(fitted_run), pytest.raises(StoreError, match="is being written"):
        note_compounds(fitted_run, ["potent"], "x")
