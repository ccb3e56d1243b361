"""Whether the images and the controls can be trusted."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import pandas as pd
import xarray as xr

from hcskit.views._style import COLOUR_BAR, format_number, style

__all__ = ["controls_table", "excluded_fields", "illumination_map", "judge_z_prime"]

#: Illumination is smooth: this many points along an edge show it.
_POINTS = 64
_ROUNDING = 1e-9  # of a standard deviation: a mean that is 0 but for this


def illumination_map(
    illumination: xr.Dataset, plate: str, channel: str, *, limits: tuple[float, float] | None = None
) -> hv.Image:
    """Draw the illumination of one channel: how bright each place of the field is, relative to the mean.

    Parameters
    ----------
    illumination : xarray.Dataset
        ``flat`` (plate, channel, y, x).
    plate, channel : str
        Whose illumination.
    limits : tuple of float, optional
        Ends of the colour scale; those of this illumination by default.
    """
    flat = illumination["flat"].sel(plate=plate, channel=channel)
    steps = {name: max(1, flat.sizes[name] // _POINTS) for name in ("y", "x")}
    values = np.asarray(flat.transpose("y", "x").isel({name: slice(None, None, step) for name, step in steps.items()}))
    image = hv.Image(values, bounds=(0, 0, 1, values.shape[0] / values.shape[1]), vdims=["brightness"])
    return style(
        image,
        title=channel,
        cmap="cividis",
        clim=limits or (float(values.min()), float(values.max())),
        colorbar=True,
        colorbar_opts=COLOUR_BAR,
        clabel="relative to the mean",
        xaxis=None,
        yaxis=None,
        frame_width=190,
        frame_height=round(190 * values.shape[0] / values.shape[1]),
        tools=["hover"],
        hover_tooltips=[("relative brightness", "@image{0.000}")],
    )


def judge_z_prime(value: float) -> str:
    """Say what a Z′-factor means (Zhang, Chung & Oldenburg, J. Biomol. Screen. 4:67, 1999).

    Examples
    --------
    >>> [judge_z_prime(value) for value in (0.7, 0.2, -1.0)]
    ['excellent', 'marginal', 'controls overlap']
    """
    if np.isnan(value):
        return "not available"
    return "excellent" if value >= 0.5 else "marginal" if value > 0 else "controls overlap"


def controls_table(controls: pd.DataFrame) -> pd.DataFrame:
    """Write the control statistics for reading: one row a plate and readout, with a judgement of the Z′-factor.

    Parameters
    ----------
    controls : pandas.DataFrame
        As `hcskit.assay.control_statistics` returns it.
    """

    def spread(row: pd.Series[float], side: str) -> str:
        mean, sd = row[f"{side}_mean"], row[f"{side}_sd"]
        mean = 0.0 if abs(mean) < _ROUNDING * sd else mean
        return f"{format_number(mean)} ± {format_number(sd, 2)} (n = {int(row[f'n_{side}'])})"

    rows = [
        {
            "plate": row["plate"],
            "readout": row["readout"],
            "Z′-factor": format_number(row["z_prime"]),
            "separation": judge_z_prime(row["z_prime"]),
            "robust Z′": format_number(row.get("robust_z_prime", np.nan)),
            "SSMD": format_number(row["ssmd"]),
            "negative controls": spread(row, "negative"),
            "positive controls": spread(row, "positive"),
            "deviating wells": row.get("deviating_wells", ""),
        }
        for _, row in controls.iterrows()
    ]
    return pd.DataFrame(rows)


def excluded_fields(quality: pd.DataFrame) -> pd.DataFrame:
    """List the fields that the quality step excluded, with the reason.

    Returns
    -------
    pandas.DataFrame
        Columns ``plate, well, field, reason``; one row a field.
    """
    rows = quality[quality["excluded"].astype(bool)].reset_index()
    reasons = rows.groupby(["plate", "well", "field"], sort=False)["reason"].agg(
        lambda texts: "; ".join(dict.fromkeys(text for text in texts if text))
    )
    return reasons.reset_index()
