"""The cells of the selected wells, along rising concentration, beside pinned controls."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
import xarray as xr

from hcskit.app._content import Content
from hcskit.app._corrected import corrected
from hcskit.app._figures import notice
from hcskit.app._panes import followed
from hcskit.app._saliency import Found, Maps, explained
from hcskit.app._selection import Selection, known
from hcskit.plate import column_name, parse_well, row_name
from hcskit.results import ILLUMINATION, PLATES, PREDICTIONS
from hcskit.screen import max_projection
from hcskit.store import plate_path
from hcskit.units import convert
from hcskit.views import base_unit, field_rgb, format_number, format_si, jpeg, overlay_saliency

__all__ = ["cell_pane", "level_for", "tile"]

_MOST = 24  # wells that are shown at once
_SIZES = {"small": 110, "medium": 190, "large": 380, "full resolution": 0}
_CONTROLS = ("negative_control", "positive_control")

Place = tuple[str, str]


def cell_pane(content: Content, selection: Selection) -> pn.viewable.Viewable:
    """Return the images with the choice of channels and contrast. Only what is shown is read."""
    lacking = content.lacking(PLATES)
    if lacking:
        return notice(lacking)
    names = [str(name) for name in next(iter(content.plates.values()))["channel"].to_numpy()]
    channels = pn.widgets.CheckButtonGroup(label="Channels", options=names, color="default")
    channels.value = known(selection.channels, names) or names
    size = pn.widgets.Select(label="", options=list(_SIZES), value="medium", width=110)
    sliders = {name: _slider(content, selection, name) for name in names}
    channels.link(selection, value="channels")
    for name, slider in sliders.items():
        slider.param.watch(lambda event, name=name: _set_contrast(selection, name, event.new), "value_throttled")
    maps = Maps(content)
    light = pn.widgets.Checkbox.from_param(selection.param.corrected, label="even light", align="center")
    light.disabled = bool(content.lacking(ILLUMINATION))
    explain = pn.widgets.Select(label="", options={"no saliency": ""}, width=150)
    explain.options |= {f"saliency: {name}": name for name in explained(content) or _phenotypes(content)}
    explain.value = next(iter(known([selection.explain], explain.options.values())), "")
    explain.link(selection, value="explain")
    images = followed(
        lambda: _page(content, selection, _SIZES[size.value], maps),
        selection,
        ["wells", "compounds", "channels", "contrast", "plate", "corrected", "explain"],
        maps,
        size,
        sizing_mode="stretch_both",
        styles={"overflow": "auto"},
        min_height=250,
    )
    lock = pn.widgets.Checkbox(label="same contrast on all plates", value=bool(selection.contrast), align="center")
    lock.param.watch(lambda event: _lock(selection, sliders, on=event.new), "value")
    selection.param.watch(lambda _: lock.param.update(value=bool(selection.contrast)), "contrast")
    controls = pn.FlexBox(channels, size, *sliders.values(), lock, light, explain, align_items="center")
    napari = followed(
        lambda: _napari(content, selection), selection, ["wells", "compounds", "plate"], sizing_mode="stretch_width"
    )
    return pn.Column(controls, images, napari, sizing_mode="stretch_both")


def _lock(selection: Selection, sliders: Mapping[str, pn.widgets.IntRangeSlider], *, on: bool) -> None:
    """Keep the contrast that is seen for all plates, or give each plate its own again."""
    if not on:
        selection.contrast = {}
    elif not selection.contrast:
        selection.contrast = {name: list(slider.value) for name, slider in sliders.items()}


def _napari(content: Content, selection: Selection) -> str:
    """Return the command that opens the first well that is shown in napari."""
    wells = content.wells(selection)
    if not wells:
        return ""
    plate, well = wells[0]
    place = parse_well(well)
    folder = plate_path(content.folder, plate).resolve() / row_name(place.row) / column_name(place.column)
    command = f"napari --plugin napari-ome-zarr {shlex.quote(str(folder))}"
    return f"<p class='hint'>In napari: <code>{escape(command)}</code></p>"


def _slider(content: Content, selection: Selection, channel: str) -> pn.widgets.IntRangeSlider:
    """Return the contrast of a channel, for all plates: the same brightness means the same in each image."""
    low, high = content.limits(content.plate(selection)).get(channel, (0.0, 1.0))
    end = max(2, round(high * 2))
    given = _ends(selection.contrast.get(channel)) or (low, high)
    chosen = tuple(int(np.clip(value, 0, end)) for value in given)
    return pn.widgets.IntRangeSlider(label=channel, start=0, end=end, value=chosen, width=150)


def _set_contrast(selection: Selection, channel: str, ends: tuple[int, int]) -> None:
    selection.contrast = {**selection.contrast, channel: list(ends)}


def _ends(given: Any) -> tuple[float, float] | None:
    """Return two numbers, rising; an address may hold anything."""
    try:
        low, high = (float(value) for value in given)
    except (TypeError, ValueError):
        return None
    return (low, high) if np.isfinite([low, high]).all() and low < high else None


def _page(content: Content, selection: Selection, edge: int, maps: Maps) -> str:
    wells = content.wells(selection)
    if not wells:
        return "<p class='hint'>Select a well on the plate, or a compound, to see its cells.</p>"
    wells = _rising(content, wells)
    pinned = [place for role in _CONTROLS for place in _control(content, wells[0][0], role) if place not in wells]
    left_out = len(wells) - _MOST
    places = [*pinned, *wells[:_MOST]]
    fields = {place: _fields(content, place) for place in places}
    found = maps.of([(*place, field) for place in places for field in fields[place]], selection.explain)
    columns = [
        _column(content, selection, place, fields[place], edge, found, pinned=place in pinned) for place in places
    ]
    said = f"<p class='notice'>{escape(found.said)}</p>" if found.said else ""
    more = said + (f"<p class='hint'>{left_out} more wells are not shown.</p>" if left_out > 0 else "")
    return f"{more}<div class='strip'>{''.join(columns)}</div>"


def _rising(content: Content, wells: list[Place]) -> list[Place]:
    """Return wells by compound and rising concentration."""

    def order(place: Place) -> tuple[str, float, Place]:
        treatment = _treatment(content, place)
        return str(treatment.get("compound", "")), float(treatment.get("molar", np.nan)), place

    return sorted(wells, key=order)


def _control(content: Content, plate: str, role: str) -> list[Place]:
    wells = content.treatments.loc[[plate]]
    return list(wells.index[(wells["role"] == role) & wells["imaged"]][:1])


def _treatment(content: Content, place: Place) -> Mapping[str, Any]:
    told = content.of_wells[place]
    if pd.isna(told["role"]):
        return {}
    unit = "" if pd.isna(told["concentration_unit"]) else str(told["concentration_unit"])
    if told["role"] != "treatment" or not unit:
        return {**told, "molar": -1.0, "dose": str(told["role"]).replace("_", " ")}
    value = convert(float(told["concentration"]), unit, base_unit(unit))
    return {**told, "molar": value, "dose": format_si(value, base_unit(unit))}


def _fields(content: Content, place: Place) -> list[int]:
    """Return the fields of a well that have an image."""
    present = content.plates[place[0]]["present"].sel(well=place[1])
    present = present.any([dim for dim in present.dims if dim != "field"])
    return [int(field) for field in present["field"].to_numpy()[present.to_numpy()]]


def _column(
    content: Content, selection: Selection, place: Place, fields: list[int], edge: int, found: Found, *, pinned: bool
) -> str:
    """Return a well: what it received, its fields, and what was read from it."""
    name, well = place
    treatment = _treatment(content, place)
    compound = str(treatment.get("compound") or "")
    head = f"<b>{escape(str(treatment.get('dose', '')))}</b> {escape(name)} {well}"
    level = level_for(content.plates[name], edge)
    tiles = [
        tile(content, selection, level, place, field, edge, found.map_of((*place, field)), found.limit)
        for field in fields
    ]
    told = _readings(content, place, selection)
    return (
        f"<figure class='{'pinned' if pinned else 'well'}'><figcaption title='{escape(compound, quote=True)}'>{head}"
        f"</figcaption>{''.join(tiles) or '<p class=hint>no image was acquired</p>'}<small>{told}</small></figure>"
    )


def level_for(plate: xr.Dataset, edge: int) -> int:
    """Return the level of the pyramid whose images are just larger than they are shown."""
    larger = max(plate.sizes["y"], plate.sizes["x"]) / edge if edge else 1.0
    return max(0, int(np.floor(np.log2(max(larger, 1.0)))))


def tile(
    content: Content,
    selection: Selection,
    level: int,
    place: Place,
    field: int,
    edge: int,
    saliency: xr.DataArray | None = None,
    limit: float = 1.0,
) -> str:
    """Return the image of a field as HTML; `edge`, its longest in pixels, is 0 for all there are."""
    plate = content.level(level)[place[0]]
    one = plate.sel(well=[place[1]], field=[field])
    if "time" in one.dims:
        one = one.isel(time=-1)
    limits = content.limits(place[0])
    shown = known(selection.channels, limits) or list(limits)
    ends = {name: _ends(selection.contrast.get(name)) or limits[name] for name in shown}
    try:
        one = max_projection(one)
        if selection.corrected:
            one, ends = corrected(content, one, ends)
        if saliency is None:
            pixels = field_rgb(one, place[1], field, ends, edge=edge or None)
        else:
            pixels = overlay_saliency(one, saliency, limit=limit, limits=ends, edge=edge or None)
    except OSError as error:
        return f"<p class='hint'>{escape(str(error))}</p>"
    source = base64.b64encode(jpeg(pixels)).decode()
    about = f"{' and '.join(shown)} of well {place[1]}, field {field}"
    about += f"; orange speaks for {selection.explain}, blue against it" if saliency is not None else ""
    return (
        f"<img tabindex='0' alt='{escape(about, quote=True)}' title='field {field}' "
        f"width={pixels.shape[1]} height={pixels.shape[0]} src='data:image/jpeg;base64,{source}'>"
    )


def _phenotypes(content: Content) -> list[str]:
    """Return what was predicted, so that what is missing to explain it is told when it is asked for."""
    if content.lacking(PREDICTIONS):
        return []
    return [str(name) for name in content.table(PREDICTIONS).index.get_level_values("phenotype").unique()]


def _readings(content: Content, place: Place, selection: Selection) -> str:
    if content.lacking(PREDICTIONS):
        return ""
    table = content.table(PREDICTIONS)
    try:
        rows = table.xs(place, level=("plate", "well"))
    except KeyError:
        return ""
    assert isinstance(rows, pd.DataFrame)  # noqa: S101 - the phenotypes of the well
    wanted = [readout for _, readout in content.fits(selection)] or list(rows.index)
    names = [name for name in dict.fromkeys(wanted) if name in rows.index][:3]
    return "<br>".join(told_of_prediction(str(name), rows.loc[[name]].iloc[0]) for name in names)


def told_of_prediction(phenotype: str, row: pd.Series[Any]) -> str:
    """Say the probability of a phenotype in a well, and how far the networks of an ensemble differ in it.

    Examples
    --------
    >>> told_of_prediction("toxic", pd.Series({"probability": 0.5, "sd": 0.2, "network_1": 0.4, "network_2": 0.6}))
    'toxic 0.5 ± 0.2 · networks ± 0.14'
    """
    probability, spread = (format_number(float(row[name]), 2) for name in ("probability", "sd"))
    networks = row[[name for name in row.index if str(name).startswith("network_")]].astype(float)
    between = f" · networks ± {format_number(float(networks.std()), 2)}" if len(networks) > 1 else ""
    return f"{escape(phenotype)} {probability} ± {spread}{between}"
