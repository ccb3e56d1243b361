"""Molecular Devices MetaXpress (ImageXpress): the folder of its database, and its exports with an ``.HTD``.

An image is ``[TimePoint_N/][ZStep_N/]NAME_WELL[_sSITE][_wWAVE][_zPLANE]`` below its plate's folder. In the database the
folder has a number, the plate is called as its files are, and a GUID follows without a separator, or in brackets in
older plates (IDR 0005, 0006, 0008); BBBC006 has wells in lower case. Site and wave are left out where there is one. A
2-D image of a place that has planes is a projection, and so is what an export has in ``ZStep_0`` (fmi-faim/faim-ipa,
pull request 201). An export repeats the only image of a wave in each ``ZStep``, projection or not: names do not tell,
so such a wave has its planes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import pandas as pd

from hcskit.plate import parse_well
from hcskit.readers._htd import Htd
from hcskit.readers._metaxpress_tags import read_plate_tags
from hcskit.readers.toolkit import Claim, ImageIndex, distinct, without_projections

__all__ = ["claim", "index", "projections"]

_GUID = r"_?\[?(?i:[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12})\]?"
_NAME = re.compile(
    r"(?:(?P<plate>.*)_)?(?P<well>(?:[A-Z]|A[A-F]|[a-p](?=\d\d_s\d))(?:0[1-9]|[1-3]\d|4[0-8]))"
    r"(?:_s(?P<field>\d+))?(?:_w(?P<wave>\d+))?(?:_z(?P<z>\d+))?(?:_t(?P<time>\d+))?"
    rf"(?P<thumb>(?i:_thumb))?(?P<guid>{_GUID})?(?i:\.tiff?)"
)
_STEP = re.compile(r"(?i:(TimePoint|ZStep)_(\d+))")
_SOURCE = " (metaxpress)"
_TIFF = frozenset({".tif", ".tiff"})
_COLUMNS = ["home", "plate", "well", "field", "time", "wave", "z", "thumb", "path"]


def claim(folder: Path, files: Sequence[Path]) -> Claim | None:
    """Claim a folder with an HTD and its images, or with images that are named as in the database."""
    fits = [(file, match) for file in files if (match := _NAME.fullmatch(file.name)) and not match["thumb"]]
    described = [file for file in files if _is_htd(file)]
    if fits and described:
        return Claim(f"{described[0].relative_to(folder).as_posix()} describes a plate of MetaXpress")
    sure = [file for file, match in fits if match["guid"] or _STEP.fullmatch(file.parent.name) or _says_plane(match)]
    if not sure:
        return None
    if step := next((file for file in sure if _STEP.fullmatch(file.parent.name)), None):
        return Claim(f"{step.parent.name} with files named like {step.name} is of MetaXpress")
    return Claim(f"{len(sure)} of {len(files)} files are named like {sure[0].name}, as MetaXpress does", len(sure))


def index(folder: Path, files: Sequence[Path]) -> list[ImageIndex]:  # noqa: ARG001 - the contract has it
    """Index each plate below the folder: images of a single plane, and of each plane of a stack.

    A plate has the name of its folder; where several plates are in one folder, that in the names of its files.

    Raises
    ------
    ReaderError
        If an image is there twice, as where a well was acquired again.
    """
    return _index(files, flat=False)


class _Projections:
    """Takes the 2-D image of each stack instead of its planes. It claims nothing: it is asked for by name."""

    def claim(self, folder: Path, files: Sequence[Path]) -> None:
        """Claim nothing."""

    def index(self, folder: Path, files: Sequence[Path]) -> list[ImageIndex]:  # noqa: ARG002 - the contract has it
        """Index each plate below the folder: its images that are no plane of a stack."""
        return _index(files, flat=True)


projections = _Projections()


def _index(files: Sequence[Path], flat: bool) -> list[ImageIndex]:
    described: dict[Path, dict[str, Path]] = {}
    # Of the copies of an HTD the highest comes last, and stays.
    for file in sorted(filter(_is_htd, files), key=lambda file: (-len(file.parts), file)):
        described.setdefault(_home(file), {})[file.stem.casefold()] = file
    tiffs = [file for file in files if file.suffix.lower() in _TIFF]
    found = pd.DataFrame([_labels(file, described) for file in tiffs], columns=_COLUMNS)
    plates: list[ImageIndex] = []
    for place, here in found.groupby("home"):
        home = Path(str(place))
        plates += _plates(home, here, described.get(home, {}), flat)
    return _named_apart([plate for plate in plates if not plate.table.empty])


def _plates(home: Path, files: pd.DataFrame, htds: Mapping[str, Path], flat: bool) -> list[ImageIndex]:
    """Return the index of each plate of a folder: of those that an HTD describes, or of all if it describes none."""
    names = sorted(set(files.plate.dropna()))
    names = [name for name in names if name.casefold() in htds] or names
    plates = []
    for name in names:
        # The database calls its folders by a number; the plate's name or barcode is in the names of the files.
        is_numbered = home.name.isdecimal() and bool(name)
        plate = home.name if len(names) == 1 and not is_numbered else name or home.name
        only = next(iter(htds.values())) if len(htds) == len(names) == 1 else None
        path = htds.get(name.casefold(), only)
        plates.append(_plate(home, plate, files[files.plate == name], Htd.read(path) if path else None, flat))
    return plates


def _named_apart(plates: Sequence[ImageIndex]) -> list[ImageIndex]:
    """Add its folder to the name of each plate whose name another has too, as where it was imaged again."""
    count = Counter(plate.plate for plate in plates)
    return [
        plate
        if count[plate.plate] == 1
        else replace(plate, plate=f"{plate.plate}-{Path(plate.source.removesuffix(_SOURCE)).name}")
        for plate in plates
    ]


def _plate(home: Path, plate: str, images: pd.DataFrame, htd: Htd | None, flat: bool) -> ImageIndex:
    thumbs = tuple(images.path[images.thumb])
    table, reason, left_out = (_flat if flat else _stacks)(images[~images.thumb])
    tags = read_plate_tags(table)
    named = {**tags.names, **(htd.waves if htd else {})}
    waves = sorted({*named, *table.wave})
    channels = distinct({wave: named.get(wave, f"w{wave}") for wave in waves}, "w{}")
    wells = sorted(set(table.well), key=parse_well)
    unnamed = ", ".join(map(str, sorted(set(table.wave) - set(htd.waves)))) if htd else ""
    return ImageIndex(
        plate,
        table.assign(channel=table.wave.map(channels)),
        tuple(channels.values()),
        source=f"{home}{_SOURCE}",
        plate_format=htd.size(wells) if htd else None,
        exposure={channels[wave]: seconds for wave, seconds in tags.exposure.items()},
        emission={channels[wave]: length for wave, length in tags.emission.items()},
        positions=tags.positions(zip(table.well, table.field, strict=True)),
        notes=(f"{htd.name} has no name for wave {unnamed}; is the copy of it complete?",) if htd and unnamed else (),
        tagged=True,
        absent=tuple(_absent(htd, table, flat)) if htd and len(table) else (),
        left_out={"thumbnail(s)": thumbs, reason: left_out},
    )


def _stacks(images: pd.DataFrame) -> tuple[pd.DataFrame, str, tuple[str, ...]]:
    """Take each plane, and the 2-D images of places that have no planes, which sit at the first plane."""
    planes = images.z > 0
    first = images.z[planes].min() if planes.any() else 1
    kept, left_out = without_projections(images, ~planes, ["well", "field", "time", "wave"])
    reason = "projection(s) of planes that are there; the reader metaxpress-projections takes them"
    return kept.assign(z=kept.z.where(kept.z > 0, first)), reason, left_out


def _flat(images: pd.DataFrame) -> tuple[pd.DataFrame, str, tuple[str, ...]]:
    """Take the 2-D images."""
    planes = images.z > 0
    reason = "image(s) of single planes; the reader metaxpress takes them"
    return images[~planes].assign(z=1), reason, tuple(images.path[planes])


def _absent(htd: Htd, images: pd.DataFrame, flat: bool) -> Iterator[str]:
    """Yield the images that an HTD says there are (wells × sites × waves × time points × planes) and that are not."""
    there = set(images[["well", "field", "time", "wave", "z"]].itertuples(index=False, name=None))
    sites = range(1, htd.sites + 1)
    stacked = set(images.wave[images.duplicated(["well", "field", "time", "wave"], keep=False)])
    found = sorted(set(images.z))
    planes = range(found[0], found[0] + htd.planes)
    for well in sorted(htd.wells, key=parse_well):
        for time, site, wave in product(range(1, htd.times + 1), sites, sorted(htd.collected)):
            # A wave without any planes was taken in 2-D; of one that is not there at all it is not known.
            is_stack = wave in stacked or (bool(stacked) and wave not in set(images.wave))
            for z in planes if is_stack and not flat else found[:1]:
                if (well, site, time, wave, z) not in there:
                    place = (
                        f"site {site}, wave {wave}"
                        + f", plane {z}" * is_stack
                        + f", time point {time}" * (htd.times > 1)
                    )
                    yield f"well {well}, {place}, by {htd.name}"


def _labels(file: Path, described: Mapping[Path, Collection[str]]) -> tuple[object, ...]:
    """Return a row of `_COLUMNS`; the name of a file that MetaXpress has not named is None.

    Its home is where an HTD describes its plate, however many folders above (of wells, sites or waves), or else the
    folder above those of time points and planes.
    """
    match = _NAME.fullmatch(file.name)
    plate = match and (match["plate"] or "").casefold()
    home = next((above for above in file.parents if plate in described.get(above, ())), _home(file))
    time, z = _steps(file.relative_to(home))
    if match is None:
        return home, None, None, 1, time, 1, z, False, str(file)
    well, field, wave = match["well"].upper(), int(match["field"] or 1), int(match["wave"] or 1)
    z = int(match["z"] or z)
    thumb = match["thumb"] is not None
    return home, match["plate"] or "", well, field, int(match["time"] or time), wave, z, thumb, str(file)


def _home(file: Path) -> Path:
    """Return the folder above those of time points and planes."""
    return next(above for above in file.parents if not _STEP.fullmatch(above.name))


def _steps(file: Path) -> tuple[int, int]:
    """Return the time point and the plane that the folders of a file say; no plane is 0.

    Examples
    --------
    >>> _steps(Path("TimePoint_2/ZStep_3/P_A01.tif"))
    (2, 3)
    """
    steps = {"timepoint": 1, "zstep": 0}
    for folder in file.parts[:-1]:
        if match := _STEP.fullmatch(folder):
            steps[match[1].lower()] = int(match[2])
    return steps["timepoint"], steps["zstep"]


def _says_plane(match: re.Match[str]) -> bool:
    """Whether a name has a wave and a plane; in those of HCS.ai the time point stands before the well."""
    return bool(match["wave"] and match["z"]) and not re.search(r"_t\d+$", match["plate"] or "")


def _is_htd(file: Path) -> bool:
    return file.suffix.lower() == ".htd"
