"""A function called in another process: its result, its error, or its end come back, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hcskit.errors import InputError, RunError
from hcskit.pipeline import _apart
from hcskit.pipeline._apart import call_apart
from hcskit.training import load_card


@pytest.mark.slow
def test_what_a_function_returns_and_raises_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAB", "seven")
    assert call_apart(os.getpid) != os.getpid()
    assert (call_apart(os.getcwd), call_apart(os.getenv, "LAB")) == (str(tmp_path), "seven")
    assert call_apart(print, "not the answer") is None
    with pytest.raises(InputError, match="nowhere"):
        call_apart(load_card, tmp_path / "nowhere")
    with pytest.raises(RunError, match="the check int failed: ValueError: invalid literal"):
        call_apart(int, "one")
    with pytest.raises(RunError, match="the check abort failed: its process was killed"):
        call_apart(os.abort)


@pytest.mark.slow
def test_without_forks_it_is_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_apart, "CAN_FORK", False)
    with pytest.raises(RunError, match="the check int failed: ValueError: invalid literal"):
        call_apart(int, "one")
