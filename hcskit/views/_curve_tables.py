"""What is drawn of responses, as tables: one a layer of the plot, in one unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hcskit.response import EFFECTS, lead_readouts
from hcskit.units import convert
from hcskit.views._style import PALETTE, base_unit, format_si

__all__ = ["WELL", "CurveTables", "Key", "curve_tables", "most_potent", "response_label"]

#: Compound and readout.
Key = tuple[str, str]
#: Columns of the wells that are drawn.
WELL = ["x", "value", "colour", "marker", "compound", "well", "plate", "dose"]
#: Colours are numbers, places in the palette; that of the controls stands after it.
_GREY = len(PALETTE)
_MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "hex")
_TRUTH_MARK = 0.965  # of the height of the plot


@dataclass(frozen=True)
class CurveTables:
    """What is drawn of some responses. Concentrations are in `base`, and each row has a colour.

    Attributes
    ----------
    base : str
        Unit of all concentrations: M or g/L.
    low, high : float
        Ends of the tested range.
    limits : tuple of float
        Ends of the axis of the response.
    layers : dict
        Rows by layer: ``bands``, ``lines``, ``networks``, ``bars``, ``ends``, ``ec50``, ``truth``.
    wells, masked : pandas.DataFrame
        Columns `WELL`; the wells hold the negative controls too.
    """

    base: str
    low: float
    high: float
    limits: tuple[float, float]
    layers: dict[str, list[Any]]
    wells: pd.DataFrame
    masked: pd.DataFrame

    def beyond(self, share: float) -> float:
        """Return the place a share of the tested range left (negative) or right of it."""
        end = self.high if share > 0 else self.low
        return float(end * 10 ** (share * max(float(np.log10(self.high / self.low)), 0.5)))


def response_label(points: pd.DataFrame, readouts: Sequence[str]) -> str:
    """Say what the axis of some readouts shows: the probability or the strength of a phenotype, or a statistic.

    Examples
    --------
    >>> points = pd.DataFrame({"readout": ["toxic"], "value": [0.2], "probability": [0.2]})
    >>> response_label(points, ["toxic"]), response_label(points.assign(value=1.1), ["toxic"])
    ('probability of toxic', 'strength of toxic')
    >>> response_label(points.drop(columns="probability"), ["toxic"])
    'toxic'
    """
    names = list(dict.fromkeys(readouts))
    measures = {_measure(points[points["readout"] == name]) for name in names}
    if len(names) == 1:
        return f"{measures.pop()} of {names[0]}".removeprefix(" of ")
    measure = measures.pop() if len(measures) == 1 else ""
    return f"{measure} of each phenotype" if measure else "readout of each compound"


def most_potent(responses: pd.DataFrame, most: int = 12) -> list[Key]:
    """Return the compounds with an effect, each with its lead readout: the most potent first.

    Parameters
    ----------
    responses : pandas.DataFrame
        Fits, index ``compound, readout``.
    most : int
        How many at most.
    """
    keys = [(str(name), str(readout)) for name, readout in lead_readouts(responses).items()]
    rows = {key: responses.loc[[key]].iloc[0] for key in keys}
    seen = {key: row for key, row in rows.items() if row["category"] in EFFECTS}

    def potency(key: Key) -> float:
        row = seen[key]
        unit = str(row["concentration_unit"])
        place = row["ec50"] if np.isfinite(row["ec50"]) else row["tested_high"]
        return convert(float(place), unit, base_unit(unit))

    return sorted(seen, key=potency)[:most]


def _measure(rows: pd.DataFrame) -> str:
    if "probability" not in rows or rows["probability"].isna().all():
        return ""
    known = rows.dropna(subset=["value", "probability"])
    return "probability" if np.allclose(known["value"], known["probability"]) else "strength"


def curve_tables(
    responses: pd.DataFrame,
    points: pd.DataFrame,
    curves: pd.DataFrame,
    colours: Mapping[Key, int],
    *,
    masked: pd.DataFrame | None = None,
    truth: pd.DataFrame | None = None,
    networks: bool = False,
    effective: pd.DataFrame | None = None,
) -> CurveTables:
    """Gather what is drawn of some responses; those whose unit cannot be compared with the first's are left out."""
    rows = {key: responses.loc[[key]].iloc[0] for key in colours if key in responses.index}
    units = {key: str(row["concentration_unit"]) for key, row in rows.items()}
    base = base_unit(next(iter(units.values()), "M"))
    rows = {key: row for key, row in rows.items() if base_unit(units[key]) == base}
    series = [_Series(key, row, convert(1.0, units[key], base), colours[key]) for key, row in rows.items()]
    low, high = _tested([one.tested for one in series])
    marks = _markers(points)
    wells = pd.concat([*(one.wells(points, base, marks) for one in series), _controls(points, list(rows), low, high)])
    hidden = [] if masked is None else [one.wells(masked, base, marks) for one in series]
    crossed = pd.concat(hidden) if hidden else wells.iloc[:0]
    limits = _limits(pd.concat([wells["value"], crossed["value"]]))
    bottom, top = limits
    layers: dict[str, list[Any]] = {
        "bands": [band for one in series for band in one.band(curves)],
        "lines": [line for one in series for line in one.line(curves)],
        "networks": [line for one in series for line in one.networks(points)] if networks else [],
        "bars": [(one.tested[0], bottom, one.tested[1], bottom, one.colour) for one in series],
        "ends": [end for one in series for end in [*one.interval(), *one.further_intervals(effective)]],
        "ec50": [place for one in series for place in [*one.ec50(), *one.further_places(effective)]],
        "truth": _true_places(truth, list(rows), base, bottom + _TRUTH_MARK * (top - bottom)),
    }
    return CurveTables(base, low, high, limits, layers, wells, crossed)


