"""Files of the microscopes' own programs, each with many images: .nd2, .czi, .lif, .stk, and whatever bioio reads.

A file says what its images are of. The well is in the name of a position (a scene, a tile), or else in the file's. A
file with several wells is a plate, called as the file is; files with one well each are one plate, their folder.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pandas as pd

from hcskit.errors import ReaderError
from hcskit.readers._well_names import find_place
from hcskit.readers.toolkit import (
    CONTAINERS,
    Claim,
    Container,
    ContainerFormat,
    ImageIndex,
    only,
    plate_folder,
    plate_names,
    read_container,
)

__all__ = ["bioio", "czi", "lif", "nd2", "stk"]

_OTHER = "series of another size than the plate's fields, such as an overview"


@dataclass(frozen=True)
class _ContainerReader:
    """Reads the files of one format."""

    format: ContainerFormat

    @property
    def description(self) -> str:
        """What it reads, for the list of readers."""
        extra = f" (extra {self.format.extra})" if self.format.extra else ""
        return f"{self.format.words}{extra}, with the wells in the names of positions or files."

    def claim(self, folder: Path, files: Sequence[Path]) -> Claim | None:  # noqa: ARG002 - the contract has it
        """Claim files by their suffix, whether their library is installed or not: what is lacking is told then."""
        fits = self._fits(files)
        return Claim(f"{len(fits)} of {len(files)} files are {self.format.words}", len(fits)) if fits else None

    def index(self, folder: Path, files: Sequence[Path]) -> list[ImageIndex]:
        """Index the plates.

        Raises
        ------
        ReaderError
            If the library is not installed, no file can be read, or nothing says which well an image is of.
        """
        self.format.load()
        fits = sorted(self._fits(files))
        with ThreadPoolExecutor() as pool:
            read = dict(zip(fits, pool.map(_try, fits), strict=True))
        bad = {str(path): str(found) for path, found in read.items() if isinstance(found, ReaderError)}
        good = {path: found for path, found in read.items() if isinstance(found, Container)}
        if not good:
            raise ReaderError("\n".join([*bad.values(), self.format.way_round()]))
        wells = {path: _places(path, found) for path, found in good.items()}
        if nameless := [path for path, places in wells.items() if not any(places)]:
            raise ReaderError(_nameless(nameless, good))
        return [
            _plate(name, where, {path: (good[path], wells[path]) for path in paths}, bad if not number else {})
            for number, (name, where, paths) in enumerate(_plates(folder, wells))
        ]

    def _fits(self, files: Sequence[Path]) -> list[Path]:
        return [file for file in files if file.suffix.lower() in self.format.suffixes]


nd2, czi, lif, stk, bioio = (_ContainerReader(CONTAINERS[name]) for name in ("nd2", "czi", "lif", "stk", "bioio"))
_Places = tuple[tuple[str, int] | None, ...]  # well and field of each series


def _try(path: Path) -> Container | ReaderError:
    try:
        return read_container(path)
    except ReaderError as error:
        return error


def _places(path: Path, found: Container) -> _Places:
    """Return well and field of each series; a field that is not said is counted in its well."""
    form, of_file = found.form, find_place(path.stem)
    alike = [(one.shape, one.dtype) == form for one in found.series]
    said = [find_place(one.name) if like else None for one, like in zip(found.series, alike, strict=True)]
    if not any(said):
        said = [of_file if like else None for like in alike]
    times = Counter(place for place in said if place is not None)
    uncounted = {well for (well, field), how_many in times.items() if field is None or how_many > 1}
    counters: defaultdict[str, Iterator[int]] = defaultdict(lambda: count(1))
    return tuple(
        place and (place[0], next(counters[place[0]]) if place[0] in uncounted or place[1] is None else place[1])
        for place in said
    )


def _plates(folder: Path, wells: Mapping[Path, _Places]) -> list[tuple[str, Path, list[Path]]]:
    """Return name, place and files of each plate."""
    several = [path for path, places in wells.items() if len({place[0] for place in places if place}) > 1]
    names = Counter(path.stem for path in several)
    plates = [
        (path.stem if names[path.stem] == 1 else f"{path.parent.name}-{path.stem}", path, [path]) for path in several
    ]
    homes: defaultdict[Path, list[Path]] = defaultdict(list)
    for path in wells.keys() - set(several):
        well = next(place[0] for place in wells[path] if place)
        homes[plate_folder(folder, path.parent, well)].append(path)
    called = plate_names(folder, sorted(homes)) if homes else {}
    return plates + [(called[home], home, sorted(homes[home])) for home in sorted(homes)]


def _plate(
    name: str, where: Path, files: Mapping[Path, tuple[Container, _Places]], bad: Mapping[str, str]
) -> ImageIndex:
    rows, absent, other, positions = [], [], [], {}
    for path, (found, places) in files.items():
        for series, place, first in zip(found.series, places, found.first_pages, strict=True):
            if place is None:
                other.append(f"{path} ({series.name})")
                continue
            well, field = place
            if series.position is not None:
                positions[place] = series.position
            for page, (time, channel, plane) in enumerate(series.places(), start=first):
                label = series.channels[channel]
                if (time, channel, plane) in series.absent:
                    place_in_well = f"field {field}, {label}, plane {plane + 1}, time point {time + 1}"
                    absent.append(f"well {well}, {place_in_well}, by {path}")
                else:
                    rows.append((well, field, time + 1, label, plane + 1, str(path), page))
    found_in = [found for found, _ in files.values()]
    channels = dict.fromkeys(label for found in found_in for series in found.series for label in series.channels)
    return ImageIndex(
        name,
        pd.DataFrame(rows, columns=["well", "field", "time", "channel", "z", "path", "page"]),
        tuple(channels),
        source=str(where),
        pixel_size=only(found.pixel_size for found in found_in),
        z_step=only(found.z_step for found in found_in),
        exposure=_agreed(found.exposure for found in found_in),
        excitation=_agreed(found.excitation for found in found_in),
        emission=_agreed(found.emission for found in found_in),
        positions=_from_centres(positions),
        absent=tuple(absent),
        left_out={_OTHER: tuple(other)},
        bad=bad,
    )


def _agreed(mappings: Iterable[Mapping[str, float]]) -> dict[str, float]:
    found: defaultdict[str, set[float]] = defaultdict(set)
    for mapping in mappings:
        for channel, value in mapping.items():
            found[channel].add(value)
    return {channel: next(iter(values)) for channel, values in found.items() if len(values) == 1}


def _from_centres(places: Mapping[tuple[str, int], tuple[float, float]]) -> pd.DataFrame | None:
    """Return the fields' positions from the middle of those of their well: where the well's centre is is not said."""
    if not places:
        return None
    index = pd.MultiIndex.from_tuples(list(places), names=["well", "field"])
    table = pd.DataFrame(list(places.values()), index, columns=["x", "y"])
    of_well = table.groupby(level="well")
    middle: pd.DataFrame = (of_well.transform("min") + of_well.transform("max")) / 2
    return table - middle


def _nameless(paths: Sequence[Path], good: Mapping[Path, Container]) -> str:
    names = [one.name for one in good[paths[0]].series if one.name][:3]
    said = f", and its positions {', '.join(map(repr, names))}" if names else ""
    return (
        f"{len(paths)} file(s) say no well: the first is called {paths[0].name!r}{said}; expected a name such as A01 "
        "or plate_A01_s2; rename the files, or describe their names in a YAML pattern with pages: z, channel or time, "
        "and give that as the reader"
    )
