"""Whether a step must be done, and the sentence that says why."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hcskit.errors import InputError
from hcskit.pipeline._plan import Choice, pair, why
from hcskit.results import InputRecord, OutputRecord, StepRecord

SOURCE = {"parameter": "source", "path": "/data/a", "sha256": "1", "files": 2, "bytes": 9}


def step(name: str = "quality", **changed: Any) -> StepRecord:
    content: dict[str, Any] = {
        "name": name,
        "notebook": "/lab/02_quality.ipynb",
        "notebook_sha256": "n",
        "parameters": {"run": ".", "source": "/data/a", "focus_z": -5.0, "cluster": None},
        "status": "completed",
        "output": "notebooks/02_quality.ipynb",
        "code": "c",
        "versions": {"python": "3.11.7", "numpy": "2.0"},
        "inputs": [InputRecord(**SOURCE)],
        "reads": {"01_import": "i"},
        "outputs": [OutputRecord(path="results/quality.csv", sha256="q", files=1, bytes=3)],
    }
    return StepRecord(**content | changed)


def reason(before: StepRecord, now: StepRecord | None = None, **there: str | None) -> str:
    own = {output.path: output.sha256 for output in before.outputs}
    return why(before, now or step(), own | there, lambda old, new: f"{old} became {new}")


MOVED = InputRecord(**SOURCE | {"path": "/mnt/b"})
OTHER = InputRecord(**SOURCE | {"sha256": "2"})


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, ""),
        ({"notebook": "/elsewhere/02_quality.ipynb"}, ""),
        ({"inputs": [MOVED], "parameters": step().parameters | {"source": "/mnt/b"}}, ""),
        ({"notebook_sha256": "N"}, "its notebook changed"),
        ({"code": "C"}, "hcskit's code changed"),
        ({"versions": {"python": "3.11.7", "numpy": "2.1"}}, "numpy 2.0 → 2.1"),
        ({"versions": step().versions | {"lab-steps": "1.0"}}, "lab-steps absent → 1.0"),
        ({"parameters": step().parameters | {"focus_z": -math.inf}}, "parameter focus_z: -5.0 → -inf"),
        ({"parameters": step().parameters | {"focus_z": math.nan}}, "parameter focus_z: -5.0 → nan"),
        ({"parameters": step().parameters | {"new": 1}}, "parameter new is new"),
        ({"parameters": {"run": ".", "source": "/data/a", "cluster": None}}, "parameter focus_z is gone"),
        ({"inputs": [OTHER]}, "source: 1 became 2"),
        ({"inputs": []}, "source: /data/a is gone"),
        ({"reads": {"01_import": "I"}}, "01_import wrote something else"),
        ({"reads": {}}, "the step 01_import is gone"),
        ({"notebook_sha256": "N", "code": "C"}, "its notebook changed; hcskit's code changed"),
        ({"notebook_sha256": "N", "code": "C", "inputs": [OTHER]}, "its notebook changed; and 2 more"),
    ],
)
def test_one_sentence_says_what_changed(changed: dict[str, Any], told: str) -> None:
    assert reason(step(), step(**changed)) == told


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, None, "2026-01-31"])
def test_odd_values_equal_themselves(value: Any) -> None:
    parameters = step().parameters | {"focus_z": value}
    before = StepRecord.model_validate_json(step(parameters=parameters).model_dump_json())
    assert reason(before, step(parameters=parameters)) == ""


def test_outputs_that_are_gone_or_other_are_made_again() -> None:
    assert reason(step(), **{"results/quality.csv": None}) == "output results/quality.csv is gone"
    assert reason(step(), **{"results/quality.csv": "x"}) == "output results/quality.csv changed"


@pytest.mark.parametrize(
    ("status", "told"), [("failed", "it failed"), ("stopped", "it was stopped"), ("running", "it was stopped")]
)
def test_what_did_not_end_is_done_again(status: str, told: str) -> None:
    assert reason(step(status=status)) == told


def test_a_step_that_was_left_for_later_is_compared_when_its_turn_comes() -> None:
    assert reason(step(status="pending")) == ""
    assert reason(step(status="pending"), step(code="C")) == "hcskit's code changed"


def test_steps_keep_their_records_when_others_are_added_or_taken_away() -> None:
    a, first, second = step("a"), step("b"), step("b", code="2")
    assert pair(["new", "b", "b"], [a, first, second]) == [None, first, second]
    assert pair(["b", "a"], [a, first]) == [first, a]


def test_a_choice_of_steps() -> None:
    names = ["import", "quality", "train"]
    from_quality = Choice(first="quality")
    assert [bool(from_quality.forced(number, names)) for number in range(3)] == [False, True, True]
    assert Choice(force=["import"]).forced(0, names) == "asked for (--force)"
    assert Choice(last="quality").wanted(names) == 2
    assert Choice().wanted(names) == 3
    with pytest.raises(InputError, match=r"has no step teach; it has import, quality, train"):
        Choice(force=["teach"]).check(names)
    with pytest.raises(InputError, match=r"the step train comes after quality, which is to be the last"):
        Choice(first="train", last="quality").check(names)
