"""Concentrations as people write them: with a unit in the cell, with a decimal comma; and what is not one."""

from __future__ import annotations

import re

import pandas as pd

from hcskit.errors import PlateMapError, UnitError
from hcskit.platemap._check import raise_faults
from hcskit.platemap._names import key, meaning
from hcskit.units import parse_unit

__all__ = ["refuse_substitutes", "spell_doses"]

_NUMBER_AND_UNIT = re.compile(r"([+-]?[\d.,]+(?:[eE][+-]?\d+)?)\s*(\S.*)?")
_NOTHING = ("", "na", "nan", "none", "null")  # in the spelling of `key`, which also removes dashes
_MAYBE_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
_LOGARITHM = re.compile(r"(?:^|[\W_])log", re.IGNORECASE)
_INGREDIENT = re.compile(r"stock|source.*conc|transfer|dispens|dilut|volume", re.IGNORECASE)
_STOCK = re.compile(r"(stock|source)[\s_]*conc", re.IGNORECASE)  # then a bare "concentration" is not the stock's
_TRANSFER = re.compile(r"stock|source.*(conc|well|plate)|destination|transfer|dispens|volume", re.IGNORECASE)
_ASKED = "in a column concentration, with its unit in a column concentration_unit or in the name: concentration (uM)"


def refuse_substitutes(names: list[str], source: str) -> None:
    """Explain why columns from which a concentration could be computed do not replace it.

    Raises
    ------
    PlateMapError
        If there are logarithms, or stock concentrations, volumes or dilutions, and no concentration; or a list of
        transfers of which it is unclear whether its one concentration is the stock's.
    """
    doses = [name for name in names if meaning(name)[0] == "concentration"]
    transfers = [name for name in names if _TRANSFER.search(name) and name not in doses]
    is_told_apart = any("final" in name.casefold() for name in doses) or any(map(_STOCK.search, transfers))
    if doses and transfers and not is_told_apart:
        raise PlateMapError(
            f"{source}: with {', '.join(transfers)} beside it, {doses[0]!r} may be the concentration of the stock; "
            "call it final_concentration if it is the one in the well, or leave those columns out"
        )
    if doses:
        return
    logarithms = [name for name in names if _LOGARITHM.search(name)]
    if logarithms:
        raise PlateMapError(f"{source}: {', '.join(logarithms)} is a logarithm; give the concentration itself {_ASKED}")
    ingredients = [name for name in names if _INGREDIENT.search(name)]
    if ingredients:
        raise PlateMapError(
            f"{source}: it has {', '.join(ingredients)}, but no concentration in the well. It is not worked out here: "
            "whether a volume comes on top of the well's, and what a factor counts, would be a guess. Compute it (for "
            f"one transfer: stock concentration × volume transferred / final volume of the well) and give it {_ASKED}; "
            "or say the final volume (µL) for an Echo's: hcskit platemap check FILE --well-volume 50 --csv map.csv"
        )


def spell_doses(table: pd.DataFrame, named_unit: str, source: str, *, decimal_comma: bool) -> pd.DataFrame:
    """Bring concentrations to a number with a decimal point, and units to a column of their own.

    Parameters
    ----------
    table : pandas.DataFrame
        Text; columns ``well``, ``concentration`` and, where there is one, ``concentration_unit``.
    named_unit : str
        The unit in the column's name, or nothing.
    source : str
        What to call the table in an error.
    decimal_comma : bool
        The file is of a kind that countries with a decimal comma write, so a point may separate thousands.

    Raises
    ------
    PlateMapError
        If a cell's unit, the column's and the unit column's differ, or a comma may mean two things.
    """
    split = [_split("" if key(text) in _NOTHING else text) for text in table["concentration"]]
    numbers = [number for number, _ in split]
    if decimal_comma or any("," in number for number in numbers):
        numbers = _with_points(numbers, source)
    given = list(table["concentration_unit"]) if "concentration_unit" in table else [""] * len(table)
    faults: list[str] = []
    units = []
    for well, (number, in_cell), in_column in zip(table["well"], split, given, strict=True):
        named = named_unit if number else ""
        said = [unit for unit in (in_cell, named, in_column) if unit]
        if len({_name(unit) for unit in said}) > 1:
            faults.append(f"well {well}: the concentration is given in {' and in '.join(dict.fromkeys(said))}; use one")
        units.append(said[0] if said else "")
    raise_faults(source, faults)
    table = table.assign(concentration=numbers)
    return table.assign(concentration_unit=units) if any(units) or "concentration_unit" in table else table


def _split(text: str) -> tuple[str, str]:
    """Split ``10 uM``; what does not end in a known unit stays whole, and fails the check."""
    match = _NUMBER_AND_UNIT.fullmatch(text)
    if match is None or match[2] is None:
        return text, ""
    try:
        return match[1], parse_unit(match[2]).name
    except UnitError:
        return text, ""


def _name(unit: str) -> str:
    try:
        return parse_unit(unit).name
    except UnitError:
        return unit


def _with_points(numbers: list[str], source: str) -> list[str]:
    """Replace decimal commas; a point where others have a comma would be a thousand's."""
    written = [number for number in numbers if _NUMBER_AND_UNIT.fullmatch(number) and re.search("[.,]", number)]
    commas = [number for number in written if "," in number]
    points = [number for number in written if "." in number]
    if (commas and points) or (written and all(map(_MAYBE_THOUSANDS.fullmatch, written))):
        some = " and ".join(dict.fromkeys([*commas[:2], *points[:2]]))
        raise PlateMapError(
            f"{source}: the concentrations {some} may have a decimal sign or a thousands separator; write them without "
            "thousands separators"
        )
    return [number.replace(",", ".") for number in numbers]
