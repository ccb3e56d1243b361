"""A step is a notebook; the annotated assignments in its parameters cell are its typed parameters.

::

    # in the cell tagged "parameters"
    run: Path = Path("../runs/notebooks")  # folder of the run
    focus_z: float = -5.0                  # robust z-score below which a field is out of focus

The cell is parsed, never executed: values are literals, or ``Path("…")``. A parameter without a value is required. One
of the type ``list[Path]`` takes one path, several, or patterns such as ``exports/*``.
"""

from __future__ import annotations

import ast
import glob
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import nbformat
from pydantic import TypeAdapter, ValidationError

from hcskit.errors import InputError, what_is_wrong
from hcskit.inputs import file_sha256

__all__ = ["Parameter", "StepNotebook", "named_paths"]

_TYPES: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "Path": Path,
    "list[Path]": list[Path],
    "None": type(None),
}
_REQUIRED = object()


def named_paths(value: Any) -> list[Path]:
    """Return the paths that the value of a parameter names: none, one, or those of a list.

    The description of a cluster, which stands where its file would, names none.

    Examples
    --------
    >>> named_paths(None), len(named_paths("/data/a")), len(named_paths(["/data/a", "/data/b"]))
    ([], 1, 2)
    """
    every = value if isinstance(value, list | tuple) else [value]
    return [Path(one) for one in every if isinstance(one, str | Path)]


@dataclass(frozen=True)
class Parameter:
    """A typed parameter of a step.

    Attributes
    ----------
    name : str
        Its name.
    type : type
        ``str``, ``int``, ``float``, ``bool``, ``Path``, ``list[Path]``, or one of these or ``None``.
    default : object
        Its value where none is given.
    """

    name: str
    type: Any
    default: Any = _REQUIRED

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is _REQUIRED

    @property
    def type_name(self) -> str:
        """The type as it is written in the cell: ``Path | None``."""
        names = {type: name for name, type in _TYPES.items()}
        return " | ".join(names[kind] for kind in self._kinds)

    @property
    def is_path(self) -> bool:
        """Whether it is a file or a folder, or several."""
        return bool({Path, list[Path]}.intersection(self._kinds))

    @property
    def _kinds(self) -> tuple[Any, ...]:
        return get_args(self.type) if isinstance(self.type, UnionType) else (self.type,)

    def convert(self, value: Any, base: Path) -> Any:
        """Convert a value to the parameter's type; a path is taken from `base` and becomes absolute text.

        In a list of paths, a pattern stands for what it matches, sorted by name.

        Raises
        ------
        InputError
            If the value is not of that type, or a pattern matches nothing.
        """
        if isinstance(value, date):
            value = str(value)  # YAML makes a date of 2026-01-31
        if list[Path] in self._kinds and isinstance(value, str | Path):
            value = [value]
        if isinstance(value, list) and list[Path] not in self._kinds:
            raise InputError(f"parameter {self.name} is given twice; it takes one value")
        try:
            checked = TypeAdapter(self.type).validate_python(value)
        except ValidationError:
            raise InputError(f"parameter {self.name} is {value!r}; expected {self.type_name}") from None
        if isinstance(checked, list):
            return list(dict.fromkeys(path for one in checked for path in self._matches(base / one)))
        return str((base / checked).resolve()) if isinstance(checked, Path) else checked

    def _matches(self, pattern: Path) -> list[str]:
        """Return the paths that a pattern matches, or the path itself."""
        if pattern.exists() or not glob.has_magic(str(pattern)):
            return [str(pattern.resolve())]
        found = sorted(glob.glob(str(pattern)))  # noqa: PTH207 - the pattern is absolute
        if not found:
            raise InputError(f"parameter {self.name}: nothing matches {pattern}")
        return [str(Path(path).resolve()) for path in found]


@dataclass(frozen=True)
class StepNotebook:
    """A notebook that can be a step of a pipeline.

    Attributes
    ----------
    path : pathlib.Path
        The notebook.
    """

    path: Path

    @property
    def name(self) -> str:
        """Name of the step: the file's name without its number, ``import`` for ``01_import.ipynb``."""
        return self.path.stem.lstrip("0123456789_") or self.path.stem

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the notebook."""
        return file_sha256(self.path)

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """The step's parameters by name.

        Raises
        ------
        InputError
            If the notebook cannot be read, has no parameters cell, or the cell is not of the form above.
        """
        found = {}
        try:
            cell = ast.parse(self._source())
        except SyntaxError as error:
            raise InputError(f"{self.path}, parameters cell: {error.msg} in line {error.lineno}") from error
        for node in cell.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                default = _REQUIRED if node.value is None else self._value(node.value)
                found[node.target.id] = Parameter(node.target.id, self._type(node.annotation), default)
            elif not isinstance(node, ast.Import | ast.ImportFrom):
                raise self._fault(node, "expected only imports and annotated values, such as epochs: int = 30")
        return found

    @property
    def paths(self) -> list[str]:
        """Names of the parameters that are files or folders."""
        return [name for name, parameter in self.parameters.items() if parameter.is_path]

    def _source(self) -> str:
        try:
            notebook = nbformat.read(self.path, as_version=4)  # type: ignore[no-untyped-call]
        except FileNotFoundError:
            raise InputError(f"there is no notebook {self.path}") from None
        except (OSError, ValueError, nbformat.ValidationError) as error:
            raise InputError(f"{self.path} is not a notebook that can be read: {what_is_wrong(error)}") from error
        for cell in notebook.cells:
            if "parameters" in cell.metadata.get("tags", []):
                return str(cell.source)
        raise InputError(f"{self.path} cannot be a step: none of its cells is tagged 'parameters'")

    def _value(self, node: ast.expr) -> Any:
        try:
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Path":
                return Path(*(ast.literal_eval(argument) for argument in node.args))
            return ast.literal_eval(node)
        except (TypeError, ValueError):
            raise self._fault(node, "the value of a parameter must be a literal or Path('…')") from None

    def _type(self, node: ast.expr) -> Any:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self._type(node.left) | self._type(node.right)
        name = ast.unparse(node)
        if name not in _TYPES:
            raise self._fault(node, f"the type must be one of {', '.join(_TYPES)}, or two of them joined by |")
        return _TYPES[name]

    def _fault(self, node: ast.AST, what: str) -> InputError:
        return InputError(f"{self.path}, parameters cell: {what}; found {ast.unparse(node)!r}")
