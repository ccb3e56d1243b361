"""What watched plates came to is summarised: done, failed, hits and trends, in Markdown and HTML."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd

import hcskit
from hcskit.results import HITS, QUALITY, SET_ASIDE, write_table
from hcskit.watch import Entry
from tests.watch.test_notify import tables

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def ended(runs: Path, name: str, days_ago: float, reason: str = "") -> Path:
    when = (NOON - timedelta(days=days_ago)).isoformat(timespec="seconds")
    entry = Entry(delivery=name, stamp="x", outcome="failed" if reason else "done", reason=reason, ended=when)
    run = runs / f"run{len(list(runs.glob('*')))}"
    entry.write(run)
    return run


def measured(run: Path, z_prime: float, intensity: float, hits: int) -> None:
    tables(run, z_prime, "as in training")
    fields = pd.DataFrame({"plate": "P1", "well": "A01", "field": [1, 2, 3, 4], "channel": "DNA", "focus": 1.0})
    fields = fields.assign(focus_z=0.0, saturation=0.0, sd=1.0, reason="", excluded=[False] * 3 + [True])
    fields["mean"] = [intensity, intensity + 1, intensity - 1, 9e9]
    write_table(run, QUALITY, fields.set_index(["plate", "well", "field", "channel"]))
    found = pd.DataFrame({"compound": [f"c{number // 2}" for number in range(6)], "readout": ["x", "y"] * 3})
    numbers = dict.fromkeys(("hit_score", "hit_p_value", "q_value", "power", "false_positive_rate", "effect"), 0.1)
    found = found.assign(**numbers, hit=[number // 2 < hits for number in range(6)])
    write_table(run, HITS, found.set_index(["compound", "readout"]))


def test_plates_of_the_time_are_listed_and_compared_with_those_before(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for days, z_prime, intensity, hits in ((3, 0.8, 50, 3), (2, 0.6, 70, 3), (0.5, 0.4, 90, 2), (0.4, 0.2, 30, 1)):
        measured(ended(runs, f"plate{days}", days), z_prime, intensity, hits)
    write_table(runs / "run3", SET_ASIDE, pd.DataFrame({"reason": ["no images"]}, pd.Index(["P2"], name="plate")))
    ended(runs, "broken", 0.3, "no room")
    ended(runs, "old", 4, "long ago")
    ended(runs, "later", -0.1, "not yet")
    text = hcskit.summarise_runs(runs, tmp_path / "out", until=NOON)
    assert text == (tmp_path / "out" / "summary-2026-03-01.md").read_text("utf-8")
    assert "\n2 done, 1 failed, 3 hits.\n" in text
    assert "| plate0.5 | 2026-03-01 00:00 | done | 0.4 | 2 |\n" in text
    assert "| broken | no room |\n| plate0.4: P2 | no images |\n" in text
    assert "| Z′ | 0.3 | 0.7 | █▆▃▁ |\n" in text  # medians of 0.4 and 0.2, of 0.8 and 0.6
    assert "| intensity of DNA | 60 | 60 | ▃▆█▁ |\n" in text
    for other in ("plate3", "plate2", "long ago", "not yet"):
        assert other not in text
    assert "4 done, 2 failed" in hcskit.summarise_runs(runs, since="5d", until=NOON)


def test_a_name_cannot_write_into_the_summary(tmp_path: Path) -> None:
    evil = "<script>x</script>|[a](javascript:b)\n# `c` &amp; *d*"
    ended(tmp_path / "runs", evil, 0.1, evil)
    text = hcskit.summarise_runs(tmp_path / "runs", tmp_path, until=NOON)
    assert "<script" not in text
    assert r"&lt;script&gt;x&lt;/script&gt;\|\[a\](javascript:b) # \`c\` &amp;amp; \*d\*" in text
    page = (tmp_path / "summary-2026-03-01.html").read_text("utf-8")
    tags, words = set(), []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, _: tags.add(tag)  # type: ignore[method-assign]
    parser.handle_data = words.append  # type: ignore[method-assign]
    parser.feed(page)
    assert tags <= {"html", "meta", "title", "style", "h1", "h2", "p", "table", "tr", "th", "td"}
    assert words.count(" ".join(evil.split())) == 3  # as a plate, as a failure, and as its reason


def test_a_damaged_table_is_told_and_the_rest_is_summarised(tmp_path: Path) -> None:
    run = ended(tmp_path, "plate", 0.1)
    measured(run, 0.5, 10, 1)
    (run / QUALITY.where).write_bytes(b"no table")
    text = hcskit.summarise_runs(tmp_path, until=NOON)
    assert "1 done, 0 failed" in text
    assert "its results cannot be read" in text


def test_the_command_prints_and_says_what_is_wrong(hcskit: Any, tmp_path: Path) -> None:
    assert "0 done, 0 failed, 0 hits." in hcskit("summarise", tmp_path).stdout
    assert "is no time to look back" in hcskit("summarise", tmp_path, "--since", "yesterday").stderr
    assert "there is no folder" in hcskit("summarise", tmp_path / "nowhere").stderr
