"""The report: one HTML file that holds everything, opens from a file, and asks no network for anything."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import holoviews as hv
import jinja2
import pandas as pd
import xarray as xr
from bokeh.embed import json_item
from bokeh.resources import Resources
from bokeh.themes import Theme
from markupsafe import Markup

from hcskit.dashboard._style import INK, MUTED
from hcskit.errors import InputError
from hcskit.screen import project

__all__ = ["Figures", "ReportData", "write_report"]

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif"
_TEXT = {"text_font": _FONT, "text_color": INK}
_AXIS = {
    "axis_line_color": "#c3cad1",
    "major_tick_line_color": "#c3cad1",
    "minor_tick_line_color": None,
    "axis_label_text_font": _FONT,
    "axis_label_text_color": MUTED,
    "axis_label_text_font_style": "normal",
    "major_label_text_font": _FONT,
    "major_label_text_color": INK,
}
_THEME = Theme(
    json={
        "attrs": {
            "Plot": {"outline_line_color": None, "background_fill_color": None, "border_fill_color": None},
            "Title": _TEXT,
            "Label": {"text_font": _FONT},
            "LabelSet": {"text_font": _FONT},
            "Axis": _AXIS,
            "Legend": {"label_text_font": _FONT, "border_line_color": None, "background_fill_alpha": 0.8},
            "ColorBar": {
                "title_text_font": _FONT,
                "title_text_font_style": "normal",
                "title_text_color": MUTED,
                "major_label_text_font": _FONT,
                "major_label_text_color": INK,
            },
        }
    }
)


@dataclass(frozen=True)
class ReportData:
    """What a report shows. A part that is None is left out of the report.

    Attributes
    ----------
    title : str
        Name of the screen.
    screen : xarray.DataTree
        The plates, as `hcskit.screen.screen_tree` gathers them.
    quality : pandas.DataFrame, optional
        Index ``plate, well, field, channel``; columns ``focus, focus_z, saturation, mean, excluded, reason``.
    controls : pandas.DataFrame, optional
        Columns ``plate, readout, z_prime, ssmd`` and mean, sd and number of the controls.
    illumination : xarray.Dataset, optional
        ``flat`` (plate, channel, y, x).
    predictions : pandas.DataFrame, optional
        Index ``plate, well, phenotype``; columns ``probability, sd, n_fields``.
    responses, points, curves : pandas.DataFrame, optional
        The fits (index ``compound, readout``), the fitted wells and the curves; all three or none.
    history : pandas.DataFrame, optional
        Columns ``epoch, loss, val_loss, accuracy, val_accuracy``.
    truth : pandas.DataFrame, optional
        Known EC50s of simulated plates: ``compound, moa, phenotype, ec50, concentration_unit``.
    record : mapping, optional
        What was run: the content of ``run.json``.

    Raises
    ------
    InputError
        If only some of `responses`, `points` and `curves` are given.
    """

    title: str
    screen: xr.DataTree
    quality: pd.DataFrame | None = None
    controls: pd.DataFrame | None = None
    illumination: xr.Dataset | None = None
    predictions: pd.DataFrame | None = None
    responses: pd.DataFrame | None = None
    points: pd.DataFrame | None = None
    curves: pd.DataFrame | None = None
    history: pd.DataFrame | None = None
    truth: pd.DataFrame | None = None
    record: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        missing = [name for name in ("responses", "points", "curves") if getattr(self, name) is None]
        if len(missing) in (1, 2):
            raise InputError(
                f"responses, points and curves belong together, but {' and '.join(missing)} is missing; "
                "give all three or none"
            )

    @property
    def plates(self) -> dict[str, xr.Dataset]:
        """The plates by id, each with the exclusions of the quality table."""
        plates = {
            name: project(node.to_dataset(inherit=False))
            for name, node in self.screen.children.items()
            if "image" in node
        }
        if self.quality is None:
            return plates
        return {name: _with_exclusions(plate, self.quality) for name, plate in plates.items()}


@dataclass
class Figures:
    """Collects the report's interactive plots; each is drawn by the browser only when it scrolls into view."""

    items: list[dict[str, Any]] = field(default_factory=list)

    def add(self, view: Any, label: str, *, stretch: bool = False) -> dict[str, Any]:
        """Keep a HoloViews element for the page; `label` says in words what it shows, `stretch` fills the width."""
        plot = hv.render(view, backend="bokeh")
        # HoloViews asks for WebGL, whose scripts are not in the page.
        plot.output_backend = "canvas"
        if stretch:
            plot.update(sizing_mode="stretch_width", width=None)
        item = {
            "id": f"figure-{len(self.items) + 1}",
            "label": label,
            # Room is reserved before the plot is drawn, so that nothing moves while one reads.
            "height": int(plot.height or (plot.frame_height or 250) + 45),
            "json": json_item(plot, theme=_THEME),
        }
        self.items.append(item)
        return item


def write_report(path: str | Path, data: ReportData) -> Path:
    """Write the report as one self-contained HTML file.

    It works offline from a file: plots, images and scripts are inside, and the page forbids the browser any request.
    All names are escaped. The file appears whole or not at all.

    Parameters
    ----------
    path : path-like
        Where to write; an older report there is replaced.
    data : ReportData
        What to show.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    InputError
        If the folder of `path` does not exist.
    """
    from hcskit.dashboard._sections import sections

    path = Path(path)
    if not path.parent.is_dir():
        raise InputError(f"the report cannot be written to {path}: there is no folder {path.parent}; create it first")
    figures = Figures()
    context = sections(data, figures)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hcskit.dashboard"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    # Bokeh sorts what it writes so that each object is known before it is referred to.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    # Not render_js(): HoloViews brings Panel, and Panel adds scripts to it that are loaded from elsewhere.
    bokeh = Markup("\n".join(Resources(mode="inline", components=["bokeh"]).js_raw))  # noqa: S704 (Bokeh's own script)
    html = environment.get_template("report.html.j2").render(**context, figures=figures.items, bokeh=bokeh)
    _write_atomically(path, html)
    return path


def _write_atomically(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        # mkstemp makes a file for the owner alone; a report is to be read by others.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise


def _with_exclusions(plate: xr.Dataset, quality: pd.DataFrame) -> xr.Dataset:
    if plate.attrs["plate"] not in quality.index.get_level_values("plate"):
        return plate
    rows = quality.xs(plate.attrs["plate"], level="plate")["excluded"].astype(bool)
    excluded = rows.groupby(level=["well", "field"]).any().to_xarray()
    aligned = excluded.reindex(well=plate["well"].to_numpy(), field=plate["field"].to_numpy(), fill_value=False)
    return plate.assign(excluded=aligned.fillna(False).astype(bool))
