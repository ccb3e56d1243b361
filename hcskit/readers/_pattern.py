"""Layouts that are only file names: a pattern and a table of channels, in YAML."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from hcskit.errors import ReaderError
from hcskit.plate import parse_well
from hcskit.readers._index import ImageIndex

__all__ = ["FilePattern", "presets", "read_folder"]

_PRESETS = Path(__file__).with_name("presets")
_SUFFIXES = {".tif", ".tiff"}
_GROUPS = {"plate", "well", "row", "column", "field", "channel"}


class FilePattern(BaseModel):
    """A layout whose labels are all in the file names.

    Attributes
    ----------
    name, description : str
        What the layout is called, and where it comes from.
    pattern : str
        Regular expression for a whole file name, with the named groups ``well`` (or ``row`` and ``column``) and, where
        the name has them, ``plate``, ``field`` and ``channel``. Files of other names are left out.
    channels : dict of str to str
        Channel as the name spells it, to the channel's name, in order; empty: names as found, sorted.
    pixel_size_um : float, optional
        Edge of a pixel in micrometre.
    pixel_size_from_tiff : bool
        The files' resolution tags say the edge of the specimen's pixels (they may also be the camera's).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str = ""
    pattern: str
    channels: dict[str, str] = {}
    pixel_size_um: float | None = None
    pixel_size_from_tiff: bool = False

    @field_validator("pattern")
    @classmethod
    def _has_the_groups(cls, pattern: str) -> str:
        try:
            groups = set(re.compile(pattern).groupindex)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if unknown := groups - _GROUPS:
            raise ValueError(f"unknown group {', '.join(sorted(unknown))}; known: {', '.join(sorted(_GROUPS))}")
        if "well" not in groups and not {"row", "column"} <= groups:
            raise ValueError("the pattern must name the group well, or row and column")
        return pattern

    @field_validator("channels")
    @classmethod
    def _names_differ(cls, channels: dict[str, str]) -> dict[str, str]:
        if len(set(channels.values())) < len(channels):
            raise ValueError(f"two channels have one name; found {', '.join(channels.values())}")
        return channels

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read a pattern from a YAML file.

        Raises
        ------
        ReaderError
            If the file is missing or is not a pattern.
        """
        try:
            return cls.model_validate(yaml.safe_load(Path(path).read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
            raise ReaderError(f"{path} is not a file-name pattern: {error}") from error

    def index(self, folder: Path, files: list[Path], plate: str | None = None) -> ImageIndex:
        """Index the files whose names match, out of those found in `folder`."""
        rows = [row for file in files if (row := self._labels(file)) is not None]
        table = pd.DataFrame(rows).fillna({"plate": plate or folder.name})
        names = tuple(self.channels.values()) or tuple(sorted(set(table.channel)))
        unknown = sorted(set(table.channel) - set(names))
        if unknown:
            raise ReaderError(
                f"{folder}: channel {', '.join(unknown)} is not in the channel table of {self.name}; "
                f"it knows {', '.join(self.channels)}"
            )
        return ImageIndex(
            table, names, self.pixel_size_um, source=f"{folder} ({self.name})", tagged=self.pixel_size_from_tiff
        )

    def matches(self, file: Path) -> bool:
        """Whether a file's name fits the pattern."""
        return re.fullmatch(self.pattern, file.name) is not None

    def _labels(self, file: Path) -> dict[str, object] | None:
        match = re.fullmatch(self.pattern, file.name)
        if match is None:
            return None
        found = {name: text for name, text in match.groupdict().items() if text is not None}
        try:
            well = parse_well(found.get("well") or found["row"] + found["column"]).name
            field = int(found.get("field", 1))
        except ValueError as error:  # InputError is one
            raise ReaderError(f"{file}: {error}; the pattern of {self.name} does not fit it") from error
        channel = found.get("channel", "1")
        return {
            "plate": found.get("plate"),
            "well": well,
            "field": field,
            "channel": self.channels.get(channel, channel),
            "path": str(file),
        }


def presets() -> dict[str, FilePattern]:
    """Return the layouts that hcskit ships, by name.

    Examples
    --------
    >>> "bbbc013" in presets()
    True
    """
    patterns = map(FilePattern.from_yaml, sorted(_PRESETS.glob("*.yaml")))
    return {pattern.name: pattern for pattern in patterns}


def read_folder(folder: str | Path, reader: str | Path | None = None, plate: str | None = None) -> ImageIndex:
    """Index the TIFF files under a folder.

    Parameters
    ----------
    folder : path-like
        Searched with its subfolders.
    reader : str or path-like, optional
        Name of a preset, or a YAML file that describes a `FilePattern`; by default the preset that fits most files.
    plate : str, optional
        What to call the plate where the file names do not; by default the folder's name.

    Raises
    ------
    ReaderError
        If the folder is missing or holds no TIFF, no preset fits, or an image is there twice.
    """
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise ReaderError(f"there is no folder {folder}")
    files = sorted(file for file in folder.rglob("*") if _is_image(file))
    if not files:
        raise ReaderError(f"{folder} holds no TIFF file (.tif, .tiff), and neither do its subfolders")
    known = presets()
    if reader is None:
        pattern = max(known.values(), key=lambda candidate: sum(map(candidate.matches, files)))
    elif str(reader) in known:
        pattern = known[str(reader)]
    elif Path(reader).suffix in {".yaml", ".yml"}:
        pattern = FilePattern.from_yaml(reader)
    else:
        raise ReaderError(
            f"there is no reader {str(reader)!r}; known: {', '.join(known)}, or the path of a YAML pattern"
        )
    if not any(map(pattern.matches, files)):
        raise ReaderError(
            f"{folder}: no reader fits file names such as {files[0].name!r} (tried {reader or ', '.join(known)}); "
            "describe the layout in a YAML file and give it as the reader"
        )
    return pattern.index(folder, files, plate)


def _is_image(file: Path) -> bool:
    """Whether a file is a TIFF by its name; macOS leaves ``._name.tif`` beside each file that it copies."""
    return file.suffix.lower() in _SUFFIXES and not file.name.startswith(".") and file.is_file()
