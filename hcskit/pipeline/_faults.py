"""What went wrong in a step: the error that hcskit would raise here, with the place in the notebook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
from papermill.exceptions import PapermillExecutionError

from hcskit.errors import HcskitError, InputError, RunError, StoreError
from hcskit.pipeline._kernel import cell_name

__all__ = ["how_it_ended", "raise_told"]

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_LINE = re.compile(r"Cell In\[\d+\], line (\d+)")
#: What papermill says of a cell that failed without an exception, such as one with an unknown magic.
_UNNAMED = "CellExecutionError"


def how_it_ended(error: BaseException, output: Path) -> tuple[Any, str]:
    """Return the status of a step that did not end well, and what its record says of it."""
    if isinstance(error, PapermillExecutionError):
        status = "stopped" if error.ename == "KeyboardInterrupt" else "failed"
        what, where = _describe(error, output)
        return status, f"{what} ({where})"
    status = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
    return status, f"{type(error).__name__}: {error}"


def raise_told(name: str, error: BaseException, output: Path, run: Path) -> None:
    """Raise what the user is told."""
    if isinstance(error, PapermillExecutionError):
        if error.ename == "KeyboardInterrupt":
            raise KeyboardInterrupt from error
        raise _as_raised(name, error, output) from error
    if isinstance(error, RunError):
        raise RunError(f"step {name} failed: {error}") from error
    if isinstance(error, OSError):
        raise StoreError(
            f"step {name} could not be written to {run}: {error.strerror or error}; remove the cause, and give the "
            "command again"
        ) from error
    raise error


def _as_raised(step: str, error: PapermillExecutionError, output: Path) -> HcskitError:
    """Turn a notebook's error into the error that hcskit would raise here: invalid input stays an InputError."""
    message = _ANSI.sub("", str(error.evalue))
    for kind in (InputError, StoreError):
        if error.ename in {kind.__name__, *(child.__name__ for child in kind.__subclasses__())}:
            return kind(f"step {step}: {message}")
    what, where = _describe(error, output)
    return RunError(f"step {step} failed with {what} ({where}; the full traceback is in {output})")


def _describe(error: PapermillExecutionError, output: Path) -> tuple[str, str]:
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
