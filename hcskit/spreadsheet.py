"""Tables as CSV that a spreadsheet opens as what they are: text stays text, and is never taken for a formula.

Excel and LibreOffice run a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return; a compound may
be called so by a mistake or by malice (https://owasp.org/www-community/attacks/CSV_Injection). Such a text gets an
apostrophe in front, which `as_read` takes away again. Numbers stay as they are.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any, Literal

import pandas as pd

__all__ = ["as_read", "as_written", "to_csv", "without_formulas"]

# With apostrophes of its own, too, so that each text has one way back.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def as_written(value: Any) -> Any:
    """Return a cell as it is written: a text that would be a formula gets an apostrophe.

    Examples
    --------
    >>> as_written("=1+1"), as_written("DMSO"), as_written(-0.5)
    ("'=1+1", 'DMSO', -0.5)
    """
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def as_read(text: str) -> str:
    """Return the text that `as_written` has written.

    Examples
    --------
    >>> as_read("'=1+1"), as_read("'t Hooft"), as_read(as_written("'-x"))
    ('=1+1', "'t Hooft", "'-x")
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text, 1) else text


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts and names of columns are as `as_written` has them.

    Examples
    --------
    >>> without_formulas(pd.DataFrame({"compound": ["=1+1", "DMSO"], "value": [-0.5, 1.0]}))["compound"].tolist()
    ["'=1+1", 'DMSO']
    """
    safe = table.rename(columns=as_written)
    for place, (_, column) in enumerate(table.items()):
        if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column)):
            safe.isetitem(place, column.astype(object).map(as_written, na_action="ignore").to_numpy())
    return safe


def to_csv(table: pd.DataFrame, path: str | Path | None = None, *, index: bool = True) -> str | None:
    """Write a table as CSV, as `pandas.DataFrame.to_csv` does, with texts that are no formulas.

    Returns
    -------
    str or None
        The text, if there is no path.
    """
    names = [name for name in table.index.names if name is not None]
    flat = table.reset_index() if index and names else table
    safe = without_formulas(flat)
    # Python quotes a carriage return only where lines end in one; unquoted, it would begin a cell.
    has_return = safe.select_dtypes(object).apply(lambda column: column.astype(str).str.contains("\r").any()).any()
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if has_return else csv.QUOTE_MINIMAL
    if path is None:
        return safe.to_csv(index=index and not names, quoting=quoting)
    safe.to_csv(path, index=index and not names, quoting=quoting)
    return None
