"""A report of fifty plates is read as easily as one of a single plate."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from hcskit.reporting._figures import Figures
from hcskit.reporting._findings import Findings
from hcskit.reporting._overview import attention
from hcskit.reporting._quality import quality
from hcskit.results import AS_IN_TRAINING, PLATE_DRIFT, write_table
from hcskit.run import open_run


def findings_of(folder: Path, verdicts: list[str]) -> Findings:
    """Return what is found of plates with two quantities each; the first is outside on all that are unlike training."""
    rows = []
    for number, verdict in enumerate(verdicts):
        background = 1.0 if verdict == AS_IN_TRAINING else 9.0
        for quantity, value in (("background", background), ("signal", 1.0)):
            rows.append((f"P{number:02d}", quantity, "DNA", value, 1.0, 0.0, 2.0, verdict))
    columns = ["plate", "quantity", "channel", "value", "expected", "low", "high", "verdict"]
    write_table(folder, PLATE_DRIFT, pd.DataFrame(rows, columns=columns).set_index(columns[:3]))
    return Findings(open_run(folder))


def test_of_few_plates_each_is_told_with_all_that_was_compared(tmp_path: Path) -> None:
    findings = findings_of(tmp_path, ["shifted: DNA background +8 counts", AS_IN_TRAINING])
    (told,) = attention(findings)
    assert told[0] == "P00 is unlike the plates that the network learned from: shifted: DNA background +8 counts."
    assert [row[-1] for row in quality(findings, Figures())["drift"]["rows"]] == ["outside", "", "", ""]


def test_of_many_plates_those_with_one_verdict_are_counted_and_only_what_is_outside_is_listed(tmp_path: Path) -> None:
    shifted = [f"shifted: DNA background +{number} counts" for number in range(40)]
    findings = findings_of(tmp_path, [*shifted, "not this assay", *[AS_IN_TRAINING] * 9])
    assert [line for line, _ in attention(findings)] == [
        "40 of 50 plates are unlike those that the network learned from, shifted: P00, P01, P02, P03 and 36 more.",
        "1 of 50 plates is unlike those that the network learned from, not this assay: P40.",
    ]
    drift = quality(findings, Figures())["drift"]
    assert len(drift["rows"]) == 41
    assert {row[-1] for row in drift["rows"]} == {"outside"}
    assert drift["left_out"] == 59
