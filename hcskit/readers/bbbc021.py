"""BBBC021 (Broad Bioimage Benchmark Collection): MCF-7 cells, compounds and their mechanisms of action.

``BBBC021_v1_image.csv`` says plate, well and treatment of each field, and the folder and name of its three images;
the folder, such as ``Week4_27481``, may lie anywhere below. ``BBBC021_v1_moa.csv`` gives the mechanism of a compound
at a concentration.

Each plate has six wells with DMSO and six with taxol, 0.3 µM, in the columns 2 and 11. That taxol is the screen's
positive control: Ljosa et al. (J. Biomol. Screen. 18, 1321, 2013) leave these wells out of their treatments and keep
those of taxol's own dilution series, in row D of three plates, as their table of profiles per well shows.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hcskit.errors import ReaderError
from hcskit.platemap import check_plate_map
from hcskit.readers.toolkit import IMAGE_SUFFIXES, Claim, ImageIndex, inside

__all__ = ["claim", "index"]

_TABLE, _MOA = "BBBC021_v1_image.csv", "BBBC021_v1_moa.csv"
_CHANNELS = {"DAPI": "DNA", "Tubulin": "Tubulin", "Actin": "Actin"}
_TREATMENT = {
    "Image_Metadata_Plate_DAPI": "plate",
    "Image_Metadata_Well_DAPI": "well",
    "Image_Metadata_Compound": "compound",
    "Image_Metadata_Concentration": "concentration",
    "Replicate": "replicate",
}
_PATHS = [f"Image_PathName_{stain}" for stain in _CHANNELS]
_FILES = [f"Image_FileName_{stain}" for stain in _CHANNELS]
_NAME = re.compile(r"(?:.*_)?(?P<well>[A-H](?:0[1-9]|1[0-2]))_s(?P<field>\d+)_w\d.*")
_CONTROL_COLUMNS = ("02", "11")


def claim(folder: Path, files: Sequence[Path]) -> Claim | None:
    """Claim a folder with the table of BBBC021."""
    table = _find(files, _TABLE)
    return None if table is None else Claim(f"{table.relative_to(folder).as_posix()} is the table of BBBC021")


def index(folder: Path, files: Sequence[Path]) -> list[ImageIndex]:
    """Index the plates of which there is a folder.

    Raises
    ------
    ReaderError
        If the table is not there or not whole, there is no folder of its plates or two of one, it names a file outside
        its folder, or says another well of a file than the file's name.
    """
    source = _find(files, _TABLE)
    if source is None:
        raise ReaderError(f"there is no {_TABLE} below {folder}; download it to there")
    table = _read(source, [*_TREATMENT, *_PATHS, *_FILES]).rename(columns=_TREATMENT)
    homes = _homes(source, table, files)
    here = table[table[_PATHS[0]].isin(homes)]
    if here.empty:
        raise ReaderError(
            f"{source} lists {table.plate.nunique()} plates, and there is no folder of any, such as "
            f"{table[_PATHS[0]].iloc[0]}; unzip them beside it"
        )
    notes = []
    if absent := table.plate.nunique() - here.plate.nunique():
        notes.append(f"{absent} of the plates in {source.name} have no folder here")
    moa = _find(files, _MOA)
    if moa is None:
        notes.append(f"{_MOA} is not there, so no mechanism of action is known")
    here = here.assign(moa=_mechanisms(here, moa) if moa else "")
    there = {(file.parent, file.name.casefold()): file for file in files}
    return [
        ImageIndex(
            str(plate),
            _images(source, fields, homes, there),
            tuple(_CHANNELS.values()),
            source=f"{source.parent} (bbbc021)",
            plate_format=96,
            plate_map=_plate_map(fields, f"{source}, plate {plate}"),
            notes=tuple(notes),
        )
        for plate, fields in here.groupby("plate")
    ]


def _find(files: Sequence[Path], name: str) -> Path | None:
    """Return the file of this name, compressed or not, that lies highest."""
    found = [file for file in files if file.name.lower() in (name.lower(), f"{name.lower()}.gz")]
    return min(found, key=lambda file: (len(file.parts), file), default=None)


def _read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ReaderError(f"{path} cannot be read as a table: {error}; download it again") from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise ReaderError(f"{path} has no column {', '.join(missing)}; download it again")
    gaps = table[columns].isna().any(axis=1).to_numpy()
    if gaps.any():
        raise ReaderError(f"{path}, line {int(gaps.argmax()) + 2} is not whole; download it again")
    return table[list(columns)]


def _homes(source: Path, table: pd.DataFrame, files: Sequence[Path]) -> dict[str, Path]:
    """Return the folder on disk of each that the table names and that is there, by its name alone."""
    folders: dict[str, set[Path]] = {}
    for file in files:
        if file.suffix.lower() in IMAGE_SUFFIXES:
            folders.setdefault(file.parent.name.casefold(), set()).add(file.parent)
    homes = {}
    for path in pd.unique(table[_PATHS].to_numpy().ravel()):
        found = sorted(folders.get(inside(source.parent, path).name.casefold(), ()))
        if len(found) > 1:
            raise ReaderError(
                f"{source}: the folder {path} is there twice, {found[0]} and {found[1]}; move the copy elsewhere"
            )
        if found:
            homes[path] = found[0]
    return homes


def _images(
    source: Path, fields: pd.DataFrame, homes: Mapping[str, Path], there: Mapping[tuple[Path, str], Path]
) -> pd.DataFrame:
    rows = []
    for channel, path, name in zip(_CHANNELS.values(), _PATHS, _FILES, strict=True):
        for well, place, image in zip(fields.well, fields[path], fields[name], strict=True):
            file = inside(homes.get(place, source.parent / place), image)
            match = _NAME.fullmatch(file.name)
            if match is None or match["well"] != well:
                raise ReaderError(
                    f"{source} gives {image!r} as an image of well {well}; its name should have the well and the "
                    f"field, as {well}_s1_w1"
                )
            rows.append((well, match["field"], channel, str(there.get((file.parent, file.name.casefold()), file))))
    return pd.DataFrame(rows, columns=["well", "field", "channel", "path"])


def _mechanisms(fields: pd.DataFrame, path: Path) -> list[str]:
    """Return the mechanism of action of each field's compound at its concentration, where it is known."""
    table = _read(path, ["compound", "concentration", "moa"])
    known = dict(zip(_treatments(table), table.moa, strict=True))
    return [known.get(treatment, "") for treatment in _treatments(fields)]


def _treatments(table: pd.DataFrame) -> list[tuple[str, float]]:
    return list(zip(table.compound, pd.to_numeric(table.concentration, errors="coerce"), strict=True))


def _plate_map(fields: pd.DataFrame, source: str) -> pd.DataFrame:
    table = fields[["well", "compound", "concentration", "moa", "replicate"]].drop_duplicates()
    is_solvent = table.compound == "DMSO"
    is_control = (table.compound == "taxol") & table.well.str[1:].isin(_CONTROL_COLUMNS)
    return check_plate_map(
        table.assign(
            concentration_unit="uM",
            role=np.select([is_solvent, is_control], ["negative_control", "positive_control"], "treatment"),
            moa=table.moa.mask(is_solvent, ""),  # the table calls it "DMSO"
        ),
        source,
    )
