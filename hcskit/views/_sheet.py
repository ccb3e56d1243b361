"""One page a compound for the lab notebook: its curve, its numbers, its cells, and what was taken out."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import holoviews as hv
import pandas as pd
import xarray as xr
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from hcskit.errors import InputError
from hcskit.response import EFFECTS
from hcskit.screen import max_projection
from hcskit.views._curves import response_drawing
from hcskit.views._images import contrast_limits, field_rgb, scale_bar
from hcskit.views._montage import concentration_series
from hcskit.views._still import still_look
from hcskit.views._still_axes import draw_figure
from hcskit.views._style import INK, MUTED, PALETTE, format_ec50, format_number

__all__ = ["compound_sheets"]

_A4 = (8.27, 11.69)  # inches
_LEFT, _RIGHT = 0.09, 0.95
_ACROSS, _MOST_TILES = 6, 12
_CROP_UM, _CROP = 200.0, 320  # what is shown of a field: micrometres, or pixels where their size is not known
_LINE = 0.0165  # of the height of the page
_COLUMNS = {"readout": 0.0, "category": 0.24, "EC50 (95 % interval)": 0.42, "slope": 0.70, "R²": 0.78, "wells": 0.85}


def compound_sheets(
    responses: pd.DataFrame,
    points: pd.DataFrame,
    curves: pd.DataFrame,
    compounds: Sequence[str],
    *,
    plates: Mapping[str, xr.Dataset] | None = None,
    masked: pd.DataFrame | None = None,
    masks: pd.DataFrame | None = None,
    notes: Mapping[str, str] | None = None,
    facts: Mapping[str, str] | None = None,
) -> bytes:
    """Write a PDF with one A4 page a compound.

    A page has the curves of all readouts, their EC50s with intervals, the cells along rising concentration beside a
    negative control, the wells that were masked, with the reason, and where all of it comes from.

    Parameters
    ----------
    responses, points, curves : pandas.DataFrame
        As `compare_responses` takes them.
    compounds : sequence of str
        Which compounds, in the order of the pages.
    plates : mapping, optional
        Plates by name; the first that has images of a compound is shown. Without them a page has no cells.
    masked : pandas.DataFrame, optional
        Wells that are not fitted, with the columns of `points`; drawn as crosses.
    masks : pandas.DataFrame, optional
        Index ``plate, well``; columns ``reason, who, when``: those of the compound's wells in `masked` are told.
    notes : mapping, optional
        What people wrote of a compound.
    facts : mapping, optional
        Told at the foot of each page, such as the run and its version.

    Returns
    -------
    bytes
        The file; the same input makes the same file.

    Raises
    ------
    InputError
        If there is no response of a compound.
    """
    known = set(responses.index.get_level_values("compound"))
    strange = [name for name in compounds if name not in known]
    if strange or not compounds:
        raise InputError(f"there is no response of compound {strange[0]!r}" if strange else "no compound is named")
    buffer = io.BytesIO()
    figure = None
    with still_look(), PdfPages(buffer, metadata={"CreationDate": None, "Title": ", ".join(compounds)}) as pdf:
        for name in compounds:
            page = Figure(figsize=_A4)
            _head(page, name, (notes or {}).get(name, ""))
            rows = responses[responses.index.get_level_values("compound") == name].droplevel("compound")
            keys = {
                (name, str(readout)): place % len(PALETTE)
                for place, readout in enumerate(rows.index.get_level_values("readout").unique())
            }
            drawing = response_drawing(responses, points, curves, keys, masked=masked)
            if figure is None:
                figure = hv.render(drawing.view(), backend="bokeh")
            drawing.swap(figure)
            draw_figure(figure, page.add_axes((_LEFT + 0.03, 0.56, 0.81, 0.28)))
            below = _readouts(page, rows, {readout: place for (_, readout), place in keys.items()})
            below = _masks(page, below, name, masked, masks)
            _cells(page, below, name, plates or {})
            _foot(page, facts or {})
            pdf.savefig(page)
    return buffer.getvalue()


def _head(page: Figure, name: str, note: str) -> None:
    title = textwrap.wrap(name, 62, max_lines=3, placeholder=" …") or [name]
    page.text(_LEFT, 0.955, "\n".join(title), fontsize=15, fontweight="bold", color=INK, va="top")
    if note:
        text = "\n".join(textwrap.wrap(note, 110, max_lines=2, placeholder=" …"))
        page.text(_LEFT, 0.885, text, fontsize=9, color=INK, va="top")


def _readouts(page: Figure, rows: pd.DataFrame, colours: Mapping[str, int]) -> float:
    """Write a line a readout; return where the next part begins."""
    top, width = 0.505, _RIGHT - _LEFT
    for title, share in _COLUMNS.items():
        page.text(_LEFT + share * width, top, title, fontsize=8, color=MUTED)
    for label, row in rows.iterrows():
        top -= _LINE
        parts = [str(part) for part in label] if isinstance(label, tuple) else [str(label)]  # a compound may be split
        seen = row["category"] in EFFECTS
        values = (
            textwrap.shorten(" ".join(parts), 30, placeholder="…"),
            str(row["category"]),
            format_ec50(row) if seen else "–",
            format_number(float(row["hill_slope"])) if seen else "–",
            format_number(float(row["r2"]), 2),
            f"{int(row['n_wells'])}",
        )
        for text, share in zip(values, _COLUMNS.values(), strict=True):
            ink = PALETTE[colours[parts[0]]] if share == 0 else INK
            page.text(
                _LEFT + share * width, top, text, fontsize=8.5, color=ink, fontweight="bold" if share == 0 else None
            )
        if top < 0.33:
            break
    return top - 1.5 * _LINE


def _masks(page: Figure, top: float, name: str, masked: pd.DataFrame | None, masks: pd.DataFrame | None) -> float:
    """Write which wells of the compound were taken out, by whom and why; return where the next part begins."""
    if masked is None or masks is None:
        return top
    own = masked[masked["compound"] == name].drop_duplicates(["plate", "well"])
    told = [(place, masks.loc[place]) for place in zip(own["plate"], own["well"], strict=True) if place in masks.index]
    for place, row in told[:4]:
        text = f"masked: {' '.join(place)}, {row['reason']} ({row['who']}, {str(row['when'])[:10]})"
        page.text(_LEFT, top, textwrap.shorten(text, 120, placeholder=" …"), fontsize=8, color=INK)
        top -= _LINE
    if len(told) > 4:
        page.text(_LEFT, top, f"and {len(told) - 4} more masked wells", fontsize=8, color=INK)
        top -= _LINE
    return top


def _cells(page: Figure, top: float, name: str, plates: Mapping[str, xr.Dataset]) -> None:
    """Draw the cells along rising concentration, of the first plate that has them."""
    found = next(((plate, tiles) for plate in plates.values() for tiles in [_tiles(plate, name)] if tiles), None)
    if found is None:
        page.text(_LEFT, top, "no usable image of this compound", fontsize=8, color=MUTED)
        return
    plate, tiles = found
    limits = contrast_limits(_flat(plate))
    micrometre = plate.attrs.get("pixel_size_um")
    crop = min(_CROP if micrometre is None else round(_CROP_UM / micrometre), plate.sizes["y"], plate.sizes["x"])
    bar = "" if micrometre is None else f"; an image is {crop * micrometre:.0f} µm wide"
    shown = tiles if len(tiles) <= _MOST_TILES else [*tiles[:1], *tiles[len(tiles) - _MOST_TILES + 1 :]]
    page.text(_LEFT, top, f"plate {plate.attrs['plate']}: {', '.join(limits)}{bar}", fontsize=8, color=MUTED)
    edge = (_RIGHT - _LEFT) / _ACROSS
    height = edge * _A4[0] / _A4[1] + 0.02
    for place, tile in enumerate(shown):
        left, bottom = _LEFT + place % _ACROSS * edge, top - 0.012 - (place // _ACROSS + 1) * height
        axes = page.add_axes((left, bottom, edge * 0.96, height - 0.022))
        one = max_projection(_last(plate.sel(well=[tile.well], field=[tile.field])))
        axes.imshow(field_rgb(one, tile.well, tile.field, limits, crop=crop, edge=_CROP))
        axes.set_title(f"{tile.label} · {tile.well}", fontsize=7, color=INK, pad=2)
        axes.set_axis_off()
        if place == 0 and micrometre is not None:
            _bar(axes, crop * micrometre)


def _bar(axes: Any, width: float) -> None:
    share = scale_bar(width) / width
    axes.plot([0.95 - share, 0.95], [0.05, 0.05], color="white", linewidth=2, transform=axes.transAxes)


def _tiles(plate: xr.Dataset, name: str) -> list[Any]:
    if "role" not in plate.coords:
        return []
    try:
        return concentration_series(_flat(plate), name)
    except InputError:
        return []


def _last(plate: xr.Dataset) -> xr.Dataset:
    """Return a plate at its last time point."""
    return plate.isel(time=-1) if "time" in plate.dims else plate


def _flat(plate: xr.Dataset) -> xr.Dataset:
    """Return a plate at its last time point and middle plane: what can be sampled without reading all of it."""
    last = _last(plate)
    return last.isel(z=last.sizes["z"] // 2) if "z" in last.dims else last


def _foot(page: Figure, facts: Mapping[str, str]) -> None:
    text = "   ".join(f"{name}: {value}" for name, value in facts.items())
    page.text(_LEFT, 0.03, "\n".join(textwrap.wrap(text, 125)), fontsize=7, color=MUTED)
