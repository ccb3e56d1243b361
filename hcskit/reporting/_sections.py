"""The sections of the report: what each needs of a run, and what it shows, as plain values for the template."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import holoviews as hv

from hcskit.reporting._compounds import compounds
from hcskit.reporting._ec50 import ec50
from hcskit.reporting._figures import Figures
from hcskit.reporting._findings import Findings
from hcskit.reporting._overview import attention, headline, numbers
from hcskit.reporting._positions import positions
from hcskit.reporting._quality import quality
from hcskit.reporting._saliency import looks
from hcskit.reporting._text import as_table
from hcskit.results import (
    CURVES,
    DISTANCES,
    HISTORY,
    ILLUMINATION,
    IMAGE_CONTROLS,
    MASKS,
    PHENOTYPE_CONTROLS,
    PLATE_DRIFT,
    PLATES,
    POINTS,
    PREDICTIONS,
    QUALITY,
    RECORD,
    RESPONSES,
    SALIENCY_MAPS,
    STRENGTHS,
    Part,
    StepRecord,
)
from hcskit.views import format_number, plate_drawing, training_curves

__all__ = ["SECTIONS", "Section", "contents"]

#: Fields of a run's record that are shown in one line.
_FACTS = ("pipeline", "description", "status", "started", "python", "platform", "cores")

#: The report is the last step: what is still running while it is written has finished when it is read.
_STATUS = {"running": "finished", "completed": "finished"}

#: A place within the section of quality.
_EXCLUDED = "excluded"


@dataclass(frozen=True)
class Section:
    """A section of the report.

    Attributes
    ----------
    name : str
        Its name in the template, and its anchor in the page.
    title : str
        What the page's menu calls it.
    show : callable
        Returns its content; an empty one leaves the section out.
    needs : tuple of hcskit.results.Part
        What a run must have for it, all of them.
    uses : tuple of hcskit.results.Part
        What it shows where it is there; one of them at least.
    expected : bool
        Whether the report says what to run where the section is left out.
    """

    name: str
    title: str
    show: Callable[[Findings, Figures], Any]
    needs: tuple[Part, ...] = ()
    uses: tuple[Part, ...] = ()
    expected: bool = True

    def lacking(self, findings: Findings) -> Part | None:
        """Return the first part that a run lacks for this section; None if it can be shown."""
        missing = [part for part in self.needs if not findings.has(part)]
        if not missing and self.uses and not any(findings.has(part) for part in self.uses):
            missing = [*self.uses]
        return missing[0] if missing else None


def contents(findings: Findings, figures: Figures) -> dict[str, Any]:
    """Return what the template shows; a section that cannot be shown is None."""
    record = findings.record
    lacking = {section: section.lacking(findings) for section in SECTIONS}
    missing: dict[str, list[str]] = {}
    for section, part in lacking.items():
        if part is not None and section.expected:
            missing.setdefault(part.writer, []).append(section.title)
    shown = {section.name: section.show(findings, figures) for section, part in lacking.items() if part is None}
    places = {name for name, content in shown.items() if content}
    if findings.has(QUALITY):
        places.add(_EXCLUDED)
    return {
        "title": findings.run.name,
        "written": f"{datetime.now(UTC).astimezone():%d %B %Y, %H:%M}",
        "version": record.versions.get("hcskit", "") if record else "",
        "pipeline": record.pipeline if record else "",
        "headline": headline(findings),
        "numbers": numbers(findings),
        "attention": attention(findings),
        "missing": missing,
        "menu": [(section.name, section.title) for section in SECTIONS],
        "sections": {section.name: shown.get(section.name) for section in SECTIONS},
        "places": places,
    }


def _plates(findings: Findings, figures: Figures) -> list[dict[str, Any]]:
    readings = {"probability": findings.get(PREDICTIONS), "strength": findings.get(STRENGTHS)}
    shown = []
    for name, plate in findings.plates.items():
        maps = []
        for label, table in readings.items():
            if table is None or name not in table.index.get_level_values("plate"):
                continue
            values = table[label].xs(name, level="plate")
            for phenotype in dict.fromkeys(values.index.get_level_values("phenotype")):
                series = values.xs(phenotype, level="phenotype")
                drawing = plate_drawing(series, plate=plate, label=label, limits=(0.0, 1.0))
                text = f"{label.capitalize()} of {phenotype} in each well of {name}"
                kind = f"plate-{plate.attrs['plate_format']}"
                maps.append((f"{phenotype}, {label}", figures.draw(kind, drawing, text)))
        if maps:
            shown.append({"name": name, "maps": [*maps, *_distances(findings, figures, name)]})
    return shown


def _distances(findings: Findings, figures: Figures, name: str) -> list[tuple[str, Any]]:
    """Draw how far the wells of a plate lie from its negative controls."""
    table = findings.get(DISTANCES)
    if table is None or name not in table.index.get_level_values("plate"):
        return []
    plate = findings.plates[name]
    drawing = plate_drawing(table["distance"].xs(name, level="plate"), plate=plate, label="distance")
    text = f"Distance of each well of {name} from the negative controls"
    return [
        ("distance from the negative controls", figures.draw(f"plate-{plate.attrs['plate_format']}", drawing, text))
    ]


def _training(findings: Findings, figures: Figures) -> list[dict[str, Any]]:
    return [
        figures.add(view.opts(title=""), f"{name} by epoch, training and validation")
        for name, view in zip(("Loss", "Accuracy"), training_curves(findings.get(HISTORY)), strict=True)
    ]


def _further(findings: Findings, figures: Figures) -> list[dict[str, Any]]:
    """Draw the views of other packages; one that fails is left out with a warning, and the report is still written."""
    shown = []
    for name, view in findings.run.views.items():
        try:
            drawn = findings.run.view(name)
            parts = list(drawn) if isinstance(drawn, hv.Layout) else [drawn]
            plots = [figures.add(part, view.title) for part in parts]
        except Exception as error:  # noqa: BLE001 - whatever another package raises
            warnings.warn(f"left out: the view {name!r} failed: {type(error).__name__}: {error}", stacklevel=2)
        else:
            shown.append({"title": view.title, "figures": plots})
    return shown


def _record(findings: Findings, _: Figures) -> dict[str, Any]:
    record = findings.record
    assert record is not None  # noqa: S101 - the section needs it
    told = record.model_dump(mode="json")
    told["status"] = _STATUS.get(record.status, record.status)
    tables = {
        "Steps": [_step(step) for step in record.steps],
        "Parameters": told["parameters"],
        "Inputs": [source.model_dump() for source in record.inputs],
    }
    return {
        "facts": as_table({name: told[name] for name in _FACTS}),
        "tables": {name: as_table(value) for name, value in tables.items() if value},
        "versions": as_table(record.versions),
    }


def _step(step: StepRecord) -> dict[str, Any]:
    """Return what is shown of a step; the report's own has not ended while the report is written."""
    return {
        "name": step.name,
        "status": _STATUS.get(step.status, step.status),
        "started": step.started or "",
        "seconds": "" if step.seconds is None else format_number(step.seconds),
        "notebook": step.output or step.notebook,
    }


#: In the order of the page.
SECTIONS = (
    Section("ec50", "EC50", ec50, needs=(RESPONSES,)),
    Section("compounds", "Compounds", compounds, needs=(RESPONSES, POINTS, CURVES)),
    Section("plates", "Plates", _plates, needs=(PLATES, PREDICTIONS)),
    Section(
        "quality",
        "Quality",
        quality,
        uses=(QUALITY, IMAGE_CONTROLS, PHENOTYPE_CONTROLS, PLATE_DRIFT, ILLUMINATION, MASKS),
    ),
    Section("positions", "Positions", positions, needs=(POINTS,), expected=False),
    Section("looks", "Evidence", looks, needs=(PLATES, SALIENCY_MAPS), expected=False),
    Section("training", "Training", _training, needs=(HISTORY,), expected=False),
    Section("views", "Further views", _further, expected=False),
    Section("record", "Record", _record, needs=(RECORD,), expected=False),
)
