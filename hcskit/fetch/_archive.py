"""Zip files of images, unpacked if they are complete and safe."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from hcskit.errors import InputError, StoreError
from hcskit.fetch._download import AGAIN, download
from hcskit.names import below

__all__ = ["fetch_folder"]

# A plate of BBBC021 has 2 GB. A file that unpacks to more than this is not from the collection.
_MOST_BYTES = 8 << 30


def fetch_folder(url: str, folder: Path) -> Path:
    """Fetch a zip and unpack it to a folder, unless that is there."""
    archive = folder.with_name(url.rpartition("/")[2])
    if not folder.is_dir():
        download(url, folder.parent)
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        _unzip(archive, part)
        inner = part
        while len(entries := list(inner.iterdir())) == 1 and entries[0].is_dir():
            inner = entries[0]
        inner.rename(folder)
        shutil.rmtree(part, ignore_errors=True)
    archive.unlink(missing_ok=True)
    return folder


def _unzip(archive: Path, folder: Path) -> None:
    """Unpack a zip whose every member is whole and stays inside the folder."""
    try:
        with zipfile.ZipFile(archive) as zipped:
            _check_members(zipped.infolist())
            if damaged := zipped.testzip():
                raise zipfile.BadZipFile(f"{damaged} is damaged")
            zipped.extractall(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # an encrypted one is a RuntimeError
        archive.unlink()
        raise StoreError(f"{archive} is not a valid zip file and was removed: {error}; fetch it again") from error
    except OSError as error:
        raise StoreError(f"{archive} cannot be unpacked: {error}; then {AGAIN}") from error


def _check_members(members: Sequence[zipfile.ZipInfo]) -> None:
    size = sum(member.file_size for member in members)
    if not 0 < size <= _MOST_BYTES:
        raise zipfile.BadZipFile(f"it unpacks to {size:,} bytes; expected images, of {_MOST_BYTES:,} at most")
    for member in members:
        try:
            below("", member.filename)
        except InputError as error:
            raise zipfile.BadZipFile(f"its member {member.filename!r} would leave the folder") from error
