"""What steps say of the plates that they could not use."""

from __future__ import annotations

from hcskit.results._table import Column, Table

__all__ = ["SET_ASIDE"]

SET_ASIDE = Table(
    "set_aside",
    "Plates that a step could not use, and that are not in this run",
    "hcskit import",
    always=False,
    index=(Column("plate", "text", "name of the plate; of an export that could not be read, its folder"),),
    columns=(
        Column("reason", "text", "what is wrong with it, and what to do"),
        Column("step", "text", "step that could not use it: import, quality, train or predict", optional=True),
    ),
)
