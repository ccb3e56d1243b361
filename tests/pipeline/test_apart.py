"""A function called in another process: its result, its error, or its end come back, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hcskit.errors import InputError, RunError
from hcskit.pipeline import _apart
from hcskit.pipeline._apart import call_apart
from hcskit.training import load_card


@pytest.mark.slow
def test_what_a_function_returns_and_raises_comes_back(tmp_path: Path) -> None:
    assert call_apart(os.getpid) != os.getpid()
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


@pytest.mark.slow
def test_it_is_called_where_this_process_is_and_leaves_no_process_behind(tmp_path: Path) -> None:
    script = (
        "import os, sys\nfrom hcskit.pipeline._apart import call_apart\n"
        f"os.chdir({str(tmp_path)!r})\nos.environ['LAB'] = 'seven'\n"
        "print(call_apart(os.getcwd), call_apart(os.getenv, 'LAB'), 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.split() == [str(tmp_path), "seven", "False"]
