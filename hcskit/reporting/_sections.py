"""The report's content, section by section, as plain values for the template."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hcskit.reporting._compounds import compound_cards, ec50_rows, potency
from hcskit.reporting._data import ReportData
from hcskit.reporting._figures import Figures
from hcskit.response import EFFECTS, lead_readouts, match_truth
from hcskit.views import (
    controls_table,
    excluded_fields,
    field_heatmap,
    format_concentration,
    format_ec50,
    format_number,
    illumination_map,
    parity,
    plate_heatmap,
    training_curves,
)

__all__ = ["sections"]

#: A table of more rows than this opens with only the readouts that show an effect.
_LONG_TABLE = 24
#: What of a run's record is told in a line.
_FACTS = ("pipeline", "description", "started", "python", "platform", "cores")


def sections(data: ReportData, figures: Figures) -> dict[str, Any]:
    """Return what the template shows; a section whose data are missing is None."""
    plates = data.plates
    excluded = None if data.quality is None else excluded_fields(data.quality)
    record = dict(data.record or {})
    return {
        "title": data.title,
        "written": f"{datetime.now(UTC).astimezone():%d %B %Y, %H:%M}",
        "version": record.get("hcskit") or record.get("versions", {}).get("hcskit", ""),
        "pipeline": record.get("pipeline", ""),
        "headline": _headline(data),
        "numbers": _numbers(data, plates, excluded),
        "attention": _attention(data, plates, excluded),
        "ec50": _ec50(data),
        "parity": _parity(data, figures),
        "compounds": None if data.responses is None else compound_cards(data, plates, figures),
        "plates": _plates(data, plates, figures),
        "quality": _quality(data, plates, excluded, figures),
        "training": _training(data, figures),
        "record": _record(data.record),
    }


def _headline(data: ReportData) -> str:
    if data.responses is None:
        return ""
    leads = _leads(data.responses)
    effect = leads[leads["category"].isin(EFFECTS)]
    if effect.empty:
        return f"None of the {len(leads)} compounds shows an effect."
    found = [f"{row['compound']} {format_ec50(row, interval=False)}" for _, row in effect.iterrows()]
    verb = "has" if len(effect) == 1 else "have"
    return f"{len(effect)} of {_count(len(leads), 'compound')} {verb} an effect: {_some(found)}."


def _numbers(
    data: ReportData, plates: dict[str, xr.Dataset], excluded: pd.DataFrame | None
) -> list[tuple[str, str, str]]:
    """Return the key numbers: value, what it is, and what it is of."""
    numbers = []
    if data.responses is not None:
        leads = _leads(data.responses)
        active = int((leads["category"] == "active").sum())
        numbers.append((str(active), f"active compound{'s' * (active != 1)}", f"of {len(leads)} tested"))
    wells = sum(int(plate["present"].any(["field", "channel"]).sum()) for plate in plates.values())
    numbers.append((f"{wells:,}", "wells imaged", f"on {_count(len(plates), 'plate')}"))
    fields = sum(int(plate["present"].all("channel").sum()) for plate in plates.values())
    left_out = "" if excluded is None else f"{len(excluded)} excluded"
    numbers.append((f"{fields:,}", "fields", left_out))
    if data.controls is not None and data.controls["z_prime"].notna().any():
        best = data.controls.dropna(subset=["z_prime"]).sort_values("z_prime", kind="stable").iloc[-1]
        numbers.append((format_number(best["z_prime"], 2), "best Z′-factor", f"{best['readout']}, {best['plate']}"))
    if data.history is not None and data.history["val_accuracy"].notna().any():
        best = data.history.sort_values("val_loss", kind="stable").iloc[0]
        numbers.append((f"{best['val_accuracy']:.0%}", "validation accuracy", f"epoch {int(best['epoch'])}"))
    if data.responses is not None and data.truth is not None:
        folds = match_truth(data.responses, data.truth)["fold"].dropna()
        if len(folds):
            typical = float(np.exp(np.log(folds).abs().median()))
            of = f"median of {_count(len(folds), 'compound')}"
            numbers.append((f"{format_number(typical)}×", "off the true EC50", of))
    return numbers


def _attention(data: ReportData, plates: dict[str, xr.Dataset], excluded: pd.DataFrame | None) -> list[tuple[str, str]]:
    """Return what a scientist should look at before believing the numbers, each with the section that shows it."""
    notes = []
    if excluded is not None and len(excluded):
        notes.append((f"{_count(len(excluded), 'field')} excluded for quality and not used.", "excluded"))
    missing = sum(int((~plate["present"].any("channel")).sum()) for plate in plates.values())
    if missing:
        notes.append((f"{_count(missing, 'field')} not acquired.", "plates"))
    if data.controls is not None:
        weak = data.controls[data.controls["z_prime"] < 0.5]
        if data.responses is not None:
            weak = weak[weak["readout"].isin(data.responses.index.get_level_values("readout"))]
        for readout, rows in weak.groupby("readout", sort=False):
            where = [f"{row['plate']} ({format_number(row['z_prime'], 2)})" for _, row in rows.iterrows()]
            notes.append((f"Z′-factor of {readout} below 0.5 on {_some(where)}.", "quality"))
    if data.responses is not None:
        leads = _leads(data.responses)
        beyond = leads["compound"][leads["category"] == "outside the tested range"]
        partial = leads["compound"][leads["category"] == "partial"]
        if len(beyond):
            notes.append((f"EC50 outside the tested range: {_some(list(beyond))}.", "ec50"))
        if len(partial):
            notes.append((f"Effect only partial: {_some(list(partial))}.", "ec50"))
    return notes


def _ec50(data: ReportData) -> dict[str, Any] | None:
    if data.responses is None:
        return None
    rows = ec50_rows(data)
    effects = sum(row["category"] in EFFECTS for row in rows)
    csv = base64.b64encode(data.responses.to_csv().encode()).decode()
    return {"rows": rows, "effects": effects, "long": len(rows) > _LONG_TABLE, "csv": csv}


def _parity(data: ReportData, figures: Figures) -> dict[str, Any] | None:
    if data.responses is None or data.truth is None:
        return None
    rows = [
        {
            "compound": row["compound"],
            "readout": row["readout"],
            "true": format_concentration(row["true_ec50"], str(row["concentration_unit"])),
            "recovered": format_ec50(row),
            "recovered / true": format_number(row["fold"]),
        }
        for _, row in match_truth(data.responses, data.truth).iterrows()
    ]
    view = parity(data.responses, data.truth).opts(title="")
    return {"table": _table(rows), "figure": figures.add(view, "Recovered against true EC50 of each compound")}


def _plates(data: ReportData, plates: dict[str, xr.Dataset], figures: Figures) -> list[dict[str, Any]] | None:
    if data.predictions is None:
        return None
    shown = []
    for name, plate in plates.items():
        if name not in data.predictions.index.get_level_values("plate"):
            continue
        values = data.predictions["probability"].xs(name, level="plate")
        maps = []
        for phenotype in dict.fromkeys(values.index.get_level_values("phenotype")):
            series = values.xs(phenotype, level="phenotype")
            view = plate_heatmap(series, plate=plate, label="probability", limits=(0.0, 1.0))
            maps.append((str(phenotype), figures.add(view, f"Probability of {phenotype} in each well of {name}")))
        shown.append({"name": name, "maps": maps})
    return shown


def _quality(
    data: ReportData, plates: dict[str, xr.Dataset], excluded: pd.DataFrame | None, figures: Figures
) -> dict[str, Any] | None:
    if data.quality is None and data.controls is None and data.illumination is None:
        return None
    maps: list[dict[str, Any]] = []
    known = [] if data.quality is None else set(data.quality.index.get_level_values("plate"))
    for name, plate in plates.items():
        if data.quality is None or name not in known:
            continue
        focus = field_heatmap(data.quality, plate, "focus_z", label="robust z-score")
        saturation = field_heatmap(data.quality, plate, "saturation", label="fraction of pixels")
        maps.append(
            {
                "name": name,
                "focus": figures.add(focus, f"Focus of each field of {name}"),
                "saturation": figures.add(saturation, f"Saturated pixels in each field of {name}"),
            }
        )
    return {
        "controls": None if data.controls is None else _table(controls_table(data.controls).to_dict("records")),
        "maps": maps,
        "excluded": None if excluded is None else _table(excluded.to_dict("records")),
        "illumination": _illumination(data.illumination, figures),
    }


def _illumination(illumination: xr.Dataset | None, figures: Figures) -> list[dict[str, Any]]:
    if illumination is None:
        return []
    flat = illumination["flat"]
    limits = (float(flat.min()), float(flat.max()))
    return [
        {
            "name": f"{plate} · {channel}",
            "figure": figures.add(
                illumination_map(illumination, plate, channel, limits=limits).opts(title=""),
                f"Illumination of {channel} on {plate}",
            ),
        }
        for plate in flat["plate"].to_numpy()
        for channel in flat["channel"].to_numpy()
    ]


def _training(data: ReportData, figures: Figures) -> list[dict[str, Any]] | None:
    if data.history is None:
        return None
    names = ("Loss", "Accuracy")
    return [
        figures.add(view.opts(title=""), f"{name} by epoch, training and validation")
        for name, view in zip(names, training_curves(data.history), strict=True)
    ]


def _record(record: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if record is None:
        return None
    tables = {
        "Steps": [_step(step) for step in record.get("steps", [])],
        "Parameters": record.get("parameters", {}),
        "Inputs": record.get("inputs", {}),
    }
    return {
        "facts": _table({name: record[name] for name in _FACTS if name in record}),
        "tables": {name: _table(value) for name, value in tables.items() if value},
        "versions": _table(record.get("versions", {})),
    }


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is shown of a step; the report's own has not ended while the report is written."""
    seconds = step.get("seconds")
    return {
        "name": step["name"],
        "status": step["status"],
        "started": step.get("started", ""),
        "seconds": "" if seconds is None else format_number(float(seconds)),
        "notebook": step.get("output") or step.get("notebook", ""),
    }


def _table(value: Any) -> dict[str, Any]:
    """Bring a mapping, a mapping of mappings or a list of mappings to columns and rows of text."""
    if isinstance(value, Mapping):
        value = [
            {"name": name, **(dict(entry) if isinstance(entry, Mapping) else {"value": entry})}
            for name, entry in value.items()
        ]
    rows = [row if isinstance(row, Mapping) else {"value": row} for row in value]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return {"columns": columns, "rows": [[_text(row.get(name, "")) for name in columns] for row in rows]}


def _text(value: Any) -> str:
    return json.dumps(value, default=str) if isinstance(value, (list, tuple, dict)) else str(value)


def _leads(responses: pd.DataFrame) -> pd.DataFrame:
    """Return the row of each compound's lead readout, the most potent first."""
    rows = responses.loc[list(lead_readouts(responses).items())].reset_index()
    return rows.assign(potency=[potency(row) for _, row in rows.iterrows()]).sort_values("potency", kind="stable")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _some(names: list[str], limit: int = 4) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest
