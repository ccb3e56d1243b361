"""Images as the network sees them: in the light that the quality step measured."""

from __future__ import annotations

import xarray as xr

from hcskit.app._content import Content
from hcskit.preprocess import correct_illumination
from hcskit.results import ILLUMINATION

__all__ = ["corrected"]

Limits = dict[str, tuple[float, float]]


def corrected(content: Content, field: xr.Dataset, limits: Limits) -> tuple[xr.Dataset, Limits]:
    """Return a field in even light, and the same contrast without the camera's offset.

    Parameters
    ----------
    content : Content
        Of a run; where its quality step has not run, the field is returned as it is.
    field : xarray.Dataset
        Of a plate, at any level of the pyramid.
    limits : dict
        Counts of black and of full colour by channel.
    """
    if content.lacking(ILLUMINATION):
        return field, limits
    light = content.light(str(field.attrs["plate"]), (field.sizes["y"], field.sizes["x"]))
    dark = {name: float(light["dark"].sel(channel=name)) for name in limits}
    ends = {name: (low - dark[name], high - dark[name]) for name, (low, high) in limits.items()}
    return field.assign(image=correct_illumination(field["image"], light)), ends
