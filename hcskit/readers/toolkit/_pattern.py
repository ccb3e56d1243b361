"""Layouts that are only file names: a pattern and what its groups mean, in YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

import pandas as pd
from pydantic import Field, field_validator, model_validator

from hcskit.errors import ReaderError
from hcskit.plate import parse_well, row_name
from hcskit.platemap import check_plate_map
from hcskit.readers.toolkit._bad_files import try_header
from hcskit.readers.toolkit._files import IMAGE_SUFFIXES
from hcskit.readers.toolkit._folders import plate_folder, plate_names
from hcskit.readers.toolkit._header import Header
from hcskit.readers.toolkit._index import ImageIndex
from hcskit.readers.toolkit._projections import without_projections
from hcskit.readers.toolkit._reader import Claim
from hcskit.readers.toolkit._times import count_times, parse_time
from hcskit.readers.toolkit._well_numbers import WellNumbers
from hcskit.sections import YamlFile

__all__ = ["FilePattern"]

_PLATE_MAP = ("compound", "concentration", "concentration_unit", "role", "moa", "replicate")
_GROUPS = {"plate", "well", "row", "column", "well_number", "field", "channel", "z", "time", "projection", *_PLATE_MAP}


class FilePattern(YamlFile):
    """A layout whose labels are all in the file names.

    Attributes
    ----------
    name, description : str
        What the layout is called, and where it comes from.
    pattern : str
        Regular expression for a whole file name. With slashes it describes as many folders above the file too. Files
        of other names are left out. Its named groups are

        - ``well``, or ``row`` and ``column``, or ``well_number`` (see `wells`), which counts where names do not tell
          the wells apart;
        - where the name has them, ``plate``, ``field``, ``channel``, ``z``, and ``time``: a number, or words such as
          ``01d04h30m`` and ``2020y03m05d_12h00m``, of which the time points and the coordinate ``elapsed`` are made;
        - ``projection``: what only the name of a projection has. It is left out where its planes are there;
        - ``compound``, ``concentration``, ``concentration_unit``, ``role``, ``moa`` and ``replicate``, which make the
          plate map.
    channels : dict of str to str
        Channel as the name spells it, to the channel's name, in order; empty: names as found, sorted.
    wells : WellNumbers
        How ``well_number`` counts.
    pages : {"channel", "z", "time"}, optional
        What the images of a file are, where it holds several; of channels, in the order of `channels`.
    sample : int, optional
        Where grey images were saved as RGB, the value that is the image: 0 is red, 1 green, 2 blue.
    samples : dict of int to str
        Where each value of an RGB image is a channel of its own, its name.
    concentration_unit, role : str
        Of a plate map whose names do not say them.
    pixel_size_um, z_step_um : float, optional
        Edge of a pixel and distance of two planes in micrometre.
    pixel_size_from_tiff : bool
        The files' resolution tags say the edge of the specimen's pixels (they may also be the camera's).
    one_plate : bool
        Take all folders for one plate, where names do not say the plate; by default each is one.
    """

    content = "a file-name pattern"
    fault = ReaderError

    name: str
    description: str = ""
    pattern: str
    channels: dict[str, str] = Field(default_factory=dict)
    wells: WellNumbers = WellNumbers()
    pages: Literal["channel", "z", "time"] | None = None
    sample: Annotated[int, Field(ge=0, le=3)] | None = None
    samples: dict[Annotated[int, Field(ge=0, le=3)], str] = Field(default_factory=dict)
    concentration_unit: str = ""
    role: str = "treatment"
    pixel_size_um: float | None = None
    z_step_um: float | None = None
    pixel_size_from_tiff: bool = False
    one_plate: bool = False

    @field_validator("pattern")
    @classmethod
    def _has_the_groups(cls, pattern: str) -> str:
        try:
            groups = set(re.compile(pattern).groupindex)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if unknown := groups - _GROUPS:
            raise ValueError(f"unknown group {', '.join(sorted(unknown))}; known: {', '.join(sorted(_GROUPS))}")
        if not groups & {"well", "well_number"} and not {"row", "column"} <= groups:
            raise ValueError("the pattern must name the group well, or row and column, or well_number")
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

    @model_validator(mode="after")
    def _what_is_several_is_named(self) -> Self:
        if self.sample is not None and self.samples:
            raise ValueError("sample and samples exclude one another: one value is the image, or each is a channel")
        if (self.samples or self.pages == "channel") and "channel" in re.compile(self.pattern).groupindex:
            raise ValueError("the channel is in the name, so it is neither the page nor the sample")
        if self.pages == "channel" and not self.channels:
            raise ValueError("pages: channel needs the names of the channels, in the order of the pages")
        return self

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
        table, miscounted = self._with_wells(pd.DataFrame(rows))
        table = self._with_pages(table)
        nameless = table.plate.isna()
        homes = sorted(set(table.home[nameless]))
        names = dict.fromkeys(homes, folder.name) if self.one_plate else plate_names(folder, homes)
        table["plate"] = table.plate.where(~nameless, table.home.map(names))
        several = len(set(names.values()))
        note = f"no file name says the plate: each of {several} folders is taken for one"
        notes = (*miscounted, *([note] if several > 1 else []))
        return [self._plate(folder, str(plate), images, notes) for plate, images in table.groupby("plate")]

    def _with_wells(self, table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
        """Take the wells from their numbers where names do not tell them apart, such as where each is called A1."""
        if "well_number" not in table:
            return table, []
        numbers = table.groupby("well").well_number.nunique()
        if (numbers == 1).all():
            return table, []
        table["well"] = [self.wells.name(number) for number in table.well_number]
        return table, [f"well {numbers.idxmax()} has several running numbers, so the wells are those of the numbers"]

    def _plate(self, folder: Path, plate: str, images: pd.DataFrame, notes: tuple[str, ...]) -> ImageIndex:
        channels = tuple((self.samples or self.channels).values()) or tuple(sorted(set(images.channel)))
        if unknown := sorted(set(images.channel) - set(channels)):
            raise ReaderError(
                f"{folder}: channel {', '.join(unknown)} is not in the channel table of {self.name}; "
                f"it knows {', '.join(self.channels)}"
            )
        times, elapsed = count_times(images.time)
        images = images.assign(time=times)
        kept, projections = without_projections(images, images.projection)
        first = kept.z[~kept.projection].min() if not kept.projection.all() else 1
        return ImageIndex(
            plate,
            kept.assign(z=kept.z.mask(kept.projection, first)),
            channels,
            source=f"{folder} ({self.name})",
            pixel_size=self.pixel_size_um,
            z_step=self.z_step_um,
            plate_format=None if {"well", "row"} & set(re.compile(self.pattern).groupindex) else self.wells.format,
            plate_map=self._plate_map(images, f"{folder} ({self.name}), plate {plate}"),
            tagged=self.pixel_size_from_tiff,
            notes=notes,
            elapsed=elapsed,
            left_out={"projection(s) of planes that are there": projections},
        )

    def _plate_map(self, images: pd.DataFrame, source: str) -> pd.DataFrame | None:
        """Make a plate map of what the names say, where they say a compound."""
        said = [name for name in _PLATE_MAP if name in images]
        if "compound" not in said:
            return None
        rows = images[["well", *said]].drop_duplicates()
        given = {"concentration": "", "concentration_unit": self.concentration_unit, "role": self.role}
        return check_plate_map(rows.assign(**{name: text for name, text in given.items() if name not in said}), source)

    def _with_pages(self, table: pd.DataFrame) -> pd.DataFrame:
        """Give each page and each sample of a file a row of its own."""
        if self.samples:
            chosen = pd.DataFrame({"rgb": list(self.samples), "channel": list(self.samples.values())})
            table = table.drop(columns="channel").merge(chosen, how="cross")
        elif self.sample is not None:
            table["rgb"] = self.sample
        if self.pages is None:
            return table
        with ThreadPoolExecutor() as pool:
            headers = list(pool.map(try_header, table.path))
        if self.pages == "channel":
            counts = [len(self.channels)] * len(table)
        else:  # a file that cannot be read has one page, and is told with the other bad ones
            counts = [header.pages if isinstance(header, Header) else 1 for header in headers]
        table = table.loc[table.index.repeat(counts)].reset_index(drop=True)
        table["page"] = table.groupby(["path", *(["rgb"] if "rgb" in table else [])]).cumcount()
        if self.pages == "channel":
            return table.assign(channel=table.page.map(dict(enumerate(self.channels.values()))))
        return table.assign(**{self.pages: table.page + 1})

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
            well = self._well(found)
            number = {"well_number": int(found["well_number"])} if "well_number" in found else {}
            numbers = {name: int(found.get(name, 1)) for name in ("field", "z")}
            time = parse_time(found.get("time", "1"))
        except ValueError as error:  # InputError is one
            raise ReaderError(f"{file}: {error}; the pattern of {self.name} does not fit it") from error
        channel = found.get("channel", "1")
        return {
            "plate": found.get("plate"),
            "home": None if "plate" in found else plate_folder(folder, file.parents[_depth(self.pattern)], well),
            "well": well,
            **number,
            **numbers,
            "time": time,
            "channel": self.channels.get(channel, channel),
            "projection": "projection" in found,
            **{name: match[name] or "" for name in _PLATE_MAP if name in match.re.groupindex},
            "path": str(file),
        }

    def _well(self, found: Mapping[str, str]) -> str:
        if "well" not in found and "row" not in found:
            return self.wells.name(int(found["well_number"]))
        return _well_name(found.get("well") or _row(found["row"]) + found["column"])


@lru_cache
def _well_name(text: str) -> str:
    return parse_well(text).name


@lru_cache
def _depth(pattern: str) -> int:
    """How many folders above the file a pattern describes; a slash inside brackets is none."""
    return re.sub(r"\[[^]]*\]", "", pattern).count("/")


def _row(text: str) -> str:
    """Letters of a row that a name gives as letters or as a number from 1."""
    return row_name(int(text) - 1) if text.isdigit() and int(text) > 0 else text
