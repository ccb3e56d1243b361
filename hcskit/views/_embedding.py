"""Wells as points of a map: those with alike profiles lie beside one another."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd

from hcskit.errors import InputError
from hcskit.views._style import COLOUR_BAR, INK, MUTED, PALETTE, format_number, style

__all__ = ["principal_components", "profile_map"]

_FEWEST = 3  # wells that make a map
_MOST_NAMES = len(PALETTE) - 1  # further ones share the last colour
_SIZE = {"width": 460, "height": 320, "show_grid": False}


def principal_components(profiles: pd.DataFrame) -> tuple[pd.DataFrame, tuple[float, float]]:
    """Return the first two principal components of wells, and the share of the variance of each.

    Each feature counts alike: it is centred and divided by its standard deviation; one that never changes is left out,
    and so is a well that lacks one (Jolliffe, *Principal Component Analysis*, 2002, section 2.3).

    Parameters
    ----------
    profiles : pandas.DataFrame
        Index ``plate, well``; one column a feature.

    Returns
    -------
    components : pandas.DataFrame
        Columns ``first, second``, index of `profiles`; the sign is such that the largest loading is positive.
    shares : tuple of float

    Raises
    ------
    InputError
        If fewer than three wells have all features, or no feature changes.
    """
    numbers = profiles.select_dtypes("number").dropna()
    values = numbers.to_numpy(float)
    spread = values.std(axis=0) if len(values) else np.zeros(values.shape[1])
    values = values[:, spread > 0]
    if len(values) < _FEWEST or not values.shape[1]:
        raise InputError(
            f"found {len(values)} wells with all features, of which {values.shape[1]} change; expected three wells or "
            "more and a feature that changes"
        )
    values = (values - values.mean(axis=0)) / spread[spread > 0]
    left, size, right = np.linalg.svd(values, full_matrices=False)
    two = np.zeros((len(values), 2))
    count = min(2, len(size))
    sign = np.sign(right[:count][np.arange(count), np.abs(right[:count]).argmax(axis=1)])
    two[:, :count] = left[:, :count] * size[:count] * sign
    shares = np.zeros(2)
    shares[:count] = size[:count] ** 2 / (size**2).sum()
    table = pd.DataFrame(two, columns=["first", "second"], index=numbers.index)
    return table, (float(shares[0]), float(shares[1]))


def profile_map(profiles: pd.DataFrame, colours: pd.Series[Any], *, label: str = "") -> hv.Overlay:
    """Draw the principal components of wells, coloured by what is known of them.

    Parameters
    ----------
    profiles : pandas.DataFrame
        As `principal_components` takes them.
    colours : pandas.Series
        Of each well (index ``plate, well``) a number, or a name; a well that it lacks is grey. Names have the colours
        of the palette, the most frequent first; the rarest share the last.
    label : str
        What the colours show.
    """
    components, shares = principal_components(profiles)
    table = components.reset_index().astype({"plate": str, "well": str})
    known = colours[~colours.index.duplicated()].reindex(components.index)
    share_names = [
        f"{place} principal component ({share:.0%})" for place, share in zip(("1st", "2nd"), shares, strict=True)
    ]
    more = {"xlabel": share_names[0], "ylabel": share_names[1], "title": "", **_SIZE}
    if pd.api.types.is_numeric_dtype(known):
        table = table.assign(value=known.to_numpy(float), told=[format_number(value) for value in known])
        points = hv.Points(table, ["first", "second"], ["value", "plate", "well", "told"])
        colour = {"color": "value", "cmap": "viridis", "colorbar": True, "colorbar_opts": COLOUR_BAR, "clabel": label}
        return style(hv.Overlay([points.opts(backend="bokeh", **_points(label), **colour)]), show_legend=False, **more)
    names = known.astype("string").fillna("").to_numpy(str)
    groups = _groups(names)
    layers = []
    for place, (group, members) in enumerate(groups.items()):
        rows = table[np.isin(names, members)].assign(told=names[np.isin(names, members)])
        colour = {"color": MUTED if group in ("", "others") else PALETTE[place % len(PALETTE)]}
        own = hv.Points(rows, ["first", "second"], ["plate", "well", "told"], label=group or "none")
        layers.append(own.opts(backend="bokeh", **_points(label), **colour))
    return style(hv.Overlay(layers), legend_position="right", **more)


def _groups(names: Any) -> dict[str, list[str]]:
    """Return names by the name of their colour: the most frequent have their own."""
    counted = [str(name) for name in pd.Series(names).value_counts().index]
    own = counted if len(counted) <= _MOST_NAMES + 1 else counted[:_MOST_NAMES]
    rest = [name for name in counted if name not in own]
    return {name: [name] for name in own} | ({"others": rest} if rest else {})


def _points(label: str) -> dict[str, Any]:
    return {
        "size": 7,
        "fill_alpha": 0.7,
        "line_alpha": 0,
        "nonselection_alpha": 0.7,
        "selection_line_color": INK,
        "tools": ["hover"],
        "hover_tooltips": [("well", "@plate @well"), (label or "is", "@told")],
    }
