"""The parameters cell: typed, parsed, never executed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hcskit.errors import InputError
from hcskit.pipeline import StepNotebook
from hcskit.pipeline._notebook import Parameter

CELL = """
from pathlib import Path
import a_module_that_is_nowhere  # imports are not executed either

source: Path  # must be given
out: Path = Path("a", "b")
model: Path | None = None
name: str = "x = 'y'"
epochs: int = 3
focus: float | None = -5.0
flat: bool = False
"""


def test_types_and_defaults_are_those_of_the_cell(lab: Any) -> None:
    step = StepNotebook(lab.notebook("07_fit_curves", parameters=CELL))
    assert step.name == "fit_curves"
    assert step.sha256 == hashlib.sha256(step.path.read_bytes()).hexdigest()
    assert step.paths == ["source", "out", "model"]
    assert {name: parameter.type_name for name, parameter in step.parameters.items()} == {
        "source": "Path",
        "out": "Path",
        "model": "Path | None",
        "name": "str",
        "epochs": "int",
        "focus": "float | None",
        "flat": "bool",
    }
    assert [name for name, parameter in step.parameters.items() if parameter.required] == ["source"]
    assert {name: parameter.default for name, parameter in step.parameters.items() if name != "source"} == {
        "out": Path("a/b"),
        "model": None,
        "name": "x = 'y'",
        "epochs": 3,
        "focus": -5.0,
        "flat": False,
    }


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ("epochs = 3", "expected only imports and annotated values"),
        ("print('hello')", "expected only imports and annotated values"),
        ("x: list = []", "the type must be one of str, int"),
        ("x: int | list = 3", "the type must be one of str, int"),
        ("x: Path = Path(5)", "must be a literal or Path"),
        ("x: int = 1 + len('a')", "must be a literal or Path"),
        ("x: int =", "line 1"),
    ],
)
def test_a_faulty_cell_is_refused(lab: Any, cell: str, fault: str) -> None:
    path = lab.notebook("01_a", parameters=cell)
    with pytest.raises(InputError, match=fault) as caught:
        _ = StepNotebook(path).parameters
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_in_the_cell_is_executed(lab: Any, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    path = lab.notebook("01_a", parameters=f"x: str = open({str(witness)!r}, 'w').name")
    with pytest.raises(InputError, match="literal"):
        _ = StepNotebook(path).parameters
    assert not witness.exists()


def test_what_cannot_be_a_step_is_refused(lab: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.ipynb"
    broken.write_text("{", encoding="utf-8")
    for path, fault in [
        (lab.notebook("01_a", "1", parameters=None), "none of its cells is tagged 'parameters'"),
        (tmp_path / "nowhere.ipynb", "there is no notebook"),
        (broken, "is not a notebook"),
    ]:
        with pytest.raises(InputError, match=fault):
            _ = StepNotebook(path).parameters


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.text()))
def test_a_value_survives_the_command_line(value: Any) -> None:
    parameter = Parameter("x", type(value) | None)
    assert parameter.convert(str(value), Path()) == value
    assert type(parameter.convert(str(value), Path())) is type(value)


def test_a_date_of_a_yaml_file_is_text_as_it_was_written() -> None:
    value = yaml.safe_load("day: 2026-01-31")["day"]
    assert Parameter("day", str).convert(value, Path()) == "2026-01-31"
    with pytest.raises(InputError, match="day is '2026-01-31'; expected int"):
        Parameter("day", int).convert(value, Path())


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        (int, "3.5", "expected int"),
        (int, "many", "expected int"),
        (float, "", "expected float"),
        (bool, "maybe", "expected bool"),
        (str, 7, "expected str"),
        (Path, None, "expected Path"),
        (Path | None, 7, r"expected Path \| None"),
    ],
)
def test_a_value_of_another_type_is_refused(type_: Any, value: Any, expected: str) -> None:
    with pytest.raises(InputError, match=f"parameter x is .*; {expected}"):
        Parameter("x", type_).convert(value, Path())
