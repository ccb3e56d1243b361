"""Layouts that are only file names: a pattern and a table of channels, in YAML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Self

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from hcskit.errors import ReaderError, what_is_wrong
from hcskit.plate import parse_well, row_name
from hcskit.readers.toolkit._files import IMAGE_SUFFIXES
from hcskit.readers.toolkit._index import ImageIndex
from hcskit.readers.toolkit._reader import Claim

__all__ = ["FilePattern"]

_GROUPS = {"plate", "well", "row", "column", "field", "channel", "z", "time"}


class FilePattern(BaseModel):
    """A layout whose labels are all in the file names.

    Attributes
    ----------
    name, description : str
        What the layout is called, and where it comes from.
    pattern : str
        Regular expression for a whole file name, with the named groups ``well`` (or ``row`` and ``column``) and, where
        the name has them, ``plate``, ``field``, ``channel``, ``z`` and ``time``. With slashes it describes as many
        folders above the file too. Files of other names are left out.
    channels : dict of str to str
        Channel as the name spells it, to the channel's name, in order; empty: names as found, sorted.
    pixel_size_um, z_step_um : float, optional
        Edge of a pixel and distance of two planes in micrometre.
    pixel_size_from_tiff : bool
        The files' resolution tags say the edge of the specimen's pixels (they may also be the camera's).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str = ""
    pattern: str
    channels: dict[str, str] = {}
    pixel_size_um: float | None = None
    z_step_um: float | None = None
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

    @field_validator("channels", mode="before")
    @classmethod
    def _spelled_as_numbers(cls, channels: object) -> object:
        """YAML takes ``1: DNA`` for a number."""
        return {str(key): name for key, name in channels.items()} if isinstance(channels, dict) else channels

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
            raise ReaderError(f"{path} is not a file-name pattern: {what_is_wrong(error)}") from error

    def claim(self, folder: Path, files: Sequence[Path]) -> Claim | None:
        """Claim the files whose names fit."""
        fits = [file for file in files if self._match(folder, file)]
        if not fits:
            return None
        return Claim(f"{len(fits)} of {len(files)} files are named like {fits[0].name}", len(fits))

    def index(self, folder: Path, files: Sequence[Path]) -> list[ImageIndex]:
        """Index the files whose names fit; where these do not say the plate, each folder of them is one."""
        rows = [row for file in files if (row := self._labels(folder, file)) is not None]
        if not rows:
            return []
        table = pd.DataFrame(rows)
        nameless = table.plate.isna()
        homes = sorted(set(table.home[nameless]))
        table["plate"] = table.plate.where(~nameless, table.home.map(_plate_names(folder, homes)))
        said = f"no file name says the plate: each of {len(homes)} folders is taken for one"
        names = tuple(self.channels.values()) or tuple(sorted(set(table.channel)))
        unknown = sorted(set(table.channel) - set(names))
        if unknown:
            raise ReaderError(
                f"{folder}: channel {', '.join(unknown)} is not in the channel table of {self.name}; "
                f"it knows {', '.join(self.channels)}"
            )
        return [
            ImageIndex(
                str(plate),
                images,
                names,
                source=f"{folder} ({self.name})",
                pixel_size=self.pixel_size_um,
                z_step=self.z_step_um,
                tagged=self.pixel_size_from_tiff,
                notes=(said,) if len(homes) > 1 else (),
            )
            for plate, images in table.groupby("plate")
        ]

    def _match(self, folder: Path, file: Path) -> re.Match[str] | None:
        if file.suffix.lower() not in IMAGE_SUFFIXES:
            return None
        return re.fullmatch(self.pattern, "/".join(file.parts[len(folder.parts) - 1 :][-1 - _depth(self.pattern) :]))

    def _labels(self, folder: Path, file: Path) -> dict[str, object] | None:
        match = self._match(folder, file)
        if match is None:
            return None
        found = {name: text for name, text in match.groupdict().items() if text is not None}
        try:
            well = parse_well(found.get("well") or _row(found["row"]) + found["column"]).name
            numbers = {name: int(found.get(name, 1)) for name in ("field", "z", "time")}
        except ValueError as error:  # InputError is one
            raise ReaderError(f"{file}: {error}; the pattern of {self.name} does not fit it") from error
        channel = found.get("channel", "1")
        return {
            "plate": found.get("plate"),
            "home": file.parents[_depth(self.pattern)],
            "well": well,
            **numbers,
            "channel": self.channels.get(channel, channel),
            "path": str(file),
        }


@lru_cache
def _depth(pattern: str) -> int:
    """How many folders above the file a pattern describes; a slash inside brackets is none."""
    return re.sub(r"\[[^]]*\]", "", pattern).count("/")


def _plate_names(folder: Path, homes: Sequence[Path]) -> dict[Path, str]:
    """Call each of several folders by its name, or by those of the folders above it too where two have one name.

    Examples
    --------
    >>> _plate_names(Path("run"), [Path("run/P1/Images"), Path("run/P2/Images")]).values()
    dict_values(['P1-Images', 'P2-Images'])
    """
    if len(homes) == 1:
        return {homes[0]: folder.name}
    names = {home: home.name for home in homes}
    if len(set(names.values())) < len(homes):
        names = {home: "-".join(home.relative_to(folder).parts) or folder.name for home in homes}
    return names


def _row(text: str) -> str:
    """Letters of a row that a name gives as letters or as a number from 1."""
    return row_name(int(text) - 1) if text.isdigit() and int(text) > 0 else text
