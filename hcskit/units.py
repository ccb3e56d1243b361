"""Units of concentration: a closed list, compared, converted, or refused."""

from __future__ import annotations

from dataclasses import dataclass

from hcskit.errors import UnitError

__all__ = ["Unit", "convert", "parse_unit"]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of concentration.

    Attributes
    ----------
    name : str
        The one spelling hcskit writes.
    quantity : str
        What it measures: ``"molar"`` (mol/L), ``"mass"`` (g/L) or ``"percent"`` (v/v).
    factor : float
        Size in the quantity's base unit.
    """

    name: str
    quantity: str
    factor: float


_UNITS = {
    unit.name: unit
    for unit in (
        Unit("M", "molar", 1.0),
        Unit("mM", "molar", 1e-3),
        Unit("uM", "molar", 1e-6),
        Unit("nM", "molar", 1e-9),
        Unit("pM", "molar", 1e-12),
        Unit("fM", "molar", 1e-15),
        Unit("g/L", "mass", 1.0),
        Unit("mg/mL", "mass", 1.0),
        Unit("ug/mL", "mass", 1e-3),
        Unit("ng/mL", "mass", 1e-6),
        Unit("pg/mL", "mass", 1e-9),
        Unit("%", "percent", 1.0),
    )
}
# Spellings met in plate maps; case is significant (mM is not nM, and MM is neither).
_SPELLINGS = {
    "mol/L": "M",
    "mmol/L": "mM",
    "umol/L": "uM",
    "nmol/L": "nM",
    "pmol/L": "pM",
    "mg/ml": "mg/mL",
    "ug/ml": "ug/mL",
    "ng/ml": "ng/mL",
    "pg/ml": "pg/mL",
    "g/l": "g/L",
    "% v/v": "%",
    "%v/v": "%",
}


def parse_unit(text: str) -> Unit:
    """Read a unit; both micro signs (U+00B5, U+03BC) and ``u`` mean micro.

    Raises
    ------
    UnitError
        If the unit is not on the list.

    Examples
    --------
    >>> parse_unit("µM").name
    'uM'
    """
    name = text.strip().replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u")
    unit = _UNITS.get(_SPELLINGS.get(name, name))
    if unit is None:
        raise UnitError(f"unknown unit of concentration {text!r}; known units: {', '.join(_UNITS)}")
    return unit


def convert(value: float, source: str, target: str) -> float:
    """Convert a concentration between two units of the same quantity.

    Raises
    ------
    UnitError
        If a unit is unknown, or the two measure different quantities.

    Examples
    --------
    >>> convert(250.0, "nM", "uM")
    0.25
    """
    old, new = parse_unit(source), parse_unit(target)
    if old.quantity != new.quantity:
        raise UnitError(
            f"cannot convert {source!r} ({old.quantity}) to {target!r} ({new.quantity}); a molar mass would be needed"
        )
    return value * (old.factor / new.factor)
