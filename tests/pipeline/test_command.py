"""The hcskit run command, within this process: exit codes and what it says."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest


def test_a_failing_step_exits_1_and_names_step_error_and_notebook(lab: Any, hcskit: Any, tmp_path: Path) -> None:
    pipeline, out = lab.pipeline(lab.notebook("01_a", "open('nowhere.csv')")), tmp_path / "run"
    done = hcskit("run", pipeline, "--out", out)
    assert done.exit_code == 1
    assert done.stderr == (
        "Error: step a failed with FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.csv' "
        f"(cell 2, line 1; the full traceback is in {out / 'notebooks' / '01_a.ipynb'})\n"
    )


def test_bad_input_exits_2_with_one_sentence_and_a_traceback_only_for_debug(
    lab: Any, hcskit: Any, tmp_path: Path
) -> None:
    pipeline = lab.pipeline(lab.notebook("01_a", parameters="epochs: int = 3\n"))
    command = ["run", pipeline, "-p", "epochs=many", "--out", tmp_path / "run"]
    sentence = "Error: parameter epochs is 'many'; expected int\n"
    plain = hcskit(*command)
    assert (plain.exit_code, plain.stdout, plain.stderr) == (2, "", sentence)
    for debug in (hcskit("--debug", *command), hcskit(*command, "--debug")):
        assert debug.exit_code == 2
        assert debug.stderr.startswith("Traceback (most recent call last):")
        assert debug.stderr.endswith(sentence)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        (["epochs"], "-p 'epochs' is not NAME=VALUE"),
        (["epochs="], "-p 'epochs=' is not NAME=VALUE"),  # as from an unset variable in a script
        (["epochs=1", "epochs=2"], "parameter epochs is given twice; it takes one value"),
    ],
)
def test_parameters_that_are_no_pairs_are_refused(
    lab: Any, hcskit: Any, tmp_path: Path, pairs: list[str], sentence: str
) -> None:
    pipeline = lab.pipeline(lab.notebook("01_a", parameters="epochs: int = 3\n"))
    done = hcskit("run", pipeline, "--out", tmp_path / "run", *[part for pair in pairs for part in ("-p", pair)])
    assert (done.exit_code, done.stderr) == (2, f"Error: {sentence}\n")


def test_a_run_with_a_report_says_how_to_open_it(lab: Any, hcskit: Any, tmp_path: Path) -> None:
    pipeline, out = lab.pipeline(lab.notebook("01_a", "Path('report.html').touch()")), tmp_path / "it's a run"
    for line in ("[1/1] a", "[1/1] a: done before"):
        done = hcskit("run", pipeline, "--out", out)
        assert done.exit_code == 0
        lines = done.stdout.splitlines()
        assert lines[0] == line
        assert lines[-2] == f"Report: {out / 'report.html'}"
        assert shlex.split(lines[-1])[-1] == str(out / "report.html")


def test_list_needs_no_values_and_runs_nothing(lab: Any, hcskit: Any) -> None:
    pipeline = lab.pipeline(lab.notebook("01_a", "1 / 0", parameters="run: str = ''\nseed: int\n"))
    done = hcskit("run", pipeline, "--list")
    assert (done.exit_code, done.stdout) == (0, "a\n  seed: int = required\n")


def test_a_run_without_a_folder_is_refused(lab: Any, hcskit: Any) -> None:
    done = hcskit("run", lab.pipeline(lab.notebook("01_a")))
    assert done.exit_code == 2
    assert "Missing option '--out'" in done.stderr
