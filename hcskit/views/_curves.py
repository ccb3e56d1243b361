"""Concentration and response: points, fitted curves with their bands, EC50s with their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import holoviews as hv
import numpy as np
import pandas as pd
from bokeh.models.annotations import Label

from hcskit.errors import InputError
from hcskit.response import EFFECTS
from hcskit.units import convert
from hcskit.views._style import (
    INK,
    MUTED,
    category_colours,
    format_concentration,
    format_ec50,
    format_number,
    format_unit,
    log_ticks,
    style,
)

__all__ = ["dose_response"]


@dataclass(frozen=True, slots=True)
class _Axis:
    """A logarithmic axis with a place for concentration zero, left of a break."""

    low: float
    high: float
    unit: str

    @property
    def decades(self) -> float:
        return max(float(np.log10(self.high / self.low)), 0.5)

    def beyond(self, share: float) -> float:
        """Return the place a share of the tested range left (negative) or right of it."""
        end = self.high if share > 0 else self.low
        return float(end * 10 ** (share * self.decades))

    @property
    def zero(self) -> float:
        return self.beyond(-0.14)

    @property
    def limits(self) -> tuple[float, float]:
        return self.beyond(-0.2), self.beyond(0.06)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Zero, and those of the tested range."""
        return [(self.zero, "0"), *log_ticks(self.low * 0.9, self.beyond(0.05))]


def dose_response(
    responses: pd.DataFrame,
    points: pd.DataFrame,
    curves: pd.DataFrame,
    compound: str,
    readout: str | None = None,
    *,
    truth: pd.DataFrame | None = None,
) -> hv.Overlay:
    """Draw the response to one compound: replicate wells, curve, 95 % band and EC50 with its interval.

    The negative controls of the compound's plates stand at concentration 0, left of the axis break. A readout without
    effect is drawn by its points alone. The concentration axis is logarithmic.

    Parameters
    ----------
    responses : pandas.DataFrame
        Fits, index ``compound, readout``.
    points, curves : pandas.DataFrame
        The fitted wells and the fitted curves, tidy.
    compound : str
        Which compound.
    readout : str, optional
        Which readout; by default all of them, each in its colour.
    truth : pandas.DataFrame, optional
        Known EC50s of a simulated plate (columns ``compound, ec50, concentration_unit``), marked by a triangle.

    Raises
    ------
    InputError
        If there is no such compound or readout, or none of its wells has a value.
    """
    colours = category_colours([str(name) for name in responses.index.get_level_values("readout")])
    wanted = list(colours) if readout is None else [readout]
    rows = {name: responses.loc[[(compound, name)]].iloc[0] for name in wanted if (compound, name) in responses.index}
    if not rows:
        raise InputError(
            f"there is no response of compound {compound!r}" + (f" in readout {readout!r}" if readout else "")
        )
    treated = points[(points["compound"] == compound) & (points["role"] != "negative_control")]
    axis = _axis(treated, compound, str(next(iter(rows.values()))["concentration_unit"]))
    limits = _value_limits(points[points["readout"].isin(list(rows))]["value"])
    layers: list[Any] = []
    for name, row in sorted(rows.items(), key=lambda item: item[1]["category"] in EFFECTS):
        layers += _readout(row, _series(points, treated, name, axis), curves, colours[name], alone=len(rows) == 1)
    layers += [mark for name, row in rows.items() for mark in _ec50(row, axis, colours[name])]
    layers += _true_ec50(truth, compound, axis, limits[1] - 0.035 * (limits[1] - limits[0]))
    title = compound if readout is None else f"{compound} · {readout} · {rows[readout]['category']}"
    return style(
        hv.Overlay(layers),
        title=title,
        width=460,
        height=320,
        logx=True,
        xlim=axis.limits,
        ylim=limits,
        xticks=axis.ticks,
        xlabel=f"concentration ({format_unit(axis.unit)})",
        ylabel="response" if readout is None else readout,
        legend_position="bottom",
        show_legend=readout is None,
        gridstyle={"xgrid_line_color": None, "ygrid_line_color": "#e6e9ec"},
        show_grid=True,
        hooks=[_axis_break(axis)],
    )


def _axis(treated: pd.DataFrame, compound: str, unit: str) -> _Axis:
    tested = treated["concentration"][treated["concentration"] > 0]
    if tested.empty:
        raise InputError(f"no well with a concentration of {compound!r} has a value; there is nothing to draw")
    return _Axis(float(tested.min()), float(tested.max()), unit)


