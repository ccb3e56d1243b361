"""A run, or a screen, as one object: everything that is in its folder, read when it is asked for."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, Self, overload

import pandas as pd
import xarray as xr

import hcskit.app as app
import hcskit.training as training  # a model's part of it loads Keras: not before a model is asked for
from hcskit.errors import InputError, NotAScreenError
from hcskit.results import (
    CURVES,
    DISTANCES,
    FIELD_PREDICTIONS,
    FIELD_PROFILES,
    FOLD_SCORES,
    HELD_OUT,
    HELD_OUT_CONTROLS,
    HISTORY,
    HITS,
    IMAGE_CONTROLS,
    MASKS,
    MODEL,
    NOTES,
    PARTS,
    PHENOTYPE_CONTROLS,
    PLATE_DRIFT,
    POINTS,
    PREDICTIONS,
    PROFILES,
    QUALITY,
    READOUTS,
    RECORD,
    RESPONSES,
    SALIENCY_MAPS,
    SCORES,
    SET_ASIDE,
    STRENGTHS,
    TRUTH,
    Part,
    RunRecord,
    Table,
    find_table,
    found_tables,
    read_illumination,
    read_table,
)
from hcskit.store import open_plates, open_screen
from hcskit.views import View, further_views

__all__ = ["Run", "open_run"]


class _TableOf:
    """A result table as an attribute of a run."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.__doc__ = f"{table.meaning}, from {table.writer}."

    @overload
    def __get__(self, run: None, owner: type[Run]) -> Self: ...
    @overload
    def __get__(self, run: Run, owner: type[Run]) -> pd.DataFrame: ...
    def __get__(self, run: Run | None, owner: type[Run]) -> Self | pd.DataFrame:
        return self if run is None else read_table(run.folder, self.table)


