"""What watched plates came to since yesterday, as Markdown and HTML: done, failed, hits and trends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from statistics import median

import pandas as pd

from hcskit.errors import HcskitError, InputError
from hcskit.files import make_folder, write_text
from hcskit.results import HITS, QUALITY, has_table, plates_set_aside, read_table
from hcskit.watch._ledger import Entry
from hcskit.watch._notify import z_primes_of

__all__ = ["summarise_runs"]

_UNITS = {"h": "hours", "d": "days"}
_BEFORE = 30  # plates before the time that is summarised, with which it is compared
_BARS = "▁▂▃▄▅▆▇█"
_NONE = "–"
_MARKDOWN = re.compile(r"([\\`*_\[\]|~])")
_STYLE = (
    "body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}td,th{padding:.3em .8em;text-align:left}"
)


def summarise_runs(
    runs: str | Path, out: str | Path | None = None, since: str = "1d", *, until: datetime | None = None
) -> str:
    """Summarise what became of the plates that a watcher handled lately.

    Parameters
    ----------
    runs : path-like
        Folder of the runs, as `watch_inbox` takes it.
    out : path-like, optional
        Folder into which ``summary-YYYY-MM-DD.md`` and ``.html`` are written.
    since : str
        How far to look back from `until`: ``1d``, ``12h``.
    until : datetime, optional
        End of the time that is summarised, with its time zone. Default: now.

    Returns
    -------
    str
        The summary, in Markdown.

    Raises
    ------
    InputError
        If there is no folder `runs`, or `since` is no time.
    StoreError
        If the summary cannot be written.
    """
    runs, until = Path(runs), (until or datetime.now(UTC)).astimezone(UTC)
    if not runs.is_dir():
        raise InputError(f"there is no folder {runs}; give the --out of hcskit watch")
    begin = until - _length(since)
    ended = sorted((found for run in runs.iterdir() if (found := _Ended.read(run))), key=lambda each: each.when)
    known = [each for each in ended if each.when <= until]
    lately = [each for each in known if each.when > begin]
    before = known[: len(known) - len(lately)][-_BEFORE:]
    for each in (*before, *lately):
        each.look()
    title = f"Plates from {begin:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"
    failed = sum(each.entry.outcome == "failed" for each in lately)
    hits = sum(each.hits or 0 for each in lately)
    lead = f"{len(lately) - failed} done, {failed} failed, {hits} hits."
    tables = [_plates(lately), _failures(lately), _trends(before, lately)]
    markdown = _as_markdown(title, lead, tables)
    if out is not None:
        file = make_folder(out) / f"summary-{until:%Y-%m-%d}"
        write_text(file.with_suffix(".md"), markdown)
        write_text(file.with_suffix(".html"), _as_html(title, lead, tables))
    return markdown


@dataclass
class _Ended:
    """A run that has ended, and what its results say."""

    run: Path
    entry: Entry
    when: datetime
    hits: int | None = None
    trends: dict[str, float] = field(default_factory=dict)  # Z′, and intensities by channel
    aside: dict[str, str] = field(default_factory=dict)  # plates of a delivery of several, and why
    fault: str = ""

    @classmethod
    def read(cls, run: Path) -> _Ended | None:
        entry = Entry.read(run)
        return cls(run, entry, datetime.fromisoformat(entry.ended)) if entry else None

    def look(self) -> None:
        """Read what its results say; those of a run that failed may be of an earlier one."""
        if self.entry.outcome == "failed":
            return
        try:
            self.aside = plates_set_aside(self.run)
            best = z_primes_of(self.run)
            self.trends = {"Z′": float(best.min())} if len(best) else {}
            self.trends |= _intensities(self.run)
            if has_table(self.run, HITS):
                hits = read_table(self.run, HITS).reset_index()
                self.hits = int(hits.loc[hits["hit"].astype(bool), "compound"].nunique())
        except HcskitError as error:
            self.fault = str(error)


def _intensities(run: Path) -> dict[str, float]:
    """Return the median over the fields that were kept of their mean intensity, by channel."""
    if not has_table(run, QUALITY):
        return {}
    quality = read_table(run, QUALITY).reset_index()
    medians = quality[~quality["excluded"].astype(bool)].groupby("channel")["mean"].median()
    return {f"intensity of {channel}": float(value) for channel, value in medians.items()}


@dataclass(frozen=True)
class _Table:
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def _plates(lately: Sequence[_Ended]) -> _Table:
    rows = [
        (
            each.entry.delivery,
            f"{each.when:%Y-%m-%d %H:%M}",
            each.entry.outcome if not each.fault else f"done; its results cannot be read: {each.fault}",
            _number(each.trends.get("Z′")),
            _NONE if each.hits is None else f"{each.hits}",
        )
        for each in lately
    ]
    return _Table("Plates", ("plate", "ended (UTC)", "outcome", "Z′", "hits"), rows)


def _failures(lately: Sequence[_Ended]) -> _Table:
    rows = [(each.entry.delivery, each.entry.reason) for each in lately if each.entry.outcome == "failed"]
    rows += [(f"{each.entry.delivery}: {plate}", why) for each in lately for plate, why in each.aside.items()]
    return _Table("Failures", ("plate", "reason"), rows)


def _trends(before: Sequence[_Ended], lately: Sequence[_Ended]) -> _Table:
    """Compare medians over the plates of this time with those over the plates before it."""
    names = dict.fromkeys(name for each in (*before, *lately) for name in each.trends)
    rows = []
    for name in names:
        old, new = (
            [each.trends[name] for each in some if pd.notna(each.trends.get(name))] for some in (before, lately)
        )
        medians = [_number(median(values) if values else None) for values in (new, old)]
        rows.append((name, *medians, _bars([*old, *new][-_BEFORE:])))
    columns = ("quantity", "median", f"of up to {_BEFORE} plates before", "plate by plate, latest last")
    return _Table("Trends", columns, rows)


def _bars(values: Sequence[float]) -> str:
    """Draw numbers as bars from the least to the greatest.

    Examples
    --------
    >>> _bars([0, 1, 2, 4])
    '▁▃▅█'
    """
    if not values:
        return _NONE
    low, span = min(values), max(values) - min(values)
    return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1)) if span else 0] for value in values)


def _number(value: float | None) -> str:
    return _NONE if value is None or pd.isna(value) else f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"


def _length(since: str) -> timedelta:
    found = re.fullmatch(r"([1-9]\d{0,3})([hd])", since)
    if not found:
        raise InputError(f"{since!r} is no time to look back; write it as 12h or 1d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _as_markdown(title: str, lead: str, tables: Sequence[_Table]) -> str:
    parts = [f"# {title}\n\n{lead}\n"]
    for table in tables:
        parts.append(f"\n## {table.title}\n\n")
        lines = [table.columns, ["---"] * len(table.columns)]
        lines += [[_in_markdown(cell) for cell in row] for row in table.rows]
        parts.append("".join(f"| {' | '.join(line)} |\n" for line in lines) if table.rows else "None.\n")
    return "".join(parts)


def _in_markdown(text: str) -> str:
    """Escape what Markdown, and the HTML in it, would take for a sign of its own."""
    return _MARKDOWN.sub(r"\\\1", escape(_line(text), quote=False))


def _as_html(title: str, lead: str, tables: Sequence[_Table]) -> str:
    parts = [f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n']
    parts.append(f"<style>{_STYLE}</style>\n<h1>{escape(title)}</h1>\n<p>{escape(lead)}</p>\n")
    for table in tables:
        parts.append(f"<h2>{escape(table.title)}</h2>\n")
        if table.rows:
            head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
            rows = ("".join(f"<td>{escape(_line(cell))}</td>" for cell in row) for row in table.rows)
            parts.append(f"<table>\n<tr>{head}</tr>\n" + "".join(f"<tr>{row}</tr>\n" for row in rows) + "</table>\n")
        else:
            parts.append("<p>None.</p>\n")
    return "".join([*parts, "</html>\n"])


def _line(text: str) -> str:
    return " ".join(text.encode(errors="replace").decode().split())
