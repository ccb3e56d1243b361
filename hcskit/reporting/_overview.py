"""The top of the report: what was found in a line, the key numbers, and what to look at first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hcskit.reporting._findings import Findings
from hcskit.reporting._summary import misses_truth
from hcskit.reporting._text import count, some
from hcskit.response import EFFECTS
from hcskit.results import (
    AS_IN_TRAINING,
    HISTORY,
    HITS,
    MASKS,
    MODEL,
    NOTES,
    PHENOTYPE_CONTROLS,
    PLATE_DRIFT,
    SET_ASIDE,
)
from hcskit.views import format_ec50, format_number

__all__ = ["attention", "headline", "numbers"]

#: An interval of an EC50 that spans more is named.
_WIDE = 10
#: More plates than these with something in common are counted.
_NAMED = 4


def headline(findings: Findings) -> str:
    """Say which compounds have an effect; empty where no response was fitted."""
    if findings.responses is None:
        return ""
    leads = findings.responses.leads
    effect = leads[leads["category"].isin(EFFECTS)]
    if effect.empty and len(leads) == 1:
        return "The compound shows no effect."
    if effect.empty:
        return f"None of the {len(leads)} compounds shows an effect."
    found = [f"{row['compound']} {format_ec50(row)}" for _, row in effect.iterrows()]
    verb = "has" if len(effect) == 1 else "have"
    first = "" if len(effect) <= 4 else ", the most potent first"
    return f"{len(effect)} of {count(len(leads), 'compound')} {verb} an effect{first}: {some(found)}."


def numbers(findings: Findings) -> list[tuple[str, str, str]]:
    """Return the key numbers: value, what it is, and what it is of."""
    return [
        *_of_compounds(findings),
        *_of_hits(findings),
        *_of_plates(findings),
        *_of_model(findings),
        *_of_truth(findings),
    ]


def _of_compounds(findings: Findings) -> list[tuple[str, str, str]]:
    if findings.responses is None:
        return []
    leads = findings.responses.leads
    active = int((leads["category"] == "active").sum())
    found = [(str(active), f"active compound{'s' * (active != 1)}", f"of {len(leads)} tested")]
    located = leads[leads["category"].isin(["active", "partial"]) & (leads["ec50_low"] > 0)]
    either = (located["ec50_high"] / located["ec50_low"]) ** 0.5
    if np.isfinite(either).any():
        typical = format_number(float(either[np.isfinite(either)].median()), 2)
        found.append((f"×÷ {typical}", "95 % interval of an EC50", f"median of {count(len(located), 'compound')}"))
    return found


def _of_hits(findings: Findings) -> list[tuple[str, str, str]]:
    hits = findings.get(HITS)
    if hits is None or hits["hit_score"].isna().all():
        return []
    tested = hits[hits["hit_score"].notna()]
    rate, effect = tested[["false_positive_rate", "effect"]].iloc[0]
    found = int(tested["hit"].sum())
    name = f"hit{'s' * (found != 1)} at {100 * rate:.3g} % false positives"
    of = f"of {count(len(tested), 'curve')}; power {tested['power'].median():.0%} for {effect:g} SD"
    return [(f"{found:,}", name, of)]


def _of_plates(findings: Findings) -> list[tuple[str, str, str]]:
    plates, excluded, found = findings.plates, findings.excluded, []
    if plates:
        wells = sum(int(plate["present"].any(["field", "channel"]).sum()) for plate in plates.values())
        fields = sum(int(plate["present"].all("channel").sum()) for plate in plates.values())
        found.append((f"{wells:,}", "wells imaged", f"on {count(len(plates), 'plate')}"))
        found.append((f"{fields:,}", "fields", "" if excluded is None else f"{len(excluded)} excluded"))
    controls = findings.get(PHENOTYPE_CONTROLS)  # a plain image statistic is no assay
    if controls is not None and controls["z_prime"].notna().any():
        best = controls.dropna(subset=["z_prime"]).sort_values("z_prime", kind="stable").iloc[-1]
        found.append((format_number(best["z_prime"], 2), "best Z′-factor", f"{best['readout']}, {best['plate']}"))
    return found


def _of_model(findings: Findings) -> list[tuple[str, str, str]]:
    history = findings.get(HISTORY)
    if history is None or history["val_accuracy"].isna().all():
        return []
    best = history.sort_values("val_loss", kind="stable").iloc[0]
    return [(f"{best['val_accuracy']:.0%}", "validation accuracy", f"epoch {int(best['epoch'])}")]


def _of_truth(findings: Findings) -> list[tuple[str, str, str]]:
    if findings.responses is None or findings.responses.matched is None:
        return []
    folds = findings.responses.matched["fold"].dropna()
    if folds.empty:
        return []
    typical = float(np.exp(np.log(folds).abs().median()))
    return [(f"{format_number(typical)}×", "off the true EC50", f"median of {count(len(folds), 'compound')}")]


def attention(findings: Findings) -> list[tuple[str, str]]:
    """Return what a scientist should look at before believing the numbers, each with the section that shows it."""
    return [
        *_about_plates(findings),
        *_about_network(findings),
        *_about_fields(findings),
        *_about_controls(findings),
        *_about_ranges(findings),
        *_about_fits(findings),
        *_about_truth(findings),
    ]


def _about_plates(findings: Findings) -> list[tuple[str, str]]:
    aside = findings.get(SET_ASIDE)
    if aside is None:
        return []
    return [(f"{plate} is not in this run: it was set aside. {reason}", "record")
            for plate, reason in aside["reason"].items()]  # fmt: skip


def _about_network(findings: Findings) -> list[tuple[str, str]]:
    doubts = findings.get(MODEL).card.doubts if findings.has(MODEL) else ()
    return [*((doubt, "training") for doubt in doubts), *_about_drift(findings)]


def _about_drift(findings: Findings) -> list[tuple[str, str]]:
    drift = findings.get(PLATE_DRIFT)
    if drift is None:
        return []
    verdicts = drift["verdict"].groupby("plate").first()
    strange = verdicts[verdicts != AS_IN_TRAINING]
    if len(strange) <= _NAMED:
        return [(f"{plate} is unlike the plates that the network learned from: {said}.", "quality")
                for plate, said in strange.items()]  # fmt: skip
    kinds = strange.groupby(strange.str.partition(":")[0], sort=False)
    return [(f"{len(own)} of {len(verdicts)} plates {'is' if len(own) == 1 else 'are'} unlike those that the network "
             f"learned from, {kind}: {some(list(own.index))}.", "quality")
            for kind, own in kinds]  # fmt: skip


def _about_fields(findings: Findings) -> list[tuple[str, str]]:
    notes = []
    if findings.excluded is not None and len(findings.excluded):
        notes.append((f"{count(len(findings.excluded), 'field')} excluded for quality and not used.", "excluded"))
    masked = findings.get(MASKS)
    if masked is not None and len(masked):
        notes.append((f"{count(len(masked), 'well')} masked by hand and not fitted.", "quality"))
    noted = findings.get(NOTES)
    if noted is not None and noted["flag"].any():
        flagged = [str(name) for name in noted.index[noted["flag"].astype(bool)]]
        notes.append((f"{count(len(flagged), 'compound')} flagged by hand: {some(flagged)}.", "compounds"))
    missing = sum(int((~plate["present"].any("channel")).sum()) for plate in findings.plates.values())
    if missing:
        notes.append((f"{count(missing, 'field')} not acquired.", "plates"))
    return notes


def _about_controls(findings: Findings) -> list[tuple[str, str]]:
    if findings.controls is None:
        return []
    notes, weak = [], findings.controls[findings.controls["z_prime"] < 0.5]
    if findings.responses is not None:
        weak = weak[weak["readout"].isin(findings.responses.colours)]
    for readout, rows in weak.groupby("readout", sort=False):
        where = [f"{row['plate']} ({format_number(row['z_prime'], 2)}{_but_for(row)})" for _, row in rows.iterrows()]
        notes.append((f"Z′-factor of {readout} below 0.5 on {some(where)}.", "quality"))
    return notes


def _but_for(row: pd.Series[Any]) -> str:
    """Say which control wells deviate, and how good the others are."""
    wells = row.get("deviating_wells", "")
    return f"; robust {format_number(row['robust_z_prime'], 2)}, look at {wells}" if wells else ""


def _about_ranges(findings: Findings) -> list[tuple[str, str]]:
    if findings.responses is None:
        return []
    notes, leads = [], findings.responses.leads
    beyond = leads["compound"][leads["category"] == "outside the tested range"]
    partial = leads["compound"][leads["category"] == "partial"]
    if len(beyond):
        notes.append((f"EC50 outside the tested range: {some(list(beyond))}.", "ec50"))
    if len(partial):
        notes.append((f"Effect only partial: {some(list(partial))}.", "ec50"))
    return notes


def _about_fits(findings: Findings) -> list[tuple[str, str]]:
    """Name the fits that are not to be believed as they are."""
    if findings.responses is None:
        return []
    leads = findings.responses.leads
    doubts = {
        "unconfirmed": "Effect seen, but not confirmed",
        "not fitted": "No curve could be fitted",
    }
    notes = [(name, leads["compound"][leads["category"] == name]) for name in doubts]
    told = [(f"{doubts[name]}: {some(list(found))}.", "ec50") for name, found in notes if len(found)]
    wide = leads[(leads["category"] == "active") & (leads["ec50_high"] > _WIDE * leads["ec50_low"])]
    if len(wide):
        told.append((f"EC50 known to no better than a factor of {_WIDE}: {some(list(wide['compound']))}.", "ec50"))
    deviating = leads[leads.get("deviating_wells", pd.Series("", leads.index)).fillna("") != ""]
    if len(deviating):
        told.append((f"Wells left out as deviating, in the fits of {some(list(deviating['compound']))}.", "ec50"))
    return told


def _about_truth(findings: Findings) -> list[tuple[str, str]]:
    """Name our own misses, where the truth is known."""
    if findings.responses is None or findings.responses.matched is None:
        return []
    matched = findings.responses.matched
    located = matched.dropna(subset=["fold"])
    missed = [str(row["compound"]) for _, row in located.iterrows() if misses_truth(row)]
    unseen = [str(row["compound"]) for _, row in matched[matched["fold"].isna()].iterrows()]
    notes = []
    if missed:
        notes.append((f"The interval does not hold the true EC50 of {some(missed)}.", "truth"))
    if unseen:
        notes.append((f"An effect is known, but no EC50 was found, of {some(unseen)}.", "truth"))
    return notes
