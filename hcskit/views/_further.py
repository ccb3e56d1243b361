"""Views of other packages, found by the entry points ``hcskit.views``: sections of the report, and `Run.view`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from hcskit.plugins import Plugins
from hcskit.results import Part

__all__ = ["View", "further_views"]

_FURTHER: Plugins[object] = Plugins("hcskit.views", "view")


@dataclass(frozen=True)
class View:
    """A plain function that draws parts of a run, and which parts it needs.

    Attributes
    ----------
    title : str
        Heading over the view.
    needs : tuple of hcskit.results.Part
        Tables and other parts of a run. The view is left out of the report of a run that lacks one.
    draw : callable
        Takes each part as the keyword argument of its name (``responses``, ``plates`` …), as `hcskit.run.Run` gives
        it; returns a HoloViews element, overlay or layout.

    Examples
    --------
    >>> from hcskit.results import RESPONSES
    >>> view = View("Slopes", (RESPONSES,), lambda responses: hv.Scatter(responses, "ec50", "hill_slope"))
    >>> [part.name for part in view.needs]
    ['responses']
    """

    title: str
    needs: tuple[Part, ...]
    draw: Callable[..., Any]

    def of(self, parts: Mapping[str, Any]) -> Any:
        """Draw parts, given by name."""
        # Options can be set once a backend is loaded, which takes half a second: only who draws waits for it.
        import_module("holoviews.plotting.bokeh")
        return self.draw(**parts)


def further_views() -> dict[str, View]:
    """Return the views of other packages by name; one that cannot be used is left out with a warning."""
    found = {}
    for name, view in _FURTHER.working().items():
        if isinstance(view, View):
            found[name] = view
        else:
            warnings.warn(
                f"left out: the view {name!r} is a {type(view).__name__}, expected a hcskit.views.View", stacklevel=2
            )
    return found