@dataclass(frozen=True)
class _Series:
    """One compound and readout, its row of the responses, the factor to the base unit, and its colour."""

    key: Key
    row: pd.Series[Any]
    factor: float
    colour: int

    @property
    def tested(self) -> tuple[float, float]:
        return float(self.row["tested_low"]) * self.factor, float(self.row["tested_high"]) * self.factor

    @property
    def _half(self) -> float:
        return float((self.row["bottom"] + self.row["top"]) / 2)

    def wells(self, points: pd.DataFrame, base: str, marks: dict[str, str]) -> pd.DataFrame:
        own = self._own(points)
        own = own[(own["role"] != "negative_control") & (own["concentration"] > 0)]
        x = own["concentration"] * self.factor
        dose = [format_si(value, base) for value in x]
        return own.assign(x=x, colour=self.colour, marker=own["plate"].map(marks), dose=dose)[WELL]

    def band(self, curves: pd.DataFrame) -> list[dict[str, Any]]:
        curve = self._curve(curves)
        x = curve["concentration"].to_numpy() * self.factor
        y = np.concatenate([curve["low"], curve["high"][::-1], curve["low"][:1]])
        return [{"x": np.concatenate([x, x[::-1], x[:1]]), "y": y, "colour": self.colour}] if len(curve) else []

    def line(self, curves: pd.DataFrame) -> list[dict[str, Any]]:
        curve = self._curve(curves)
        x = curve["concentration"].to_numpy() * self.factor
        return [{"x": x, "y": curve["value"].to_numpy(), "colour": self.colour}] if len(curve) else []

    def networks(self, points: pd.DataFrame) -> list[dict[str, Any]]:
        """Return what each network of an ensemble reads: the mean at each concentration."""
        own = self._own(points)
        own = own[(own["role"] != "negative_control") & (own["concentration"] > 0)]
        means = own.groupby("concentration")[[name for name in own if str(name).startswith("network_")]].mean()
        x = means.index.to_numpy(dtype=float) * self.factor
        return [{"x": x, "y": means[name].to_numpy(), "colour": self.colour} for name in means if len(means) > 1]

    def ec50(self) -> list[tuple[float, float, int]]:
        place = float(self.row["ec50"]) * self.factor
        return [(place, self._half, self.colour)] if self._located else []

    def interval(self) -> list[tuple[float, float, float, float, int]]:
        """Return the interval of the EC50; it ends at the edges of the plot, at the latest."""
        return [self._end(self.row["ec50_low"], self.row["ec50_high"], self._half)] if self._located else []

    def further_places(self, effective: pd.DataFrame | None) -> list[tuple[float, float, int]]:
        """Return where the curve has gone another share of its way than half."""
        found = self._effective(effective).to_dict("records")
        return [(row["concentration"] * self.factor, row["response"], self.colour) for row in found]

    def further_intervals(self, effective: pd.DataFrame | None) -> list[tuple[float, float, float, float, int]]:
        found = self._effective(effective).to_dict("records")
        return [self._end(row["low"], row["high"], row["response"]) for row in found]

    def _effective(self, effective: pd.DataFrame | None) -> pd.DataFrame:
        if effective is None or self.key not in effective.index:
            return pd.DataFrame()
        return effective.loc[[self.key]].iloc[:1].dropna(subset=["concentration"])

    def _end(self, low: float, high: float, height: float) -> tuple[float, float, float, float, int]:
        edges = self.tested[0] / 3, self.tested[1] * 3
        return max(low * self.factor, edges[0]), height, min(high * self.factor, edges[1]), height, self.colour

    @property
    def _located(self) -> bool:
        return self.row["category"] in ("active", "partial") and bool(np.isfinite(self.row["ec50"]))

    def _own(self, table: pd.DataFrame) -> pd.DataFrame:
        return table[(table["compound"] == self.key[0]) & (table["readout"] == self.key[1])]

    def _curve(self, curves: pd.DataFrame) -> pd.DataFrame:
        return self._own(curves) if self.row["category"] in EFFECTS else curves.iloc[:0]


