"""Lists of what a dispenser put into wells: Echo's transfers, and the tabular report of a D300.

A row is a fluid in a well, so a well has several: the solvent that fills it up beside its compound. They become one row
a well. Such a list says no roles: wells of nothing but solvent are negative controls, all others treatments.
"""

from __future__ import annotations

import pandas as pd

from hcskit.errors import PlateMapError, UnitError
from hcskit.platemap._check import raise_faults
from hcskit.platemap._names import key
from hcskit.units import convert

__all__ = ["one_row_a_well"]

_SOLVENTS = ("dmso", "water", "h2o", "pbs", "medium", "media", "vehicle", "ethanol", "dmsonormalization")
_ECHO = {
    "well": ("destinationwell", "destwell"),
    "compound": ("samplename", "sampleid", "compoundname", "compound", "fluidname"),
    "stock": ("sourceconcentration", "sourceconc", "sampleconcentration", "stockconcentration"),
    "unit": ("sourceconcentrationunits", "sourceconcentrationunit", "sourceconcunits", "stockconcentrationunits"),
    "volume": ("actualvolume", "transfervolume", "volume"),
}
_D300 = {
    "well": ("dispensedwell",),
    "compound": ("fluidname", "fluid"),
    "concentration": ("dispensedconc", "dispensedconcentration"),
    "unit": ("concunits", "concunit", "dispensedconcunits", "units"),
}
_PLATE = ("destinationplatebarcode", "destinationplatename", "plate", "plateid")


def one_row_a_well(table: pd.DataFrame, source: str, well_volume_ul: float | None) -> pd.DataFrame:
    """Return the plate map of a dispenser's list; any other table as it is.

    Parameters
    ----------
    table : pandas.DataFrame
        Text, under the names of the file.
    source : str
        What to call the table in an error.
    well_volume_ul : float or None
        Final volume of a well in microlitre, what was transferred included. Echo's list says stock concentrations and
        volumes, of which the concentration in the well is worked out: stock × transferred / final.

    Raises
    ------
    PlateMapError
        If a number is none, or a well has several compounds.
    """
    named = {key(str(name)): str(name) for name in table.columns}
    echo, d300 = _found(_ECHO, named), _found(_D300, named)
    if echo.keys() == _ECHO.keys() and well_volume_ul is not None:
        fluids = _of_transfers(table, echo, source, well_volume_ul)
    elif {"well", "compound", "concentration"} <= d300.keys():
        fluids = table.rename(columns={name: known for known, name in d300.items()})
    else:
        return table
    plate = next((named[name] for name in _PLATE if name in named), None)
    fluids = fluids.assign(plate="" if plate is None else table[plate])
    wells = [_well(rows, source) for _, rows in fluids.groupby(["plate", "well"], sort=False)]
    made = pd.DataFrame(wells)
    return made if plate is not None else made.drop(columns="plate")


def _found(wanted: dict[str, tuple[str, ...]], named: dict[str, str]) -> dict[str, str]:
    found = {known: next((named[name] for name in names if name in named), None) for known, names in wanted.items()}
    return {known: name for known, name in found.items() if name is not None}


def _of_transfers(table: pd.DataFrame, names: dict[str, str], source: str, well_volume_ul: float) -> pd.DataFrame:
    fluids = table.rename(columns={name: known for known, name in names.items()})
    faults: list[str] = []
    concentrations = []
    for well, compound, stock, volume in fluids[["well", "compound", "stock", "volume"]].itertuples(index=False):
        try:  # volumes are in nanolitre
            value = "" if _is_solvent(compound) else f"{float(stock) * float(volume) / (1000 * well_volume_ul):.9g}"
        except ValueError:
            faults.append(f"well {well}: stock concentration {stock!r} and volume {volume!r} are not two numbers")
            value = ""
        concentrations.append(value)
    raise_faults(source, faults)
    return fluids.assign(concentration=concentrations)


def _well(rows: pd.DataFrame, source: str) -> dict[str, str]:
    """Return one row for all fluids of a well."""
    first = rows.iloc[0]
    place = {"plate": str(first["plate"]), "well": str(first["well"])}
    drugs = rows[[not _is_solvent(name) for name in rows["compound"]]]
    if drugs.empty:
        solvent = "DMSO" if key(str(first["compound"])).startswith("dmso") else str(first["compound"])
        none = {"concentration": "", "concentration_unit": ""}
        return {**place, "compound": solvent, **none, "role": "negative_control"}
    compounds = list(dict.fromkeys(map(str, drugs["compound"])))
    if len(compounds) > 1:
        listed = " and ".join(compounds)
        raise PlateMapError(
            f"{source}: well {first['well']} has {listed}; one compound a well can be described: call the pair a "
            "compound of its own, with the concentration of one, in a plate map of your own"
        )
    units = list(drugs["unit"]) if "unit" in drugs else [""] * len(drugs)
    try:
        amounts = [
            float(value) if unit == units[0] else convert(float(value), unit, units[0])
            for value, unit in zip(drugs["concentration"], units, strict=True)
        ]
    except (ValueError, UnitError) as error:
        raise PlateMapError(f"{source}: well {first['well']}: {error}") from error
    dose = {"concentration": f"{sum(amounts):.9g}", "concentration_unit": str(units[0])}
    return {**place, "compound": compounds[0], **dose, "role": "treatment"}


def _is_solvent(name: object) -> bool:
    return key(str(name)) in ("", *_SOLVENTS)
