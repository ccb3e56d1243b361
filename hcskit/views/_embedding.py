"""Wells as points of a map: those with alike profiles lie beside one another."""

from __future__ import annotations

from importlib import import_module, util
from typing import Any, Literal

import holoviews as hv
import numpy as np
import pandas as pd

from hcskit.errors import InputError
from hcskit.views._style import COLOUR_BAR, INK, MUTED, PALETTE, format_number, style

__all__ = ["has_umap", "neighbour_map", "principal_components", "profile_map"]

_FEWEST = 3  # wells that make a map
_NEIGHBOURS = 15  # of a well in UMAP, as its authors propose
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
    scaled = _scaled(profiles)
    values = scaled.to_numpy()
    left, size, right = np.linalg.svd(values, full_matrices=False)
    two = np.zeros((len(values), 2))
    count = min(2, len(size))
    sign = np.sign(right[:count][np.arange(count), np.abs(right[:count]).argmax(axis=1)])
    two[:, :count] = left[:, :count] * size[:count] * sign
    shares = np.zeros(2)
    shares[:count] = size[:count] ** 2 / (size**2).sum()
    table = pd.DataFrame(two, columns=["first", "second"], index=scaled.index)
    return table, (float(shares[0]), float(shares[1]))


def has_umap() -> bool:
    """Whether the package umap-learn is installed."""
    return util.find_spec("umap") is not None


def neighbour_map(profiles: pd.DataFrame) -> pd.DataFrame:
    """Return a map of wells in which neighbours stay neighbours (UMAP; McInnes et al., arXiv:1802.03426, 2018).

    The same profiles make the same map. Its distances between groups, and their sizes, mean nothing.

    Parameters
    ----------
    profiles : pandas.DataFrame
        As `principal_components` takes them, and scaled as it does.

    Returns
    -------
    pandas.DataFrame
        Columns ``first, second``, index of the wells that have all features.

    Raises
    ------
    InputError
        If umap-learn is not installed, or the profiles make no map.
    """
    if not has_umap():
        raise InputError("UMAP needs the package umap-learn: pip install umap-learn; until then, use the components")
    scaled = _scaled(profiles)
    umap = import_module("umap")  # optional, and seconds to load
    reducer = umap.UMAP(n_neighbors=min(_NEIGHBOURS, len(scaled) - 1), random_state=0, n_jobs=1, init="random")
    return pd.DataFrame(reducer.fit_transform(scaled.to_numpy()), columns=["first", "second"], index=scaled.index)


def _scaled(profiles: pd.DataFrame) -> pd.DataFrame:
    """Return the features that change of the wells that have all, each centred and of standard deviation 1."""
    numbers = profiles.select_dtypes("number").dropna()
    spread = numbers.std(ddof=0)
    values = numbers.loc[:, spread > 0]
    if len(values) < _FEWEST or not values.shape[1]:
        raise InputError(
            f"found {len(values)} wells with all features, of which {values.shape[1]} change; expected three wells or "
            "more and a feature that changes"
        )
    return (values - values.mean()) / spread[spread > 0]


def profile_map(
    profiles: pd.DataFrame,
    colours: pd.Series[Any],
    *,
    label: str = "",
    method: Literal["components", "umap"] = "components",
) -> hv.Overlay:
    """Draw a map of wells, coloured by what is known of them.

    Parameters
    ----------
    profiles : pandas.DataFrame
        As `principal_components` takes them.
    colours : pandas.Series
        Of each well (index ``plate, well``) a number, or a name; a well that it lacks is grey. Names have the colours
        of the palette, the most frequent first; the rarest share the last.
    label : str
        What the colours show.
    method : {"components", "umap"}
        The first two principal components, or `neighbour_map`.
    """
    components, axes = _places(profiles, method)
    table = components.reset_index().astype({"plate": str, "well": str})
    known = colours[~colours.index.duplicated()].reindex(components.index)
    more = {"xlabel": axes[0], "ylabel": axes[1], "title": "", **_SIZE}
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


def _places(profiles: pd.DataFrame, method: str) -> tuple[pd.DataFrame, tuple[str, str]]:
    """Return where wells stand, and what the axes are called."""
    if method == "umap":
        return neighbour_map(profiles), ("UMAP, 1st dimension", "UMAP, 2nd dimension")
    components, (first, second) = principal_components(profiles)
    return components, (f"1st principal component ({first:.0%})", f"2nd principal component ({second:.0%})")


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