def _markers(points: pd.DataFrame) -> dict[str, str]:
    """Give each plate a marker."""
    return {plate: _MARKERS[place % len(_MARKERS)] for place, plate in enumerate(sorted(points["plate"].unique()))}


def _controls(points: pd.DataFrame, known: list[Key], low: float, high: float) -> pd.DataFrame:
    """Return the negative controls of the plates of what is chosen, in a narrow strip, so that each can be seen."""
    treated = points["compound"].isin([compound for compound, _ in known])
    rows = points[
        (points["role"] == "negative_control")
        & points["plate"].isin(points["plate"][treated].unique())
        & points["readout"].isin([readout for _, readout in known])
    ]
    spread = np.linspace(-0.165, -0.115, len(rows)) * max(float(np.log10(high / low)), 0.5)
    grey: dict[str, Any] = {"colour": _GREY, "marker": "circle", "compound": "negative control", "dose": "0"}
    return rows.assign(x=low * 10**spread, **grey)[WELL]


def _true_places(truth: pd.DataFrame | None, known: list[Key], base: str, height: float) -> list[tuple[float, float]]:
    if truth is None:
        return []
    rows = truth[truth["compound"].isin([compound for compound, _ in known]) & truth["ec50"].notna()]
    places = [convert(row["ec50"], row["concentration_unit"], base) for _, row in rows.iterrows()]
    return [(float(place), height) for place in dict.fromkeys(places)]


def _tested(ranges: list[tuple[float, float]]) -> tuple[float, float]:
    lows, highs = [one[0] for one in ranges if one[0] > 0], [one[1] for one in ranges if one[1] > 0]
    if not (lows and highs):
        return 1e-9, 1e-6
    low, high = min(lows), max(highs)
    return (low, high) if high > 1.5 * low else (low / 3, high * 3)


def _limits(values: pd.Series[Any]) -> tuple[float, float]:
    if not values.notna().any():
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if low >= -0.05 and high <= 1.05:  # probabilities are seen on their whole scale
        low, high = min(low, 0.0), max(high, 1.0)
    room = 0.06 * (high - low or 1.0)
    return low - room, high + room
