"""What people note of compounds, and which they flag: kept in the run, shown wherever its compounds are."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from hcskit.errors import InputError
from hcskit.locks import locked
from hcskit.results import NOTES, RESPONSES, has_table, read_table, write_table
from hcskit.results._record import now

__all__ = ["note_compounds", "read_notes"]


def note_compounds(
    data: str | Path, compounds: Iterable[str], note: str = "", *, flag: bool = False, who: str | None = None
) -> pd.DataFrame:
    """Note something of compounds of a run, or flag them, in place of what was noted of them before.

    No number depends on it. An empty note without a flag takes back what was noted.

    Parameters
    ----------
    data : path-like
        Folder of a run. Its table ``compound_notes`` is written.
    compounds : iterable of str
        Their names.
    note : str
        What to note.
    flag : bool
        Flag them: the report names flagged compounds on its first screen.
    who : str, optional
        Who notes it; by default the user of this process.

    Returns
    -------
    pandas.DataFrame
        All notes of the run, as `hcskit.results.NOTES` declares them.

    Raises
    ------
    InputError
        If no compound is named, or one of them was not fitted.
    NotAScreenError
        If the run has no responses.
    StoreError
        If another process is writing the run.
    """
    names = list(dict.fromkeys(compounds))
    with locked(data):
        known = read_table(data, RESPONSES).index.get_level_values("compound")
        strange = [name for name in names if name not in known]
        if strange or not names:
            found = f"there is no response of compound {strange[0]!r}" if strange else "no compound is named"
            raise InputError(f"{found}; expected compounds of the table responses, such as {known[0]!r}")
        before = read_notes(data)
        noted = [before[~before.index.isin(names)]]
        if flag or note.strip():
            row = (flag, note.strip(), who or getpass.getuser(), now())
            noted.append(_notes(names, [row] * len(names)))
        notes = pd.concat(noted).sort_index()
        write_table(data, NOTES, notes)
    return notes


def read_notes(data: str | Path) -> pd.DataFrame:
    """Return the notes of a run; an empty table where nothing was noted."""
    return read_table(data, NOTES) if has_table(data, NOTES) else _notes([], [])


def _notes(names: list[str], rows: list[tuple[bool, str, str, str]]) -> pd.DataFrame:
    table = pd.DataFrame(
        rows, columns=["flag", "note", "who", "when"], index=pd.Index(names, name="compound", dtype=object)
    )
    return table.astype({"flag": bool, "note": object, "who": object, "when": object})
