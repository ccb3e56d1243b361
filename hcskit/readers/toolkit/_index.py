"""The image index of a plate: which file holds which image."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from hcskit.errors import ReaderError
from hcskit.flatfield import Flatfield
from hcskit.plate import parse_well
from hcskit.readers.toolkit._files import check_alone, read_header, sample
from hcskit.readers.toolkit._header import Header
from hcskit.screen import Coordinate, PlateInfo

__all__ = ["KEYS", "ImageIndex"]

#: The labels of an image on its plate, in the order of `hcskit.screen.DIMS`.
KEYS = ("well", "field", "time", "channel", "z")
_SAME = "import them as separate plates"


@dataclass(frozen=True)
class ImageIndex:
    """Which file holds which image of one plate. A reader makes it, and opens no image for it.

    Attributes
    ----------
    plate : str
        The plate's id, such as its barcode.
    table : pandas.DataFrame
        One row an image: ``well`` (``A01``), ``field``, ``channel`` (its name) and ``path``; ``time`` and ``z`` where
        they are told apart, as the export numbers them, and ``page`` (from 0) where a file holds several images.
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
        Files that the export names and that are not there; no row of `table` has one of them.
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
    flatfield: Mapping[str, Flatfield] = field(default_factory=dict)
    plate_map: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()
    tagged: bool = False
    absent: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        missing = {"time": 1, "z": 1, "page": 0}
        table = self.table.assign(**{name: first for name, first in missing.items() if name not in self.table})
        table = table[[*KEYS, "path", "page"]].astype({"field": int, "time": int, "z": int, "page": int, "path": str})
        table["well"] = table["well"].map({name: parse_well(name).name for name in table["well"].unique()})
        strange = sorted({str(name) for name in table["channel"].unique()} - set(self.channels))
        if strange or len(set(self.channels)) < len(self.channels):
            raise ReaderError(
                f"{self.source}: the channels of plate {self.plate} are {', '.join(self.channels)}, each once; "
                f"its images have {', '.join(strange) or 'one of them twice'}"
            )
        table = table.drop_duplicates(ignore_index=True)  # some indexes say the same twice
        object.__setattr__(self, "table", table)
        twice = table[table.duplicated([*KEYS], keep=False)].sort_values([*KEYS, "path"])
        if not twice.empty:
            first = twice.iloc[0]
            same = twice[(twice[[*KEYS]] == first[[*KEYS]]).all(axis=1)]
            raise ReaderError(
                f"{self.source}: {len(twice.drop_duplicates([*KEYS]))} image(s) are there more than once; plate "
                f"{self.plate}, well {first.well}, field {first.field}, channel {first.channel} is both "
                f"{' and '.join(same.path[:2])}; remove one of each"
            )
        shared = table[table.duplicated(["path", "page"], keep=False)].sort_values(["path", "page"])
        if not shared.empty:
            one, other = shared.iloc[0], shared.iloc[1]
            told = [f"{name} {one[name]} and {other[name]}" for name in KEYS if one[name] != other[name]]
            raise ReaderError(
                f"{self.source}: {len(shared)} images of plate {self.plate} share their files with others: {one.path} "
                f"is of {', '.join(told)}; one image has one label, so the export is damaged"
            )

    def without_absent_files(self) -> ImageIndex:
        """Move the images whose files are not there from `table` to `absent`."""
        paths = self.table.path.unique()
        with ThreadPoolExecutor() as pool:
            there = dict(zip(paths, pool.map(_exists, paths), strict=True))
        kept = self.table.path.map(there).to_numpy(dtype=bool)
        lost = tuple(path for path in paths if not there[path])
        return replace(self, table=self.table[kept], absent=(*self.absent, *lost)) if lost else self

    def info(self, *, check: bool = True) -> PlateInfo:
        """Return the plate's labels and the form of its images.

        Parameters
        ----------
        check : bool
            Read the header of every file; otherwise only that of the first, and each is checked when it is read.

        Raises
        ------
        ReaderError
            If there is no image, or a file is not fit to be read: it is no grey image, is shorter than its header
            says, has fewer images than the index wants, or differs from the others in size or pixel type.
        """
        if self.table.empty:
            raise ReaderError(f"{self.source}: plate {self.plate} has no image{self._say_absent()}")
        header = self._common_header() if check else read_header(self.table.path.iloc[0])
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
            coordinates=self._coordinates(wells, fields, channels),
            flatfield={name: profile for name, profile in self.flatfield.items() if name in labels},
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
        rows = [(*labels, names[path], page) for *labels, path, page in self.table.itertuples(index=False, name=None)]
        return hashlib.sha256(repr(sorted(rows)).encode()).hexdigest()

    def well_digests(self) -> dict[str, str]:
        """Return a digest of each well's files, which tells them from other files of the same names."""
        names = self._names()
        with ThreadPoolExecutor() as pool:
            samples = dict(zip(names, pool.map(sample, names), strict=True))
        return {
            str(well): hashlib.sha256(
                repr([(names[path], samples[path]) for path in sorted(set(rows.path))]).encode()
            ).hexdigest()
            for well, rows in self.table.groupby("well")
        }

    def _names(self) -> dict[str, str]:
        """Return each file's name below the folder that they have in common."""
        paths = self.table.path.unique()
        top = os.path.commonpath([Path(path).parent for path in paths])
        return {path: Path(path).relative_to(top).as_posix() for path in paths}

    def _say_absent(self) -> str:
        return f": none of the {len(self.absent)} files it names is there" if self.absent else ""

    def _common_header(self) -> Header:
        paths = self.table.groupby("path").page.max()
        with ThreadPoolExecutor() as pool:
            headers = list(pool.map(read_header, paths.index))
        for (path, page), header in zip(paths.items(), headers, strict=True):
            if page >= header.pages:
                raise ReaderError(f"{path} holds {header.pages} image(s), but image {page + 1} of it is wanted")
            if page == 0:
                check_alone(str(path), header.pages)
        counts = Counter((header.shape, header.dtype) for header in headers)
        if len(counts) > 1:
            usual = counts.most_common(1)[0][0]
            model = next(header for header in headers if (header.shape, header.dtype) == usual)
            path, odd = next(
                pair for pair in zip(paths.index, headers, strict=True) if (pair[1].shape, pair[1].dtype) != usual
            )
            raise ReaderError(
                f"plate {self.plate} mixes images of different size or type: {counts[usual]} are {model.describe()}, "
                f"but {path} is {odd.describe()}; {_SAME}"
            )
        sizes = {header.pixel_size for header in headers}
        return headers[0] if len(sizes) == 1 else replace(headers[0], pixel_size=None)

    def _coordinates(
        self, wells: tuple[str, ...], fields: tuple[int, ...], channels: tuple[str, ...]
    ) -> dict[str, Coordinate]:
        found: dict[str, Coordinate] = {}
        for name, unit in (("exposure", "s"), ("excitation", "nm"), ("emission", "nm")):
            values: Mapping[str, float] = getattr(self, name)
            if any(channel in values for channel in channels):
                found[name] = Coordinate(("channel",), [values.get(channel, np.nan) for channel in channels], unit)
        if self.positions is not None:
            every = self.positions.reindex(pd.MultiIndex.from_product([wells, fields]))
            for axis in ("x", "y"):
                grid = every[axis].to_numpy(dtype=float).reshape(len(wells), len(fields))
                found[f"position_{axis}"] = Coordinate(("well", "field"), grid.tolist(), "um")
        return found


def _exists(path: str) -> bool:
    return Path(path).exists()
