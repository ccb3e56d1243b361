"""Which curve models there are: those of hcskit, and those that other packages bring."""

from __future__ import annotations

from collections.abc import Callable

from hcskit.errors import InputError
from hcskit.plugins import Plugins
from hcskit.response._model import CurveModel

__all__ = ["get_curve", "list_curves"]


def _curves() -> Plugins[Callable[[], object]]:
    return Plugins("hcskit.curves", "curve model")


def list_curves() -> list[str]:
    """Return the names of all curve models, in alphabetical order.

    Examples
    --------
    >>> from hcskit.response import list_curves
    >>> {"hill", "5pl", "gain-loss", "step", "constant"} <= set(list_curves())
    True
    """
    return list(_curves())


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
    point = _curves()[name]
    try:
        made = point()
    except Exception as error:
        raise InputError(f"the curve model {name} ({point!r}) cannot be made: {error!r}") from error
    if not isinstance(made, CurveModel):
        raise InputError(
            f"the curve model {name} makes {type(made).__name__}, "
            "which lacks part of hcskit.response.CurveModel: name, linear, axes, basis, inverse"
        )
    return made
