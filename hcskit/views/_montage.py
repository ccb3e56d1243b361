"""Wells side by side: any, or the rising concentrations of a compound, with labels and a scale bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from hcskit.errors import InputError
from hcskit.plate import parse_well
from hcskit.screen import field_table
from hcskit.views._images import contrast_limits, field_rgb, scale_bar
from hcskit.views._style import format_concentration, style

__all__ = ["Tile", "concentration_series", "montage"]

_GAP = 6


@dataclass(frozen=True, slots=True)
class Tile:
    """One image of a series: the well shown, and what it received."""

    well: str
    field: int
    label: str
    role: str


def concentration_series(plate: xr.Dataset, compound: str) -> list[Tile]:
    """Choose one usable field for the negative control and for each concentration of a compound, rising.

    Parameters
    ----------
    plate : xarray.Dataset
        A plate with its plate map; fields that the quality step excluded are not taken.
    compound : str
        Which compound.

    Raises
    ------
    InputError
        If the plate has no usable field of the compound.
    """
    fields = field_table(plate)
    treated = fields[(fields["compound"] == compound) & (fields["role"] == "treatment")]
    if treated.empty:
        raise InputError(f"plate {plate.attrs['plate']}: no usable image of compound {compound!r}")
    doses = treated.sort_values("concentration", kind="stable").drop_duplicates("concentration")
    control = fields[fields["role"] == "negative_control"].head(1)
    return [
        Tile(str(row["well"]), int(row["field"]), _label(row), str(row["role"]))
        for _, row in pd.concat([control, doses]).iterrows()
    ]


def montage(
    plate: xr.Dataset,
    wells: str | Sequence[str] | None = None,
    *,
    compound: str | None = None,
    field: int | None = None,
    channels: Sequence[str] | None = None,
    columns: int = 6,
    edge: int = 256,
) -> hv.Overlay:
    """Show wells side by side in colour, with labels and, where the pixel size is known, a scale bar.

    The contrast is that of the whole plate, so that wells compare.

    Parameters
    ----------
    plate : xarray.Dataset
        The plate.
    wells : str or sequence of str, optional
        Names of wells, in the order to show.
    compound : str, optional
        In place of `wells`: a negative control, then the rising concentrations of this compound.
    field : int, optional
        Label of the field; by default the first that is usable in each well.
    channels : sequence of str, optional
        Channels to compose; all by default.
    columns : int
        Images in a row.
    edge : int
        Longest edge of one image, in pixels of the montage.

    Raises
    ------
    InputError
        If neither or both of `wells` and `compound` are given, or the plate has no such well, field or channel.
    """
    if (wells is None) == (compound is None):
        raise InputError("a montage shows either wells or the concentrations of one compound; give one of the two")
    if compound is not None:
        tiles = concentration_series(plate, compound)
    else:
        tiles = [_tile(plate, name, field) for name in ([wells] if isinstance(wells, str) else wells or [])]
    _check(plate, "channel", channels or [])
    limits = contrast_limits(plate, channels)
    images = [field_rgb(plate, tile.well, tile.field, limits, edge=edge) for tile in tiles]
    height, width = images[0].shape[:2]
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    canvas = np.full((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3), 255, dtype=np.uint8)
    corners = [(index // columns * (height + _GAP), index % columns * (width + _GAP)) for index in range(len(images))]
    for (top, left), image in zip(corners, images, strict=True):
        canvas[top : top + height, left : left + width] = image
    labels = [
        (left + 6, top + 6, f"{tile.well}  {tile.label}") for (top, left), tile in zip(corners, tiles, strict=True)
    ]
    micrometre = plate.attrs.get("pixel_size_um")
    bar = [] if micrometre is None else _bar(micrometre * plate.sizes["x"] / width, width, height)
    return _overlay(canvas, labels, bar)


def _overlay(canvas: npt.NDArray[np.uint8], labels: list[tuple[float, float, str]], bar: list[Any]) -> hv.Overlay:
    rows, columns = canvas.shape[:2]
    picture = hv.RGB(canvas[::-1], bounds=(0, rows, columns, 0))
    text = hv.Labels(labels, ["x", "y"], "label").opts(
        backend="bokeh",
        text_color="white",
        text_font_size="9pt",
        text_align="left",
        text_baseline="top",
        text_font_style="bold",
    )
    return style(
        hv.Overlay([picture, text, *bar]),
        xaxis=None,
        yaxis=None,
        xlim=(0, columns),
        ylim=(0, rows),
        invert_yaxis=True,
        frame_width=columns,
        frame_height=rows,
        show_legend=False,
    )


def _bar(micrometre: float, width: int, height: int) -> list[Any]:
    """Draw the scale bar in the first image; `micrometre` is the size of a shown pixel."""
    length = scale_bar(micrometre * width)
    right, base = width - 8, height - 10
    line = hv.Segments([(right - length / micrometre, base, right, base)]).opts(
        backend="bokeh", color="white", line_width=4
    )
    text = hv.Labels([(right, base - 5, f"{length:g} µm")], ["x", "y"], "length").opts(
        backend="bokeh", text_color="white", text_font_size="8pt", text_align="right", text_baseline="bottom"
    )
    return [line, text]


def _tile(plate: xr.Dataset, well: str, field: int | None) -> Tile:
    well = parse_well(well).name  # B2 is B02
    _check(plate, "well", [well])
    row = plate.sel(well=well)
    if field is None:
        usable = field_table(plate).query("well == @well")["field"]
        acquired = row["field"].to_numpy()[row["present"].any("channel").to_numpy()]
        if len(acquired) == 0:
            raise InputError(f"plate {plate.attrs['plate']}: no field of well {well} was acquired")
        field = int(usable.iloc[0] if len(usable) else acquired[0])
    _check(plate, "field", [field])
    known = "role" in plate.coords
    return Tile(well, field, _label(row) if known else "", str(row["role"].item()) if known else "")


def _label(row: Any) -> str:
    """Write a well's treatment: its concentration, or its role."""
    role, concentration, unit = (_item(row[name]) for name in ("role", "concentration", "concentration_unit"))
    if role == "treatment":
        return format_concentration(concentration, unit)
    return str(role).replace("_", " ")


def _item(value: Any) -> Any:
    return value.item() if isinstance(value, xr.DataArray) else value


def _check(plate: xr.Dataset, axis: str, wanted: Sequence[Any]) -> None:
    known = list(plate[axis].to_numpy())
    missing = [name for name in wanted if name not in known]
    if missing:
        raise InputError(
            f"plate {plate.attrs['plate']} has no {axis} {', '.join(map(str, missing))}; "
            f"it has {', '.join(map(str, known[:12]))}{' …' if len(known) > 12 else ''}"
        )
