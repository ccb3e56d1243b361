"""Plates that cannot be learned from, each with the reason: unlike the others, or damaged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import xarray as xr

from hcskit.data._labelled import ScreenData
from hcskit.errors import DamagedError, InputError
from hcskit.recipe._recipe import DataSection

__all__ = ["unlike_plates", "unreadable_plates"]


def unlike_plates(plates: Mapping[str, xr.Dataset], data: DataSection) -> dict[str, InputError]:
    """Return the plates whose images are not like those of most: one network cannot learn from both.

    Parameters
    ----------
    plates : mapping of str to xarray.Dataset
        Plates by name.
    data : DataSection
        The recipe's section ``data``.

    Returns
    -------
    dict of str to InputError
        By name, what is different: the size of an image after binning, the type of a pixel, or the channels; where the
        recipe names channels, only these count. Empty if no form is that of more than half of the plates: which of
        them are odd is then not known.
    """
    forms = {name: _form(plate, data) for name, plate in plates.items()}
    usual, count = Counter(forms.values()).most_common(1)[0]
    if 2 * count <= len(forms):
        return {}
    return {
        name: InputError(
            f"plate {name} is unlike the {count} others that are learned from: it has {form}, they have {usual}; "
            "import it as they were, or analyse it by itself"
        )
        for name, form in forms.items()
        if form != usual
    }


def unreadable_plates(screen: ScreenData, data: DataSection) -> dict[str, DamagedError]:
    """Return the plates of which a field that is learned from cannot be read, by name; reads all of these fields."""
    fields = screen.label(data)
    found: dict[str, DamagedError] = {}
    for name, own in fields.groupby("plate", sort=False):
        plate = ScreenData({str(name): screen.plates[str(name)]})
        source = plate.source(own, data.channels or plate.channels, 1)
        try:
            for row in range(len(own)):
                source.read(row)
        except DamagedError as error:
            found[str(name)] = error
    return found


def _form(plate: xr.Dataset, data: DataSection) -> str:
    """Describe what images must have in common."""
    rows, columns = (plate.sizes[axis] // data.binning for axis in ("y", "x"))
    there = plate["channel"].to_numpy().tolist()
    channels = [name for name in data.channels or there if name in there]
    return f"{rows}×{columns} pixels of {plate['image'].dtype.name} in {', '.join(channels) or 'no channel'}"
