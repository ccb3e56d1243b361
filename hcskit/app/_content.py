"""What a run holds, read once a session, and its answers to what a selection asks."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import pandas as pd
import xarray as xr

from hcskit.actions import read_masks, read_notes
from hcskit.app._selection import Selection, known, place_of
from hcskit.errors import HcskitError
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
    read_table,
)
from hcskit.store import lazy_plates
from hcskit.views import contrast_limits

__all__ = ["Content"]


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
        self._levels: dict[int, dict[str, xr.Dataset]] = {}
        self._limits: dict[str, dict[str, tuple[float, float]]] = {}

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

    def level(self, number: int) -> dict[str, xr.Dataset]:
        """Return the plates by name, without pixels, at a level of the image pyramid."""
        if number not in self._levels:
            self._levels[number] = lazy_plates(self.folder, number)
        return self._levels[number]

    @property
    def plates(self) -> dict[str, xr.Dataset]:
        """The plates by name; none where there are no images."""
        return {} if self.lacking(PLATES) else self.level(0)

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
        """Readouts of the masked treated wells, in the units of the fits; None where the run has no readouts."""
        if self.lacking(READOUTS):
            return None
        readouts = self.table(READOUTS)
        hidden = pd.MultiIndex.from_frame(readouts[["plate", "well"]]).isin(self.masks.index)
        return readouts[hidden]

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
        found = []
        for plate, well in map(place_of, selection.wells):
            if plate in self.plates and well in self.plates[plate]["well"].to_numpy():
                found.append((plate, well))
        if found or not selection.compounds:
            return list(dict.fromkeys(found))
        return self.wells_of(selection.compounds[0])

    def wells_of(self, compound: str) -> list[tuple[str, str]]:
        """Return the wells that were treated with a compound."""
        return [
            (name, str(well))
            for name, plate in self.plates.items()
            if "compound" in plate.coords
            for well in plate["well"].to_numpy()[
                ((plate["compound"] == compound) & (plate["role"] == "treatment")).to_numpy()
            ]
        ]

    def treated_with(self, wells: list[tuple[str, str]]) -> list[str]:
        """Return the compounds that some wells were treated with."""
        found = []
        for name, well in wells:
            plate = self.plates.get(name)
            if plate is not None and "compound" in plate.coords:
                one = plate[["compound", "role"]].sel(well=well)
                found += [str(one["compound"].item())] if one["role"].item() == "treatment" else []
        return list(dict.fromkeys(found))

    def limits(self, plate: str) -> dict[str, tuple[float, float]]:
        """Return the contrast of each channel of a plate; taken at a level that is quick to read."""
        if plate not in self._limits:
            flat = self.level(2)[plate]
            for axis in ("time", "z"):
                flat = flat.isel({axis: flat.sizes[axis] // 2}) if axis in flat.dims else flat
            self._limits[plate] = contrast_limits(flat)
        return self._limits[plate]

    @property
    def mechanisms(self) -> dict[str, str]:
        """Mechanism of action of each compound, as the plate maps have it."""
        found: dict[str, str] = {}
        for plate in self.plates.values():
            if {"moa", "compound", "role"} <= set(plate.coords):
                wells = plate[["moa", "compound", "role"]].to_dataframe()
                own = wells[(wells["role"] == "treatment") & wells["moa"].notna()].drop_duplicates("compound")
                found = dict(zip(own["compound"], own["moa"].astype(str), strict=True)) | found
        return found

    @property
    def quantities(self) -> list[str]:
        """What a plate can show."""
        measured = [] if self.lacking(QUALITY) else ["focus_z", "saturation", "mean"]
        return [*self.readouts, *(["concentration"] if self.plates else []), *measured]
