"""What the TIFFs of MetaXpress say of a plate: channels, exposures, and where the sites of a well are.

One file of each wave is read, and one of each site of the well that has the most: sites are alike in all wells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from hcskit.errors import ReaderError
from hcskit.readers.toolkit import metamorph_properties, number, open_tiff

__all__ = ["PlateTags", "read_plate_tags"]

_EXPOSURE = re.compile(r"Exposure: (\d+(?:\.\d+)?) (ms|s)\b")
_SECONDS = {"ms": 1e-3, "s": 1.0}


@dataclass(frozen=True)
class PlateTags:
    """Name, exposure (seconds) and emission (nanometres) of each wave that says it, and the sites of a well."""

    names: Mapping[int, str]
    exposure: Mapping[int, float]
    emission: Mapping[int, float]
    sites: Mapping[int, tuple[float, float]]

    def positions(self, places: Iterable[tuple[str, int]]) -> pd.DataFrame | None:
        """Return the positions of wells and fields."""
        index = pd.MultiIndex.from_tuples(sorted(set(places)), names=["well", "field"])
        if not self.sites or not set(index.get_level_values("field")) <= self.sites.keys():
            return None
        return pd.DataFrame([self.sites[field] for _, field in index], index, columns=["x", "y"])


def read_plate_tags(images: pd.DataFrame) -> PlateTags:
    """Read the tags of a few images; those of a file that cannot be read are left out.

    Parameters
    ----------
    images : pandas.DataFrame
        Columns ``well``, ``field``, ``wave`` and ``path``.
    """
    of_waves = {int(wave): _read(path) for wave, path in images.groupby("wave").path.first().items()}  # type: ignore[call-overload]
    fullest = images[images.well == images.groupby("well").field.nunique().idxmax()] if len(images) else images
    of_sites = {int(site): _read(path) for site, path in fullest.groupby("field").path.first().items()}  # type: ignore[call-overload]
    return PlateTags(
        {wave: name for wave, tags in of_waves.items() if (name := tags.get("_IllumSetting_", "").strip())},
        {wave: seconds for wave, tags in of_waves.items() if (seconds := _exposure(tags)) is not None},
        {wave: length for wave, tags in of_waves.items() if (length := number(tags.get("wavelength")))},
        _sites(of_sites),
    )


def _read(path: str) -> dict[str, str]:
    try:
        with open_tiff(path) as tiff:
            return metamorph_properties(str(tiff.pages.first.description))
    except ReaderError:  # it is told with the other bad files
        return {}


def _exposure(tags: Mapping[str, str]) -> float | None:
    match = _EXPOSURE.search(tags.get("Description", ""))
    return float(f"{float(match[1]) * _SECONDS[match[2]]:.9g}") if match else None


def _sites(tags: Mapping[int, Mapping[str, str]]) -> dict[int, tuple[float, float]]:
    """Return the place of each site from the well's centre, in µm, y upwards; the stage's y runs down the rows.

    Older files say only where the stage was: then the middle of the sites is taken for the well's centre.
    """
    for x, y, is_offset in (
        ("OffsetFromWellCenterUmX", "OffsetFromWellCenterUmY", True),
        ("stage-position-x", "stage-position-y", False),
    ):
        found = {site: (number(one.get(x)), number(one.get(y))) for site, one in tags.items()}
        places = {site: (at_x, -at_y) for site, (at_x, at_y) in found.items() if at_x is not None and at_y is not None}
        if not places or len(places) < len(tags):
            continue
        middle = [0.0 if is_offset else (min(axis) + max(axis)) / 2 for axis in zip(*places.values(), strict=True)]
        return {
            site: (float(f"{at_x - middle[0]:.9g}"), float(f"{at_y - middle[1]:.9g}"))
            for site, (at_x, at_y) in places.items()
        }
    return {}