class Run:
    """What the folder of a run or a screen holds; see `hcskit.results` for the tables and their columns.

    Each part is read when it is asked for, and again the next time: a step that ran meanwhile is seen. A part that is
    not there raises `NotAScreenError`, which says what to run.

    Parameters
    ----------
    folder : path-like
        Folder of a run, a screen, or a cross-validation.
    model : path-like, optional
        Folder of the trained model, where it came from elsewhere; by default that of the run.

    Raises
    ------
    NotAScreenError
        If there is no such folder, or nothing in it is part of a run.
    """

    set_aside = _TableOf(SET_ASIDE)
    quality = _TableOf(QUALITY)
    image_controls = _TableOf(IMAGE_CONTROLS)
    field_predictions = _TableOf(FIELD_PREDICTIONS)
    predictions = _TableOf(PREDICTIONS)
    strengths = _TableOf(STRENGTHS)
    distances = _TableOf(DISTANCES)
    readouts = _TableOf(READOUTS)
    phenotype_controls = _TableOf(PHENOTYPE_CONTROLS)
    plate_drift = _TableOf(PLATE_DRIFT)
    saliency_maps = _TableOf(SALIENCY_MAPS)
    field_profiles = _TableOf(FIELD_PROFILES)
    profiles = _TableOf(PROFILES)
    masks = _TableOf(MASKS)
    responses = _TableOf(RESPONSES)
    points = _TableOf(POINTS)
    curves = _TableOf(CURVES)
    hits = _TableOf(HITS)
    compound_notes = _TableOf(NOTES)
    held_out = _TableOf(HELD_OUT)
    fold_scores = _TableOf(FOLD_SCORES)
    scores = _TableOf(SCORES)
    held_out_controls = _TableOf(HELD_OUT_CONTROLS)

    def __init__(self, folder: str | Path, model: str | Path | None = None) -> None:
        self.folder = Path(folder)
        self._model = None if model is None else Path(model)
        if not self.folder.is_dir():
            raise NotAScreenError(f"there is no folder {folder}")
        if not any(part.there(folder) for part in PARTS):
            raise NotAScreenError(f"{folder} holds no part of a run or a screen; import a plate first")

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.resolve().name

    @property
    def plates(self) -> dict[str, xr.Dataset]:
        """The plates by name, lazy, ready to be analysed; as `hcskit.open_plates` gives them."""
        return open_plates(self.folder)

    @property
    def screen(self) -> xr.DataTree:
        """The plates with their results, as `hcskit.open_screen` gives them."""
        return open_screen(self.folder)

    @property
    def illumination(self) -> xr.Dataset:
        """Illumination of the plates: ``flat`` (plate, channel, y, x) and ``dark`` (plate, channel)."""
        return read_illumination(self.folder)

    @property
    def model(self) -> training.TrainedModel:
        """The trained network, with its card and recipe."""
        return training.open_model(self._there(MODEL).parent)

    @property
    def history(self) -> pd.DataFrame:
        """Loss and accuracy of each epoch."""
        return pd.read_csv(self._there(HISTORY))

    @property
    def truth(self) -> pd.DataFrame:
        """Known effective concentrations of a simulated plate."""
        return pd.read_csv(self._there(TRUTH))

    @property
    def record(self) -> RunRecord:
        """What was run, with what, and how it ended."""
        record = RunRecord.read(self._there(RECORD).parent)
        assert record is not None  # noqa: S101 - it is there
        return record

    @property
    def tables(self) -> dict[str, Table]:
        """The tables that are there, by name: what each holds. `read` reads one."""
        return found_tables(self.folder)

    @property
    def views(self) -> dict[str, View]:
        """Views of other packages that this run has all parts for, by name; `view` draws one."""
        return {name: view for name, view in further_views().items() if self.has(*view.needs)}

    def has(self, *parts: Part) -> bool:
        """Whether all of some parts are there."""
        return all(self._path(part).exists() for part in parts)

    def read(self, part: Part | str) -> Any:
        """Read a part, or a table, by its declaration or its name."""
        if isinstance(part, str):
            others = {other.name: other for other in PARTS}
            part = self.tables.get(part) or others.get(part) or find_table(part)
        return read_table(self.folder, part) if isinstance(part, Table) else getattr(self, part.name)

    def view(self, name: str) -> Any:
        """Draw a view of another package.

        Raises
        ------
        InputError
            If there is no such view.
        NotAScreenError
            If a part that it needs is not there.
        """
        known = further_views()
        if name not in known:
            raise InputError(f"there is no view {name!r}; known: {', '.join(known) or 'none'}")
        return known[name].of({part.name: self.read(part) for part in known[name].needs})

    def explore(self, selection: app.Selection | None = None) -> Any:
        """Show the dashboard in a cell of a notebook; see `hcskit.app.explore`."""
        return app.explore(self.folder, selection)

    def __repr__(self) -> str:
        there = [f"  {', '.join(own)}: from {writer}" for writer, own, _ in self._by_writer() if own]
        lacking = [f"  {', '.join(own)}: run {writer}" for writer, _, own in self._by_writer() if own]
        return "\n".join([f"Run {self.folder}", "there:", *there, "not yet:", *lacking])

    def _repr_html_(self) -> str:
        cells = [(writer, ", ".join(there), ", ".join(lacking)) for writer, there, lacking in self._by_writer()]
        rows = ["".join(f"<td>{escape(text)}</td>" for text in row) for row in cells]
        head = f"<caption>{escape(str(self.folder))}</caption><tr><th></th><th>there</th><th>not yet</th></tr>"
        return f"<table>{head}{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"

    def _by_writer(self) -> list[tuple[str, list[str], list[str]]]:
        """Return each step or command with the names of its parts that are there, and of those that are not."""
        known = {part.name for part in PARTS}
        others = [table for name, table in self.tables.items() if name not in known]
        found: dict[str, tuple[list[str], list[str]]] = {}
        for part in (*PARTS, *others):
            there = self.has(part)
            if there or part.always:
                found.setdefault(part.writer, ([], []))[0 if there else 1].append(part.name)
        return [(writer, *names) for writer, names in found.items()]

    def _there(self, part: Part) -> Path:
        if not self.has(part):
            raise part.missing(self.folder)
        return self._path(part)

    def _path(self, part: Part) -> Path:
        if self._model is not None and part in (MODEL, HISTORY):
            return self._model / Path(part.where).name
        return part.path(self.folder)


def open_run(folder: str | Path, model: str | Path | None = None) -> Run:
    """Open a run, or a screen, as one object.

    Parameters
    ----------
    folder : path-like
        Folder of a run, a screen, or a cross-validation. Half a run will do: what is not there yet says what to run.
    model : path-like, optional
        Folder of the trained model, where it came from elsewhere; by default that of the run.

    Raises
    ------
    NotAScreenError
        If there is no such folder, or nothing in it is part of a run.

    Examples
    --------
    >>> run = open_run("runs/plate7")  # doctest: +SKIP
    >>> run.responses.loc["taxol"]  # doctest: +SKIP
    """
    return Run(folder, model)
