"""What MetaMorph and MetaXpress write into the description of a TIFF: XML of properties."""

from __future__ import annotations

from collections.abc import Mapping

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from hcskit.readers.toolkit._labels import number

__all__ = ["metamorph_pixel_size", "metamorph_properties"]


def metamorph_properties(description: str) -> dict[str, str]:
    """Return the properties by their id; none of another program's description.

    Examples
    --------
    >>> metamorph_properties('<MetaData><prop id="wavelength" value="452"/></MetaData>')
    {'wavelength': '452'}
    """
    if not description.startswith("<MetaData>"):
        return {}
    try:
        return {one.get("id", ""): one.get("value", "") for one in fromstring(description).iter() if one.get("id")}
    except (ParseError, DefusedXmlException, ValueError):
        return {}


def metamorph_pixel_size(properties: Mapping[str, str]) -> float | None:
    """Return the calibration in micrometre; the resolution tags of such files mean nothing."""
    is_micrometre = properties.get("spatial-calibration-units") in ("um", "µm")
    is_known = properties.get("spatial-calibration-state") == "on" and is_micrometre
    return number(properties.get("spatial-calibration-x")) if is_known else None
