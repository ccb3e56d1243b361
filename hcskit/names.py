"""Names of files, made of names that a file or a user gave."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from unicodedata import normalize

from hcskit.errors import InputError

__all__ = ["alike", "below", "child", "safe_name"]

_LONGEST = 200  # bytes of a name; file systems take 255, and suffixes come on top
_LONGEST_PART = 255  # characters of a part of a path that no file system exceeds
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # half a surrogate pair cannot be a path either
_FORBIDDEN = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f\ud800-\udfff]|^[.\s]+|[.\s]+$')


def child(folder: str | Path, name: str, suffix: str = "") -> Path:
    """Return the path of something directly in a folder, from a name that a file or a user gave.

    Every path that is made of such a name is made here, so that no name leads out of the folder, whatever it is.

    Parameters
    ----------
    folder : path-like
        The folder.
    name : str
        The name, such as a plate's.
    suffix : str
        What the path's last part ends in, such as ``.zarr``.

    Raises
    ------
    InputError
        If the name cannot be that of a file on every system: it is empty or too long, begins with a dot, ends in a dot
        or a space, or holds a slash, a backslash, a colon or a control character.

    Examples
    --------
    >>> child("screen", "Plate 7", ".zarr").as_posix()
    'screen/Plate 7.zarr'
    """
    if not name or _FORBIDDEN.search(name) or len(name.encode(errors="surrogatepass")) > _LONGEST:
        raise InputError(
            f"{_shown(name)!r} cannot be the name of a file or folder: expected 1 to {_LONGEST} bytes without "
            '/ \\ : * ? " < > | and control characters, '
            "not beginning with a dot or a space, nor ending in one; give it another name"
        )
    return Path(folder) / f"{name}{suffix}"


def below(folder: str | Path, name: str) -> Path:
    r"""Return the path of something in a folder or in its subfolders, from a relative path that a file gave.

    The names of an export's files are its own, and may be what `child` refuses to make; none leads out of the folder.

    Parameters
    ----------
    folder : path-like
        The folder.
    name : str
        The relative path, with slashes or backslashes.

    Raises
    ------
    InputError
        If it is empty or absolute, has a drive letter or ``..`` in it, or cannot be a path at all.

    Examples
    --------
    >>> below("export", r"Images\a.tif").as_posix()
    'export/Images/a.tif'
    """
    parts = name.replace("\\", "/").split("/")
    leads_out = not parts[0] or ":" in parts[0] or ".." in parts
    if leads_out or _CONTROL.search(name) or max(map(len, parts)) > _LONGEST_PART:
        raise InputError(f"{_shown(name)!r} is not the name of a file in its own folder or below")
    return Path(folder).joinpath(*parts)


def alike(names: Iterable[str]) -> list[str]:
    """Return the first names that are equal but for case or Unicode form: one file, for Windows and macOS.

    Examples
    --------
    >>> alike(["Plate 1", "plate 1", "Plate 2"]), alike(["P1", "P2"])
    (['Plate 1', 'plate 1'], [])
    """
    spelled: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        spelled.setdefault(normalize("NFC", normalize("NFC", name).casefold()), []).append(name)
    return next((same for same in spelled.values() if len(same) > 1), [])


def safe_name(name: str) -> str:
    """Return a name as one that `child` takes, unless it is empty or too long; most names stay as they are.

    Examples
    --------
    >>> safe_name("24/06 A?"), safe_name("Plate-7")
    ('24_06 A_', 'Plate-7')
    """
    return _FORBIDDEN.sub("_", name.strip())


def _shown(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:40]}…"
