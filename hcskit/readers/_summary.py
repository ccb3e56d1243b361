"""What an import found, in a table that a person can check at a glance."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from hcskit.errors import ReaderError
from hcskit.readers.toolkit import ImageIndex

__all__ = ["summarise"]

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
        (files that cannot be used) and ``why``: the reasons, in words.

    Examples
    --------
    >>> list(summarise([]).columns[-4:])
    ['missing', 'left_out', 'bad', 'why']
    """
    rows = [_row(index) for index in plates]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).set_index("plate")


def _row(index: ImageIndex) -> tuple[object, ...]:
    try:
        bad = {**index.bad, **index.bad_files()}
        faults = [f"{len(bad)} bad file(s)"] if bad else []
    except ReaderError as error:  # channels of different size
        bad, faults = dict(index.bad), [str(error)]
    left_out = {reason: len(files) for reason, files in index.left_out.items() if files}
    return (
        index.plate,
        *(index.table[name].nunique() for name in ("well", "field", "channel", "z", "time")),
        len(index.table) - int(index.table.path.isin(bad).sum()),
        len(index.absent),
        sum(left_out.values()),
        len(bad),
        "; ".join([*(f"{count} {reason}" for reason, count in left_out.items()), *faults, *index.notes]),
    )
