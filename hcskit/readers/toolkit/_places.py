"""Where the images of an index were taken: fields on the stage, planes of a stack."""

from __future__ import annotations

import pandas as pd

__all__ = ["field_positions", "field_times", "plane_distance", "strayed_fields"]

# The planes of a stack are as far apart as the drive puts them.
_DRIVE_TOLERANCE = 0.1
# Offsets of a channel and of the stage are smaller, in µm; the next field is a whole image away.
_STAGE_TOLERANCE = 10.0


def field_positions(images: pd.DataFrame) -> pd.DataFrame | None:
    """Return ``x`` and ``y`` of each well and field, if the images have them."""
    known = images.dropna(subset=["x", "y"])
    return None if known.empty else known.groupby(["well", "field"])[["x", "y"]].first()


def field_times(images: pd.DataFrame) -> pd.Series | None:
    """Return when the first image of each well and field was taken (column ``acquired``), if the images say it."""
    known = images.dropna(subset=["acquired"])
    return None if known.empty else known.groupby(["well", "field"])["acquired"].min()


def strayed_fields(images: pd.DataFrame) -> list[str]:
    """Say how many fields have images of different places, such as where each action counted fields of its own."""
    places = images.dropna(subset=["x", "y"]).groupby(["well", "field"])[["x", "y"]]
    strayed = ((places.max() - places.min()) > _STAGE_TOLERANCE).any(axis=1).sum()
    return [f"{strayed} field(s) have images of different places; their x and y are those of the first"] * bool(strayed)


def plane_distance(images: pd.DataFrame) -> float | None:
    """Return the distance of two planes from the ``height`` of the images; None if it varies or is not known."""
    stack = ["well", "field", "time", "channel"]
    known = images.dropna(subset=["height"]).sort_values([*stack, "z"])
    steps = known.groupby(stack)[["height", "z"]].diff()
    steps = steps[steps.z > 0]
    each = (steps.height / steps.z).abs()
    usual = each.median()
    if each.empty or usual == 0 or (each - usual).abs().max() > _DRIVE_TOLERANCE * usual:
        return None
    return float(f"{usual:.6g}")
