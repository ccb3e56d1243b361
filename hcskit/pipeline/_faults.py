"""What went wrong in a step: the error that hcskit would raise here, with the place in the notebook."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from papermill.exceptions import PapermillExecutionError

from hcskit.errors import HcskitError, InputError, RunError, StoreError
from hcskit.pipeline._kernel import cell_name

__all__ = ["as_raised", "describe"]

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_LINE = re.compile(r"Cell In\[\d+\], line (\d+)")
#: What papermill says of a cell that failed without an exception, such as one with an unknown magic.
_UNNAMED = "CellExecutionError"


def as_raised(step: str, error: PapermillExecutionError, output: Path) -> HcskitError:
    """Turn a notebook's error into the error that hcskit would raise here: invalid input stays an InputError."""
    message = _ANSI.sub("", str(error.evalue))
    for kind in (InputError, StoreError):
        if error.ename in {kind.__name__, *(child.__name__ for child in kind.__subclasses__())}:
            return kind(f"step {step}: {message}")
    what, where = describe(error, output)
    return RunError(f"step {step} failed with {what} ({where}; the full traceback is in {output})")


def describe(error: PapermillExecutionError, output: Path) -> tuple[str, str]:
    """Say what a cell raised, and where: its number, and the line."""
    notebook = nbformat.read(output, as_version=4)  # type: ignore[no-untyped-call]
    failed = [
        number for number, cell in enumerate(notebook.cells) if cell.metadata.get("papermill", {}).get("exception")
    ]
    where = cell_name(notebook, failed[0]) if failed else f"cell {error.cell_index + 1}"
    kind, message = error.ename, _ANSI.sub("", str(error.evalue))
    if kind == _UNNAMED and failed:
        written = "".join(each.get("text", "") for each in notebook.cells[failed[0]].outputs)
        kind, _, message = _ANSI.sub("", written).strip().partition(": ")
    line = _LINE.search(_ANSI.sub("", "\n".join(error.traceback)))
    return f"{kind}: {message}", f"{where}, line {line[1]}" if line else where
