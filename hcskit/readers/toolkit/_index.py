"""The image index of a plate: which file holds which image."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from hcskit.errors import ReaderError
from hcskit.flatfield import Flatfield
from hcskit.names import safe_name
from hcskit.plate import parse_well
from hcskit.readers.toolkit._bad_files import describe_bad_files, find_bad_files, try_header, usual_header
from hcskit.readers.toolkit._header import Header
from hcskit.readers.toolkit._index_table import check_table
from hcskit.screen import Coordinate, PlateInfo

__all__ = ["ImageIndex"]

_PROBES = 8  # files of a plate whose headers are read to open it


@dataclass(frozen=True)
class ImageIndex:
    """Which file holds which image of one plate. A reader makes it, and opens no image for it.

    Attributes
    ----------
    plate : str
        The plate's id, such as its barcode.
    table : pandas.DataFrame
        One row an image: ``well`` (``A01``), ``field``, ``channel`` (its name) and ``path``; ``time`` and ``z`` where
        they are told apart, as the export numbers them, ``page`` (from 0) where a file holds several images, and
        ``rgb`` (0, 1 or 2) where one value of images in colour is meant.
    channels : tuple of str
        Channel names in order.
    source : str
        The folder, and the reader that understood it.
    pixel_size, z_step : float or None
        Edge of a pixel and distance of two planes, in micrometre.
    plate_format : int or None
        Number of wells of the plate.
    exposure, excitation, emission : mapping of str to float
        Of a channel: seconds and nanometres.
    positions : pandas.DataFrame or None
        Index ``well, field``; ``x`` and ``y`` of the field's centre from the well's centre, in micrometre, y upwards.
    acquired : pandas.Series or None
        Index ``well, field``; when the field's first image was taken, in seconds since 1970 (UTC).
    flatfield : mapping of str to Flatfield
        The vendor's illumination profile of a channel.
    plate_map : pandas.DataFrame or None
        Treatments, where the export has them, as `hcskit.platemap.check_plate_map` returns them.
    notes : tuple of str
        What was left out, and why, in words for the user.
    tagged : bool
        Where `pixel_size` is None, take it from the files' resolution tags. Only some programs write the specimen's
        pixel there; others write the camera's, or a screen's.
    absent : tuple of str
        Images that the export says there are and that are not there, each by its file or its labels; no row of `table`
        has one of them.
    left_out : mapping of str to tuple of str
        Files that were left out on purpose, by the reason, such as ``"thumbnail"``.
    bad : mapping of str to str
        Files that cannot be read and were left out, with what is wrong with each; see `without_bad_files`.
    elapsed : mapping of int to float
        Seconds from the first time point to each, where the export says it.
    barcode : str
        What the export calls the plate, where that cannot be its id, such as ``24/06 A``.
    """

    plate: str
    table: pd.DataFrame
    channels: tuple[str, ...]
    source: str
    pixel_size: float | None = None
    z_step: float | None = None
    plate_format: int | None = None
    exposure: Mapping[str, float] = field(default_factory=dict)
    excitation: Mapping[str, float] = field(default_factory=dict)
    emission: Mapping[str, float] = field(default_factory=dict)
    positions: pd.DataFrame | None = None
    acquired: pd.Series | None = None
    flatfield: Mapping[str, Flatfield] = field(default_factory=dict)
    plate_map: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()
    tagged: bool = False
    absent: tuple[str, ...] = ()
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bad: Mapping[str, str] = field(default_factory=dict)
    elapsed: Mapping[int, float] = field(default_factory=dict)
    barcode: str = ""

    def __post_init__(self) -> None:
        if (safe := safe_name(self.plate)) != self.plate:
            object.__setattr__(self, "barcode", self.barcode or self.plate)
            object.__setattr__(self, "plate", safe)
        table = check_table(self.table, plate=self.plate, channels=self.channels, source=self.source)
        object.__setattr__(self, "table", table)

    def without_absent_files(self) -> ImageIndex:
        """Move the images whose files are not there from `table` to `absent`."""
        paths = self.table.path.unique()
        with ThreadPoolExecutor() as pool:
            there = dict(zip(paths, pool.map(_exists, paths), strict=True))
        kept = self.table.path.map(there).to_numpy(dtype=bool)
        lost = tuple(path for path in paths if not there[path])
        return replace(self, table=self.table[kept], absent=(*self.absent, *lost)) if lost else self

    def without_bad_files(self) -> ImageIndex:
        """Move the images whose files cannot be read, or are not like the plate's others, from `table` to `bad`."""
        found = self.bad_files()
        good = replace(self, table=self.table[~self.table.path.isin(found)], bad={**self.bad, **found})
        # On a share, to read all headers again takes minutes.
        good.__dict__["_headers"] = {path: header for path, header in self._headers.items() if path not in found}
        return good

    def bad_files(self) -> dict[str, str]:
        """Read the header of every file; return what is wrong with those that are not fit to be read.

        Raises
        ------
        ReaderError
            If whole channels differ in size or type: that is no fault of single files.
        """
        return find_bad_files(self._headers, self.table, self.plate)

    def info(self, *, check: bool = True) -> PlateInfo:
        """Return the plate's labels and the form of its images.

        Parameters
        ----------
        check : bool
            Read the header of every file, and refuse the plate if one is bad; otherwise only those of some, and each
            is checked when it is read.

        Raises
        ------
        ReaderError
            If there is no image, or a file is not fit to be read: it is no grey image, is shorter than its header
            says, has fewer images than the index wants, or differs from the others in size or pixel type. All such
            files are listed.
        """
        if self.table.empty:
            raise ReaderError(f"{self.source}: plate {self.plate} has no image{self._say_absent()}")
        if check and (bad := self.bad_files()):
            raise ReaderError(describe_bad_files(self.plate, bad, self.table.path.nunique()))
        header = self._usual_header() if check else self._probe()
        return self._describe(header)

    def info_of_good_files(self) -> PlateInfo:
        """Return `info` without regard to bad files: as if each were like the others."""
        self.bad_files()
        return self._describe(self._usual_header())

    def forget_headers(self) -> None:
        """Let the headers of the files be read anew when they are next needed: the files may have changed."""
        self.__dict__.pop("_headers", None)

    @cached_property
    def _headers(self) -> dict[str, Header | ReaderError]:
        paths = self.table.path.unique()
        with ThreadPoolExecutor() as pool:
            return dict(zip(paths, pool.map(try_header, paths), strict=True))

    def _usual_header(self) -> Header:
        return usual_header(self._headers, self.plate)

    def _probe(self) -> Header:
        """Read the headers of some files, spread over the plate: the first may be a bad one."""
        paths = self.table.path.unique()
        some = paths[:: max(1, len(paths) // _PROBES)]
        found = {path: try_header(path) for path in some}
        if not any(isinstance(header, Header) for header in found.values()):
            found = self._headers
        return usual_header(found, self.plate)

    def _describe(self, header: Header) -> PlateInfo:
        times, planes = (tuple(sorted(set(map(int, self.table[name])))) for name in ("time", "z"))
        labels = set(self.table.channel)
        wells = tuple(sorted(set(self.table.well), key=parse_well))
        fields = tuple(sorted(set(map(int, self.table.field))))
        channels = tuple(channel for channel in self.channels if channel in labels)
        return PlateInfo(
            name=self.plate,
            wells=wells,
            fields=fields,
            channels=channels,
            shape=header.shape,
            dtype=header.dtype,
            pixel_size=header.pixel_size if self.pixel_size is None and self.tagged else self.pixel_size,
            source=self.source,
            time=times if len(times) > 1 else (),
            z=planes if len(planes) > 1 else (),
            z_step=self.z_step,
            plate_format=self.plate_format,
            coordinates=self._coordinates(wells, fields, channels, times),
            flatfield={name: profile for name, profile in self.flatfield.items() if name in labels},
            barcode=self.barcode,
        )

    def rows(self, info: PlateInfo) -> npt.NDArray[np.int64]:
        """Return the row of `table` that holds each image, -1 where there is none; shape as ``present``."""
        places = [
            pd.Index(labels).get_indexer(self.table["field" if dim == "field" else dim])
            for dim, labels in info.labels.items()
        ]
        rows = np.full([len(labels) for labels in info.labels.values()], -1)
        rows[tuple(places)] = np.arange(len(self.table))
        return rows

    def fingerprint(self) -> str:
        """Digest of what the plate has: labels and the files' names; the whole folder may be moved."""
        names = self._names()
        table = self.table.assign(path=self.table.path.map(names))
        rows = list(table.itertuples(index=False, name=None))
        return hashlib.sha256(repr(sorted(rows)).encode()).hexdigest()

    def well_files(self) -> dict[str, dict[str, str]]:
        """Return the files of each well, by their names below the folder that all have in common."""
        names = self._names()
        return {
            str(well): {names[path]: path for path in sorted(set(rows.path))}
            for well, rows in self.table.groupby("well")
        }

    def _names(self) -> dict[str, str]:
        """Return each file's name below the folder that they have in common."""
        paths = self.table.path.unique()
        top = os.path.commonpath([Path(path).parent for path in paths])
        return {path: Path(path).relative_to(top).as_posix() for path in paths}

    def check_absent(self, allow_missing: bool = False) -> None:
        """Refuse a plate whose export names images that are not there, unless that is allowed.

        Raises
        ------
        ReaderError
            If there are such images; the message lists them.
        """
        if self.absent and not allow_missing:
            shown = "".join(f"\n  - {path}" for path in self.absent[:20])
            rest = f"\n  - and {len(self.absent) - 20} more" if len(self.absent) > 20 else ""
            raise ReaderError(
                f"{self.source}: {len(self.absent)} image(s) of plate {self.plate} that the export names are not there:"
                f"{shown}{rest}\ncopy them again, or accept the gaps with --allow-missing"
            )

    def _say_absent(self) -> str:
        return f": none of the {len(self.absent)} files it names is there" if self.absent else ""

    def _coordinates(
        self, wells: tuple[str, ...], fields: tuple[int, ...], channels: tuple[str, ...], times: tuple[int, ...]
    ) -> dict[str, Coordinate]:
        found: dict[str, Coordinate] = {}
        for name, unit in (("exposure", "s"), ("excitation", "nm"), ("emission", "nm")):
            values: Mapping[str, float] = getattr(self, name)
            if any(channel in values for channel in channels):
                found[name] = Coordinate(("channel",), [values.get(channel, np.nan) for channel in channels], unit)
        if self.elapsed and len(times) > 1:
            found["elapsed"] = Coordinate(("time",), [self.elapsed.get(time, np.nan) for time in times], "s")
        if self.positions is not None:
            every = self.positions.reindex(pd.MultiIndex.from_product([wells, fields]))
            for axis in ("x", "y"):
                grid = every[axis].to_numpy(dtype=float).reshape(len(wells), len(fields))
                found[f"position_{axis}"] = Coordinate(("well", "field"), grid.tolist(), "um")
        if self.acquired is not None:
            times_of = self.acquired.reindex(pd.MultiIndex.from_product([wells, fields])).to_numpy(dtype=float)
            found["acquired"] = Coordinate(("well", "field"), times_of.reshape(len(wells), len(fields)).tolist(), "s")
        return found


def _exists(path: str) -> bool:
    return Path(path).exists()
