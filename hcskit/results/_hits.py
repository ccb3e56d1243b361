"""The tables of hits and of notes: what is said of compounds, beside their fits."""

from __future__ import annotations

from hcskit.results._columns import COMPOUND, READOUT, SPLIT
from hcskit.results._table import Column, Table

__all__ = ["HITS", "NOTES"]

HITS = Table(
    "hits",
    "Which compounds act on which readout, at a stated rate of false positives",
    "hcskit fit",
    index=(COMPOUND, READOUT, SPLIT),
    columns=(
        Column("hit_score", "number", "-log10 of the p-value; none where the wells cannot show a curve"),
        Column("hit_p_value", "number", "permutation test of a concentration-response against none"),
        Column("q_value", "number", "false-discovery rate of a list of hits that ends with this one"),
        Column("hit", "truth", "whether the p-value is at most the rate"),
        Column("power", "number", "how probable it is that the effect would have been a hit"),
        Column("false_positive_rate", "number", "stated share of compounds without effect that are hits"),
        Column("effect", "number", "size of the effect of the power", "SD of an untreated well"),
    ),
)

NOTES = Table(
    "compound_notes",
    "What people noted of compounds, and which they flagged",
    "hcskit note",
    always=False,
    index=(COMPOUND,),
    columns=(
        Column("flag", "truth", "whether the compound is flagged"),
        Column("note", "text", "what was noted"),
        Column("who", "text", "who noted it"),
        Column("when", "text", "when, in UTC, as ISO 8601 writes it"),
    ),
)
