"""The image sets that can be fetched, and their plate maps."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from hcskit.errors import InputError, StoreError
from hcskit.fetch._archive import fetch_folder
from hcskit.fetch._download import BASE_URL, download
from hcskit.files import replacing
from hcskit.platemap import check_plate_map

__all__ = ["BASE_URL", "fetch_bbbc013", "fetch_bbbc021"]

_WELLS = 96
_PLATE = re.compile(r"Week\d+_(\d+)")


def fetch_bbbc013(out: str | Path, *, base_url: str = BASE_URL) -> Path:
    """Fetch BBBC013 (FKHR-GFP translocation, one 96-well plate, 32 MB) and its plate map.

    Parameters
    ----------
    out : path-like
        Folder for ``BBBC013/`` and, beside it, ``platemap.csv``. Existing files are not fetched again.
    base_url : str
        Where the collection is.

    Returns
    -------
    pathlib.Path
        The folder of the images.

    Raises
    ------
    InputError
        If the server does not have a file, or `out` is no folder.
    StoreError
        If the connection breaks, or a file is not what it should be.
    """
    out = _folder(out)
    base = base_url.rstrip("/")
    plate_map = out / "platemap.csv"
    if not plate_map.exists():
        doses = download(f"{base}/BBBC013/BBBC013_v1_platemap_all.txt", out)
        with replacing(plate_map) as partial:
            _bbbc013_plate_map(doses).to_csv(partial)
    return fetch_folder(f"{base}/BBBC013/BBBC013_v1_images_bmp.zip", out / "BBBC013")


def fetch_bbbc021(out: str | Path, plates: Iterable[str], *, base_url: str = BASE_URL) -> list[Path]:
    """Fetch plates of BBBC021 (MCF-7 cells, compounds and mechanisms; 0.8 GB a plate) and its tables.

    Parameters
    ----------
    out : path-like
        Folder for the tables and a folder for each plate. Existing files are not fetched again.
    plates : iterable of str
        Names such as ``Week1_22123``, or ``22123``.
    base_url : str
        Where the collection is.

    Returns
    -------
    list of pathlib.Path
        The folder of each plate's images.

    Raises
    ------
    InputError
        If there is no such plate, the server does not have a file, or `out` is no folder.
    StoreError
        If the connection breaks, or a file is not what it should be.
    """
    out = _folder(out)
    base = base_url.rstrip("/")
    chosen = _choose(plates, download(f"{base}/BBBC021/BBBC021_v1_image.csv", out))
    download(f"{base}/BBBC021/BBBC021_v1_moa.csv", out)
    return [fetch_folder(f"{base}/BBBC021/BBBC021_v1_images_{plate}.zip", out / plate) for plate in chosen]


def _folder(out: str | Path) -> Path:
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} cannot be made a folder: {error}; choose another") from error
    return out


def _choose(plates: Iterable[str], table: Path) -> list[str]:
    """Return the names of the wanted plates, as the table of BBBC021 spells them."""
    with table.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
        found = {row.get("Image_Metadata_Plate_DAPI") or "" for row in csv.DictReader(lines)}
    matches = [match for name in sorted(found) if (match := _PLATE.fullmatch(name))]
    if not matches:
        table.unlink()
        raise StoreError(f"{table} was not the table of BBBC021 and is removed; is base_url that of the collection?")
    known = {spelling: match[0] for match in matches for spelling in (match[0], match[1])}
    wanted = list(plates)
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        listed = ", ".join(match[0] for match in matches)
        raise InputError(f"BBBC021 has no plate {', '.join(unknown) or 'without a name'}; its plates are {listed}")
    return list(dict.fromkeys(known[name] for name in wanted))


def _bbbc013_plate_map(path: Path) -> pd.DataFrame:
    """Read the doses of BBBC013, row by row after a line that describes them, and add what the collection says.

    Wortmannin (nM) is in rows A to D and LY294002 (µM) in rows E to H, in columns 3 to 11. Beside them are wells
    without a compound and, as the positive control of both halves, wells with 150 nM Wortmannin (A12 to D12, E01 to
    H01; some sources take these last for the highest dose of LY294002, which the file has there).
    """
    try:
        doses = [float(dose) for dose in path.read_text(encoding="utf-8", errors="replace").partition("\n")[2].split()]
    except ValueError:
        doses = []
    if len(doses) != _WELLS:
        path.unlink()
        raise StoreError(
            f"{path} did not have the doses of {_WELLS} wells and is removed; is base_url that of the collection?"
        )
    rows: list[tuple[str, str, float | None, str, str]] = []
    for place, dose in enumerate(doses):
        row, column = divmod(place, 12)
        compound, unit = ("Wortmannin", "nM") if row < 4 else ("LY294002", "uM")
        well = f"{'ABCDEFGH'[row]}{column + 1:02d}"
        if 2 <= column <= 10:
            rows.append((well, compound, dose, unit, "treatment"))
        elif dose == 0:
            rows.append((well, "", None, "", "negative_control"))
        else:
            rows.append((well, "Wortmannin", 150, "nM", "positive_control"))
    columns = ["well", "compound", "concentration", "concentration_unit", "role"]
    return check_plate_map(pd.DataFrame(rows, columns=columns), str(path))[columns[1:]]