def _series(points: pd.DataFrame, treated: pd.DataFrame, readout: str, axis: _Axis) -> pd.DataFrame:
    """Return the wells of a readout with their place on the axis: the treated, and the controls of their plates."""
    own = treated[treated["readout"] == readout]
    place = own["concentration"].where(own["concentration"] > 0, axis.zero)
    controls = points[
        (points["readout"] == readout)
        & (points["role"] == "negative_control")
        & points["plate"].isin(treated["plate"].unique())
    ]
    # Many controls share one concentration: spread them over a narrow strip, so that each can be seen.
    spread = np.linspace(-0.025, 0.025, len(controls)) * axis.decades
    table = pd.concat([own.assign(x=place), controls.assign(x=axis.zero * 10**spread)])
    dose = [format_concentration(value, axis.unit) for value in table["concentration"]]
    return table.assign(dose=dose, text=[format_number(value) for value in table["value"]])


def _readout(row: pd.Series[Any], wells: pd.DataFrame, curves: pd.DataFrame, colour: str, *, alone: bool) -> list[Any]:
    compound, readout = cast("tuple[str, str]", row.name)
    label = f"{readout}: {format_ec50(row) if row['category'] in EFFECTS else 'no effect'}"
    quiet = row["category"] not in EFFECTS and not alone
    scatter = hv.Scatter(wells, "x", ["value", "well", "plate", "dose", "text"], label=label).opts(
        backend="bokeh",
        color=colour,
        size=5 if quiet else 6.5,
        fill_alpha=0.2 if quiet else 0.65,
        line_alpha=0.4 if quiet else 1,
        tools=["hover"],
        hover_tooltips=[("well", "@plate @well"), ("concentration", "@dose"), (readout, "@text")],
    )
    if row["category"] not in EFFECTS:
        return [scatter]
    curve = curves[(curves["compound"] == compound) & (curves["readout"] == readout)]
    band = hv.Area(curve, "concentration", ["low", "high"]).opts(
        backend="bokeh", color=colour, fill_alpha=0.14, line_alpha=0
    )
    line = hv.Curve(curve, "concentration", "value", label=label).opts(backend="bokeh", color=colour, line_width=2)
    return [band, line, scatter]


def _ec50(row: pd.Series[Any], axis: _Axis, colour: str) -> list[Any]:
    """Draw a line at the EC50 and, across it at half the effect, the interval; nothing where it is not known."""
    left, right = axis.limits
    if row["category"] not in ("active", "partial") or not left < row["ec50"] < right:
        return []
    half = (row["bottom"] + row["top"]) / 2
    low, high = max(row["ec50_low"], left), min(row["ec50_high"], right)
    drop = hv.VLines([row["ec50"]]).opts(
        backend="bokeh", color=colour, line_dash="dashed", line_width=1.2, line_alpha=0.7
    )
    interval = hv.Segments([(low, half, high, half)]).opts(backend="bokeh", color=colour, line_width=4, line_alpha=0.55)
    centre = hv.Points([(row["ec50"], half)]).opts(
        backend="bokeh", marker="diamond", size=12, fill_color="white", line_color=colour, line_width=2
    )
    return [drop, interval, centre]


def _true_ec50(truth: pd.DataFrame | None, compound: str, axis: _Axis, top: float) -> list[Any]:
    if truth is None:
        return []
    known = truth[(truth["compound"] == compound) & truth["ec50"].notna()]
    places = [convert(row["ec50"], row["concentration_unit"], axis.unit) for _, row in known.iterrows()]
    left, right = axis.limits
    marks = [(place, top) for place in dict.fromkeys(places) if left < place < right]
    return [
        hv.Points(marks, label="true EC50").opts(
            backend="bokeh", marker="inverted_triangle", size=11, color=INK, line_color="white"
        )
    ]


def _value_limits(values: pd.Series[Any]) -> tuple[float, float]:
    """Return the ends of the value axis: those of a probability if all values could be one."""
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return -0.05, 1.08
    room = 0.08 * (high - low or 1.0)
    return low - room, high + room


def _axis_break(axis: _Axis) -> Any:
    """Return a hook that marks, on the axis, where the scale stops being logarithmic."""
    place = float(np.sqrt(axis.zero * axis.beyond(-0.02)))

    def hook(plot: Any, _element: Any) -> None:
        plot.state.add_layout(
            Label(
                x=place,
                y=0,
                y_units="screen",
                text="//",
                text_color=MUTED,
                text_font_size="11pt",
                text_align="center",
                text_baseline="middle",
                background_fill_color="white",
                level="overlay",
            )
        )

    return hook
