"""What an import found, in a table that a person can check at a glance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from hcskit.errors import ReaderError
from hcskit.readers.toolkit import ImageIndex

__all__ = ["describe_summary", "summarise"]

_COLUMNS = (
    *("plate", "wells", "fields", "channels", "planes", "times"),
    *("images", "missing", "left_out", "bad", "why"),
)


def summarise(plates: Iterable[ImageIndex]) -> pd.DataFrame:
    """Count what is there of each plate, and what is not.

    Parameters
    ----------
    plates : iterable of ImageIndex
        As `hcskit.readers.read_folder` returns them. The headers of all files are read, if they were not yet.

    Returns
    -------
    pandas.DataFrame
        Index ``plate``; columns ``wells``, ``fields``, ``channels``, ``planes``, ``times`` (the labels that there are),
        ``images``, ``missing`` (that the export names and that are not there), ``left_out`` (on purpose), ``bad``
        (files that cannot be used) and ``why``: the reasons, a list of words.

    Examples
    --------
    >>> list(summarise([]).columns[-4:])
    ['missing', 'left_out', 'bad', 'why']
    """
    rows = [_row(index) for index in plates]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).set_index("plate")


def describe_summary(table: pd.DataFrame) -> str:
    """Return the table of `summarise` as text, and below it the reasons, plate by plate."""
    counts = table.drop(columns="why").reset_index().to_string(index=False)
    return "\n".join([counts, *(f"  {plate}: {reason}" for plate, reasons in table.why.items() for reason in reasons)])


def _row(index: ImageIndex) -> tuple[object, ...]:
    bad, faults = dict(index.bad), []
    try:
        bad |= index.bad_files()
    except ReaderError as error:  # channels of different size
        faults = [str(error)]
    left_out = {reason: len(files) for reason, files in index.left_out.items() if files}
    why = [
        *_some("missing", index.absent),
        *(f"left out: {count} {reason}" for reason, count in left_out.items()),
        *_some("bad", list(bad.values())),
        *faults,
        *index.notes,
    ]
    return (
        index.plate,
        *(index.table[name].nunique() for name in ("well", "field", "channel", "z", "time")),
        len(index.table) - int(index.table.path.isin(bad).sum()),
        len(index.absent),
        sum(left_out.values()),
        len(bad),
        why,
    )


def _some(what: str, names: Sequence[str]) -> list[str]:
    """Say what there is of a kind, with an example."""
    rest = f", and {len(names) - 1} more" if len(names) > 1 else ""
    return [f"{what}: {names[0]}{rest}"] if names else []
