"""Which curve models there are: those of hcskit, and those that other packages bring."""

from __future__ import annotations

import warnings
from importlib.metadata import entry_points

from hcskit.errors import InputError
from hcskit.response._model import CurveModel

__all__ = ["GROUP", "get_curve", "list_curves"]

GROUP = "hcskit.curves"


def list_curves() -> list[str]:
    """Return the names of all curve models, in alphabetical order.

    Examples
    --------
    >>> from hcskit.response import list_curves
    >>> {"hill", "5pl", "gain-loss", "step", "constant"} <= set(list_curves())
    True
    """
    return sorted(entry.name for entry in entry_points(group=GROUP))


def get_curve(name: str) -> CurveModel:
    """Return a curve model by its name.

    Parameters
    ----------
    name : str
        One of `list_curves`.

    Raises
    ------
    InputError
        If no model has this name, or it cannot be used.
    """
    found = [entry for entry in entry_points(group=GROUP) if entry.name == name]
    if not found:
        raise InputError(f"there is no curve model {name!r}; known are {', '.join(list_curves())}")
    if len(found) > 1:
        places = ", ".join(entry.value for entry in found)
        warnings.warn(f"the curve model {name} is there {len(found)} times ({places}); the first counts", stacklevel=2)
    try:
        made = found[0].load()()
    except Exception as error:
        warnings.warn(f"the curve model {name} ({found[0].value}) cannot be loaded: {error!r}", stacklevel=2)
        raise InputError(f"the curve model {name} ({found[0].value}) cannot be loaded: {error!r}") from error
    if not isinstance(made, CurveModel):
        raise InputError(
            f"the curve model {name} ({found[0].value}) makes {type(made).__name__}, "
            "which lacks part of hcskit.response.CurveModel: name, linear, axes, basis, inverse"
        )
    return made
