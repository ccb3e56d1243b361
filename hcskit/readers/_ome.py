"""What OME-Zarr and OME-TIFF have in common: names of plates and channels, lengths, and how large an image may be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from hcskit.errors import ReaderError
from hcskit.readers.toolkit import distinct

__all__ = ["channel_names", "channel_order", "check_planes", "micrometres", "plate_names"]

# Words of NGFF (UDUNITS-2) and symbols of OME-XML (UnitsLength); a pixel or a reference frame is no length.
_MICROMETRES = {
    "picometer": 1e-6, "pm": 1e-6,
    "angstrom": 1e-4, "Å": 1e-4,
    "nanometer": 1e-3, "nm": 1e-3,
    "micrometer": 1.0, "micron": 1.0, "µm": 1.0, "μm": 1.0, "um": 1.0,  # the micro sign and the Greek letter
    "millimeter": 1e3, "mm": 1e3,
    "centimeter": 1e4, "cm": 1e4,
    "meter": 1e6, "m": 1e6,
    "inch": 25_400.0, "in": 25_400.0,
}  # fmt: skip
# Planes of one image: an hour of video is 216,000. What says it has more keeps us counting until the memory is full.
_MOST_PLANES = 1_000_000


def micrometres(value: float | None, unit: str | None) -> float | None:
    """Return a length in micrometre; None if it or its unit is not known, or it is not above zero.

    Examples
    --------
    >>> micrometres(650, "nm"), micrometres(1, "pixel")
    (0.65, None)
    """
    factor = _MICROMETRES.get((unit or "").replace("metre", "meter"))
    return None if value is None or factor is None or value <= 0 else float(f"{value * factor:.9g}")


def check_planes(count: int, source: object) -> None:
    """Check that an image has a number of planes that can be listed.

    Raises
    ------
    ReaderError
        If it has more than a million.
    """
    if count > _MOST_PLANES:
        raise ReaderError(
            f"{source} says that it has {count:,} planes; expected {_MOST_PLANES:,} or fewer in one image"
        )


def channel_names(labels: Sequence[str | None], count: int) -> tuple[str, ...]:
    """Name the channels of an image; numbered where the labels are not one for each.

    Examples
    --------
    >>> channel_names(["DNA", "GFP", " ", "GFP"], 4)
    ('DNA', 'GFP (1)', 'channel-2', 'GFP (3)')
    >>> channel_names(["DNA"], 2)
    ('channel-0', 'channel-1')
    """
    given = labels if len(labels) == count else [None] * count
    names = {number: (label or "").strip() or f"channel-{number}" for number, label in enumerate(given)}
    return tuple(distinct(names).values())


def channel_order(images: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return the channels of all images, in the order of the image that has most of them.

    Examples
    --------
    >>> channel_order([["Actin"], ["DNA", "Actin"]])
    ('DNA', 'Actin')
    """
    longest_first = sorted(dict.fromkeys(map(tuple, images)), key=len, reverse=True)
    return tuple(dict.fromkeys(name for names in longest_first for name in names))


def plate_names(given: Sequence[str | None], paths: Sequence[Path]) -> list[str]:
    """Name plates as their metadata do; those that share a name, after the file or folder that describes each.

    Examples
    --------
    >>> plate_names(["P1", "P2"], [Path("a.zarr"), Path("b.zarr")])
    ['P1', 'P2']
    >>> plate_names(["P1", "P1"], [Path("P1.zarr"), Path("P1_mip.zarr")])
    ['P1', 'P1_mip']
    >>> plate_names(["", ""], [Path("Monday/plate.companion.ome"), Path("Tuesday/plate.companion.ome")])
    ['Monday-plate', 'Tuesday-plate']
    """
    stems = [_stem(path) for path in paths]
    names = [(name or "").strip() or stem for name, stem in zip(given, stems, strict=True)]
    for others in (stems, [f"{path.parent.name}-{stem}" for path, stem in zip(paths, stems, strict=True)]):
        names = [name if names.count(name) == 1 else other for name, other in zip(names, others, strict=True)]
    return names


def _stem(path: Path) -> str:
    name = path.name
    for suffix in (".zarr", ".tif", ".tiff", ".xml", ".ome", ".companion"):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    return name
