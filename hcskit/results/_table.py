"""What a part of a run is, and what a result table holds: declared once, checked when it is written and read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pandas as pd

from hcskit.errors import InputError, NotAScreenError

__all__ = ["Column", "Kind", "Part", "Table"]

Kind: TypeAlias = Literal["text", "integer", "number", "truth", "any"]
_EXPECTED = {"text": "text", "integer": "integers", "number": "numbers", "truth": "truth values", "any": "anything"}


@dataclass(frozen=True, slots=True)
class Column:
    r"""A column, or an index level, of a result table.

    Attributes
    ----------
    name : str
        Its name; of columns with a pattern, what they are called together.
    kind : {"text", "integer", "number", "truth", "any"}
        What its values are. A number may be written as an integer.
    meaning : str
        What a value means.
    unit : str
        Unit of the values; empty where they have none.
    optional : bool
        Whether a table may lack it.
    pattern : str
        A regular expression, where the column stands for any number of columns: ``network_\d+``.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    optional: bool = False
    pattern: str = ""

    def holds(self, values: pd.Series[Any] | pd.Index) -> bool:
        """Whether values are of the column's kind."""
        types = pd.api.types
        if not len(values):
            return True  # there is nothing to be of another kind
        if self.kind == "text":
            if isinstance(values.dtype, pd.CategoricalDtype):
                values = values.dtype.categories
            return types.is_string_dtype(values) or types.infer_dtype(values, skipna=True) in ("string", "empty")
        if self.kind == "truth":
            return types.is_bool_dtype(values)
        if self.kind == "integer":
            return types.is_integer_dtype(values)
        return self.kind == "any" or (types.is_numeric_dtype(values) and not types.is_bool_dtype(values))


@dataclass(frozen=True)
class Part:
    """Something that a step or a command leaves in the folder of a run.

    Attributes
    ----------
    name : str
        Its name, and that of the attribute of `hcskit.run.Run`.
    meaning : str
        What it is, in a line.
    writer : str
        The step or command that writes it.
    where : str
        Where it is in the run's folder; a pattern, as `pathlib.Path.glob` takes it.
    always : bool
        Whether each finished run has it.
    """

    name: str
    meaning: str
    writer: str
    where: str
    always: bool = True

    def path(self, folder: str | Path) -> Path:
        """Return where it is, or where it would be."""
        return next(iter(sorted(Path(folder).glob(self.where))), Path(folder) / self.where)

    def there(self, folder: str | Path) -> bool:
        """Whether a run has it."""
        return self.path(folder).exists()

    def missing(self, folder: str | Path) -> NotAScreenError:
        """Return the error that says what to run."""
        return NotAScreenError(
            f"{folder} holds no {self.name} (there is no {Path(folder) / self.where}); run {self.writer} first"
        )


@dataclass(frozen=True)
class Table(Part):
    """A result table, with `index` levels and `columns` in the order in which they are documented.

    Attributes
    ----------
    index, columns : tuple of Column
        What it holds. A table without an index has one row after another.
    version : int
        Of this declaration: it rises when a column changes its meaning, or is gone.

    Examples
    --------
    >>> counts = Table("counts", "Cells of each well", "my step", columns=(Column("n", "integer", "number of cells"),))
    >>> counts.where
    'results/counts.parquet'
    >>> counts.check(pd.DataFrame({"n": [1.5]}))
    Traceback (most recent call last):
    hcskit.errors.InputError: table counts, column n: found float64, expected integers (number of cells)
    """

    where: str = ""
    index: tuple[Column, ...] = ()
    columns: tuple[Column, ...] = ()
    version: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", self.where or f"results/{self.name}.parquet")

    @property
    def labels(self) -> list[str]:
        """Names of the index levels that each frame has."""
        return [level.name for level in self.index if not level.pattern]

    def check(self, frame: pd.DataFrame) -> None:
        """Compare a frame with the declaration.

        Raises
        ------
        InputError
            If it has another index, lacks a column, has one that is not declared, or values of another kind.
        """
        found = [str(name) for name in frame.index.names if name is not None]
        levels = [_declared(self.index, name) for name in found]
        if found[: len(self.labels)] != self.labels or None in levels:
            expected = [level.name for level in self.index]
            raise InputError(f"table {self.name}: found the index {_list(found)}, expected {_list(expected)}")
        for name, level in zip(found, levels, strict=True):
            self._check_values(level, name, frame.index.get_level_values(name))
        known = [column.name for column in self.columns]
        lacking = [
            column.name
            for column in self.columns
            if not (column.optional or column.pattern) and column.name not in frame
        ]
        if lacking:
            raise InputError(f"table {self.name}: found no column {_list(lacking)}, expected {_list(known)}")
        for key, values in frame.items():
            name = str(key)
            column = _declared(self.columns, name)
            if column is None:
                raise InputError(f"table {self.name}: found the column {name}, expected {_list(known)}")
            self._check_values(column, name, values)

    def _check_values(self, column: Column | None, name: str, values: pd.Series[Any] | pd.Index) -> None:
        if column is not None and not column.holds(values):
            found = values.dtype if values.dtype != object else pd.api.types.infer_dtype(values, skipna=True)
            expected = _EXPECTED[column.kind]
            raise InputError(f"table {self.name}, column {name}: found {found}, expected {expected} ({column.meaning})")


def _declared(columns: tuple[Column, ...], name: str) -> Column | None:
    """Return the declaration of a column: its own, or else one whose pattern its name fits."""
    named = (column for column in columns if column.name == name and not column.pattern)
    open_ = (column for column in columns if column.pattern and re.fullmatch(column.pattern, name))
    return next(named, None) or next(open_, None)


def _list(names: list[str]) -> str:
    return ", ".join(names) or "none"
