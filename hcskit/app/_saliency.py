"""What speaks for a phenotype in the fields that are shown: computed by the run's model, when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import panel as pn
import param
import xarray as xr

from hcskit.actions import saliency
from hcskit.app._content import Content, stamp_of
from hcskit.errors import HcskitError
from hcskit.results import ILLUMINATION, MODEL, QUALITY
from hcskit.screen import field_table
from hcskit.training import load_card

__all__ = ["Found", "Maps", "explained"]

#: Plate, well and field.
Field = tuple[str, str, int]
_KEPT = 32  # answers, for all who look
_FULL = 0.99  # quantile of what is shown that has the full colour
_WORKER = ThreadPoolExecutor(1, thread_name_prefix="saliency")  # a network at a time, beside the server
_SOURCES = (MODEL.where, "*.zarr/zarr.json", ILLUMINATION.where, QUALITY.where)  # what an answer is made from
_ASKED: dict[tuple[Any, ...], Future[xr.DataArray]] = {}


@dataclass(frozen=True)
class Found:
    """Maps of fields; or, in words, why there are none.

    Attributes
    ----------
    said : str
        Why there are none, or none yet; empty where there are.
    maps : mapping
        By plate, well and field.
    limit : float
        Strength that has the full colour, the same for all.
    """

    said: str = ""
    maps: Mapping[Field, xr.DataArray] | None = None
    limit: float = 1.0

    def map_of(self, place: Field) -> xr.DataArray | None:
        """Return the map of a field; None where there is none."""
        return None if self.maps is None else self.maps.get(place)


class Maps(param.Parameterized):
    """The maps that one session sees; `value` rises when those that were asked for have come."""

    value = param.Integer(default=0)

    def __init__(self, content: Content) -> None:
        super().__init__()
        self._content = content
        self._awaited: Future[xr.DataArray] | None = None

    def of(self, places: Sequence[Field], phenotype: str) -> Found:
        """Return the maps of fields, or say that they are being made; nothing is made if no phenotype is named."""
        usable = [place for place in places if phenotype and place in _usable(self._content, place[0])]
        if not usable:
            return Found("" if not (phenotype and places) else "The quality step excluded all fields that are shown.")
        lacking = self._content.lacking(MODEL)
        if lacking:
            return Found(f"Saliency needs the run's model: {lacking}")
        future = _ask(self._content, tuple(usable), phenotype)
        if not future.done():
            if future is not self._awaited:
                self._awaited = future
                future.add_done_callback(_back(self._come))
            return Found("Saliency is being computed by the run's model; it appears when it is done.")
        if future.exception() is not None:
            _forget(future)
        try:
            return _found(usable, future.result())
        except HcskitError as error:
            return Found(str(error))

    def _come(self) -> None:
        self.value += 1


def explained(content: Content) -> list[str]:
    """Return the phenotypes that the run's model can explain; none without a model, or one that knows no controls."""
    try:
        card = None if content.lacking(MODEL) else load_card(content.folder / "model")
    except HcskitError:
        return []
    return [] if card is None or card.untreated is None else list(card.untreated.phenotypes)


def _ask(content: Content, places: tuple[Field, ...], phenotype: str) -> Future[xr.DataArray]:
    """Return the answer, or the promise of one; what several sessions look at is computed once."""
    model = MODEL.path(content.folder)
    key = (stamp_of(content.folder.resolve(), *_SOURCES), phenotype, places)
    if key not in _ASKED:
        while len(_ASKED) >= _KEPT:
            _ASKED.pop(next(iter(_ASKED)))
        _ASKED[key] = _WORKER.submit(saliency, content.folder, model.parent, places, phenotype, progress=False)
    return _ASKED[key]


def _forget(future: Future[xr.DataArray]) -> None:
    """Let what has failed be computed anew when it is asked for again: its cause may be gone."""
    for key in [key for key, kept in _ASKED.items() if kept is future]:
        del _ASKED[key]


def _usable(content: Content, plate: str) -> set[Field]:
    fields = field_table(content.plates[plate])
    return {(plate, str(well), int(field)) for well, field in fields[["well", "field"]].to_numpy()}


def _found(places: Sequence[Field], answer: xr.DataArray) -> Found:
    limit = float(np.nanquantile(np.abs(answer.to_numpy()), _FULL))
    return Found("", {place: answer[number] for number, place in enumerate(places)}, limit or 1.0)


def _back(act: Callable[[], None]) -> Callable[[Future[Any]], None]:
    """Return what calls a function in the session that asked, from the thread of the worker."""
    document = pn.state.curdoc

    def back(_: Future[Any]) -> None:
        if document is None:
            act()
        else:
            document.add_next_tick_callback(act)

    return back
