"""What a run holds, read once for all sessions, and its answers to what a selection asks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from hcskit.actions import masked_as_fitted, read_masks, read_notes
from hcskit.app._selection import Selection, known, place_of
from hcskit.errors import HcskitError
from hcskit.preprocess import shrink_illumination
from hcskit.response import lead_readouts
from hcskit.results import (
    CURVES,
    PLATES,
    POINTS,
    PREDICTIONS,
    QUALITY,
    READOUTS,
    RECORD,
    RESPONSES,
    Part,
    RunRecord,
    Table,
    read_illumination,
    read_table,
)
from hcskit.store import at_level, lazy_plates
from hcskit.views import contrast_limits

__all__ = ["Content", "content_of", "stamp_of"]

_OF_WELLS = ("role", "compound", "concentration", "concentration_unit", "moa")
Stamp = tuple[tuple[str, int, int], ...]
_KEPT: dict[Path, tuple[Stamp, Content]] = {}
_MOST = 4  # runs that are kept
_NO_WELL = pd.MultiIndex.from_arrays([[], []], names=["plate", "well"])


def content_of(folder: str | Path) -> Content:
    """Return the content of a run. All sessions share it, so none changes a table, until a file of the run changes."""
    place, stamp = Path(folder).resolve(), stamp_of(Path(folder), "*", "*.zarr/zarr.json", "results/*")
    kept = _KEPT.pop(place, None)
    if kept is None or kept[0] != stamp:
        kept = stamp, Content(folder)
    _KEPT[place] = kept
    while len(_KEPT) > _MOST:
        _KEPT.pop(next(iter(_KEPT)))
    return kept[1]


def stamp_of(folder: Path, *patterns: str) -> Stamp:
    """Return what differs once a step, or a mask, has written one of the files that patterns name."""
    found = []
    for pattern in patterns:
        for path in folder.glob(pattern):
            with suppress(FileNotFoundError):  # a file that is being written has another name until it is whole
                about = path.stat()
                found.append((str(path), about.st_mtime_ns, about.st_size))
    return tuple(sorted(found))


class _Level(dict[str, xr.Dataset]):
    """The plates at a level of the image pyramid, by name."""

    def __init__(self, plates: Mapping[str, xr.Dataset], number: int) -> None:
        self.plates, self.number = plates, number

    def __missing__(self, name: str) -> xr.Dataset:
        self[name] = at_level(self.plates[name], self.number)
        return self[name]


class Content:
    """The parts of a run that the dashboard shows, each read when it is first needed.

    Parameters
    ----------
    folder : path-like
        Folder of the run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._tables: dict[str, pd.DataFrame] = {}
        self._levels: dict[int, _Level] = {}
        self._limits: dict[str, dict[str, tuple[float, float]]] = {}
        self.light = lru_cache(maxsize=8)(self._light)

    def lacking(self, *parts: Part) -> str:
        """Say what is missing or damaged of some parts, and what makes it; empty if all can be read."""
        for part in parts:
            try:
                if isinstance(part, Table):
                    self.table(part)
                elif not part.there(self.folder):
                    raise part.missing(self.folder)
                elif part is PLATES:
                    self.level(0)
            except HcskitError as error:
                return str(error)
        return ""

    def table(self, table: Table) -> pd.DataFrame:
        """Return a table of the run."""
        if table.name not in self._tables:
            found = read_table(self.folder, table)
            # Rows are looked up by their labels, which is slow, and warned of, where these are not sorted.
            self._tables[table.name] = found.sort_index() if table.index else found
        return self._tables[table.name]

    def read_again(self) -> None:
        """Forget the tables: something has written them."""
        self._tables.clear()
        self.__dict__.pop("leads", None)

    def level(self, number: int) -> Mapping[str, xr.Dataset]:
        """Return the plates by name, without pixels, at a level of the image pyramid; each is made when asked for."""
        return self._levels.setdefault(number, _Level(self._opened, number))

    @cached_property
    def _opened(self) -> dict[str, xr.Dataset]:
        return lazy_plates(self.folder)

    @property
    def plates(self) -> dict[str, xr.Dataset]:
        """The plates by name; none where there are no images."""
        return {} if self.lacking(PLATES) else self._opened

    @cached_property
    def treatments(self) -> pd.DataFrame:
        """What the plate maps say of each well, and whether it has images; index plate and well, in their order."""
        tables = {}
        for name, plate in self.plates.items():
            present = plate["present"]
            columns = {column: plate[column].to_numpy() for column in _OF_WELLS if column in plate.coords}
            imaged = present.any([dim for dim in present.dims if dim != "well"]).to_numpy()
            index = pd.Index(plate["well"].to_numpy().astype(str), name="well")
            tables[name] = pd.DataFrame({"imaged": imaged, **columns}, index=index)
        found = pd.concat(tables, names=["plate"]) if tables else pd.DataFrame(index=_NO_WELL)
        return found.reindex(columns=["imaged", *_OF_WELLS])

    @cached_property
    def of_wells(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The treatments by plate and well: pandas takes milliseconds to look up a row."""
        rows: Any = self.treatments.to_dict("index")
        return dict(rows)

    @cached_property
    def _treated(self) -> dict[str, list[tuple[str, str]]]:
        """The wells that were treated with each compound."""
        rows = self.treatments[self.treatments["role"] == "treatment"]
        return {str(name): list(own) for name, own in rows.groupby("compound", observed=True).groups.items()}

    @cached_property
    def leads(self) -> dict[str, str]:
        """Lead readout of each compound."""
        return {str(name): str(readout) for name, readout in lead_readouts(self.table(RESPONSES)).items()}

    @property
    def record(self) -> RunRecord | None:
        """What was run, and how far it is; None where there is no record, or none that can be read."""
        try:
            return RunRecord.read(self.folder) if RECORD.there(self.folder) else None
        except HcskitError:
            return None

    @property
    def masks(self) -> pd.DataFrame:
        """Wells that are masked."""
        return read_masks(self.folder)

    @property
    def notes(self) -> pd.DataFrame:
        """What was noted of compounds."""
        return read_notes(self.folder)

    @property
    def masked_points(self) -> pd.DataFrame | None:
        """Readouts of the masked wells, in the unit of the fits; None where the run has no readouts or no fits."""
        if self.lacking(READOUTS, RESPONSES):
            return None
        return masked_as_fitted(self.table(READOUTS), self.masks, self.table(RESPONSES))

    @property
    def readouts(self) -> list[str]:
        """Names of the readouts that were fitted, in the order of the table."""
        if self.lacking(RESPONSES):
            return []
        return [str(name) for name in self.table(RESPONSES).index.get_level_values("readout").unique()]

    @property
    def plate_names(self) -> list[str]:
        """Names of the plates that have images, or else points."""
        if self.plates:
            return list(self.plates)
        return [] if self.lacking(POINTS) else [str(name) for name in self.table(POINTS)["plate"].unique()]

    def is_probability(self, readout: str) -> bool:
        """Whether a readout is the probability of a phenotype."""
        if self.lacking(PREDICTIONS):
            return False
        return readout in self.table(PREDICTIONS).index.get_level_values("phenotype")

    def plate(self, selection: Selection) -> str:
        """Return the name of the plate that is looked at; empty if there is none."""
        names = self.plate_names
        return next(iter(known([selection.plate], names)), names[0] if names else "")

    def fits(self, selection: Selection) -> list[tuple[str, str]]:
        """Return the compounds that are looked at, each with its readout."""
        if self.lacking(RESPONSES, POINTS, CURVES):
            return []
        chosen = known(selection.compounds, self.leads)
        readout = next(iter(known([selection.readout], self.readouts)), "")
        return [(name, readout or self.leads[name]) for name in chosen]

    def wells(self, selection: Selection) -> list[tuple[str, str]]:
        """Return the wells whose cells are looked at: the selected, or those of the first selected compound."""
        found = known(list(map(place_of, selection.wells)), self.treatments.index)
        return found if found or not selection.compounds else self.wells_of(selection.compounds[0])

    def wells_of(self, compound: str) -> list[tuple[str, str]]:
        """Return the wells that were treated with a compound."""
        return self._treated.get(compound, [])

    def treated_with(self, wells: list[tuple[str, str]]) -> list[str]:
        """Return the compounds that some wells were treated with."""
        rows = self.treatments.loc[known(wells, self.treatments.index)]
        return list(dict.fromkeys(rows.loc[rows["role"] == "treatment", "compound"].astype(str)))

    def limits(self, plate: str) -> dict[str, tuple[float, float]]:
        """Return the contrast of each channel of a plate; taken at a level that is quick to read."""
        if plate not in self._limits:
            flat = self.level(2)[plate]
            for axis in ("time", "z"):
                flat = flat.isel({axis: flat.sizes[axis] // 2}) if axis in flat.dims else flat
            self._limits[plate] = contrast_limits(flat)
        return self._limits[plate]

    def _light(self, plate: str, shape: tuple[int, int]) -> xr.Dataset:
        """Return the illumination of a plate, at the size of its images at a level of the pyramid."""
        return shrink_illumination(read_illumination(self.folder, [plate]).sel(plate=plate), shape)

    @cached_property
    def mechanisms(self) -> dict[str, str]:
        """Mechanism of action of each compound, as the plate maps have it."""
        rows = self.treatments[(self.treatments["role"] == "treatment") & self.treatments["moa"].notna()]
        rows = rows.drop_duplicates("compound")
        return dict(zip(rows["compound"].astype(str), rows["moa"].astype(str), strict=True))

    @property
    def quantities(self) -> list[str]:
        """What a plate can show."""
        measured = [] if self.lacking(QUALITY) else ["focus_z", "saturation", "mean"]
        return [*self.readouts, *(["concentration"] if self.plates else []), *measured]
