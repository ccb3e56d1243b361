"""What is looked at: one model, which every part of the dashboard follows and changes."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import TypeVar

import panel as pn
import param

__all__ = ["Selection", "place_of", "well_key"]

_Name = TypeVar("_Name", str, tuple[str, str])

#: Names in the page's address, by parameter.
_ADDRESS = {
    "page": "page",
    "compounds": "compounds",
    "readout": "readout",
    "effect": "effect",
    "networks": "networks",
    "wells": "wells",
    "plate": "plate",
    "quantity": "quantity",
    "channels": "channels",
    "contrast": "contrast",
    "corrected": "corrected",
    "explain": "explain",
    "map": "map",
    "coloured": "coloured",
}


class Selection(param.Parameterized):
    """What one person looks at; each session has its own. It stands in the page's address, so that a link shows it.

    An address may hold anything: who follows the selection leaves out what the run does not have.
    """

    page = param.String(default="", doc="Page that is open, by its title; empty for the first.")
    compounds = param.List(default=[], item_type=str, doc="Names of compounds, in the order of their colours.")
    readout = param.String(default="", doc="Name of a readout; empty for the lead readout of each compound.")
    effect = param.Integer(default=0, bounds=(0, 99), doc="10 marks the EC10 as well; 0 the EC50 alone.")
    networks = param.Boolean(default=False, doc="Draw each network of an ensemble.")
    wells = param.List(default=[], item_type=str, doc="Wells as plate/well.")
    plate = param.String(default="", doc="Plate that is shown; empty for the first.")
    quantity = param.String(default="", doc="What the plate shows; empty for the readout.")
    channels = param.List(default=[], item_type=str, doc="Channels that are shown; empty for all.")
    contrast = param.Dict(default={}, doc="Counts of black and of full colour by channel, where they are set by hand.")
    corrected = param.Boolean(default=False, doc="Show cells in even light, as the network sees them.")
    explain = param.String(default="", doc="Phenotype whose saliency lies over the cells; empty for none.")
    map = param.String(default="", doc="How wells are laid out by their profiles: components, or umap.")
    coloured = param.String(default="", doc="What the wells on that map are coloured by.")

    def follow_address(self) -> None:
        """Keep the selection in the address of the page, where there is one."""
        if pn.state.location is not None:
            pn.state.location.sync(self, _ADDRESS)


def well_key(plate: str, well: str) -> str:
    """Return the name of a well of a plate in a selection."""
    return f"{plate}/{well}"


def place_of(key: str) -> tuple[str, str]:
    """Return the plate and the well of a name in a selection; the name of a plate holds no slash."""
    plate, _, well = key.partition("/")
    return plate, well


def known(chosen: Sequence[_Name], there: Container[_Name]) -> list[_Name]:
    """Return what is chosen and there, in the chosen order, each once."""
    return [name for name in dict.fromkeys(chosen) if name in there]
