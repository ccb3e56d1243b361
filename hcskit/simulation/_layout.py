"""Which well gets what: the plate map and the truth of a design."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from hcskit.plate import Well
from hcskit.platemap import COLUMNS
from hcskit.simulation._design import PHENOTYPES, PlateDesign
from hcskit.units import convert

__all__ = ["Treatment", "lay_out", "plate_map_table", "truth_table"]


@dataclass(frozen=True, slots=True)
class Treatment:
    """What one well received, and how strong each phenotype truly is there.

    Attributes
    ----------
    well : Well
    compound, role, moa : str
        As in the plate map.
    concentration : float or None
        In `concentration_unit`; None for the negative control.
    concentration_unit : str
    replicate : int
        Counted from 1 among the wells of one compound and concentration.
    strengths : mapping of str to float
        True strength (0 to 1) of each phenotype; empty where there is none.
    """

    well: Well
    compound: str
    concentration: float | None
    concentration_unit: str
    role: str
    moa: str
    replicate: int
    strengths: Mapping[str, float]


def lay_out(design: PlateDesign) -> list[Treatment]:
    """Place compounds and controls on the plate.

    Rows hold the compounds in order, once for each replicate, so that the replicates of a compound lie in different
    parts of the plate. Of the two controls of a row one is negative, on the left and on the right in turn, and one
    positive, changing phenotype every second row. On eight rows each class of control then lies equally often left
    and right, and equally far from the plate's edges: the edge effect says nothing about the class.

    Returns
    -------
    list of Treatment
        One a well, row by row.
    """
    wells = [*_controls(design), *_doses(design)]
    return sorted(wells, key=lambda treatment: treatment.well)


def plate_map_table(treatments: list[Treatment]) -> pd.DataFrame:
    """Tabulate treatments as a plate map, missing wells included: the map was written before the plate was imaged."""
    rows = [
        (t.well.name, t.compound, t.concentration, t.concentration_unit, t.role, t.moa, t.replicate) for t in treatments
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def truth_table(design: PlateDesign) -> pd.DataFrame:
    """Tabulate what a perfect analysis would find: one row a compound, no EC50 where it is inactive."""
    rows = [
        (c.name, c.moa, c.phenotype, c.ec50, c.hill_slope, c.maximum_effect if c.phenotype else 0.0, c.unit)
        for c in design.compounds
    ]
    names = ["compound", "moa", "phenotype", "ec50", "hill_slope", "maximum_effect", "concentration_unit"]
    table = pd.DataFrame(rows, columns=names)
    table["hill_slope"] = table["hill_slope"].where(table["phenotype"].notna())
    return table


def _doses(design: PlateDesign) -> list[Treatment]:
    treatments = []
    for row in range(design.rows):
        replicate, position = divmod(row, len(design.compounds))
        compound = design.compounds[position]
        for column, value in enumerate(design.concentrations, start=1):
            # Rounded to undo the conversion's binary noise: 0.1 uM, not 0.10000000000000002.
            concentration = float(f"{convert(value, design.concentration_unit, compound.unit):.12g}")
            strengths = {compound.phenotype: compound.strength(concentration)} if compound.phenotype else {}
            treatments.append(
                Treatment(
                    well=Well(row, column),
                    compound=compound.name,
                    concentration=concentration,
                    concentration_unit=compound.unit,
                    role="treatment",
                    moa=compound.moa,
                    replicate=replicate + 1,
                    strengths=strengths,
                )
            )
    return treatments


def _controls(design: PlateDesign) -> list[Treatment]:
    count: Counter[str | None] = Counter()
    phenotypes = design.phenotypes
    rows_each = 2 if design.rows >= 2 * len(phenotypes) else 1
    treatments = []
    for row in range(design.rows):
        positive = phenotypes[row // rows_each % len(phenotypes)] if phenotypes else None
        left_to_right = (None, positive) if row % 2 == 0 else (positive, None)
        for column, phenotype in zip((0, design.columns - 1), left_to_right, strict=True):
            count[phenotype] += 1
            treatments.append(_control(design, Well(row, column), phenotype, count[phenotype]))
    return treatments


def _control(design: PlateDesign, well: Well, phenotype: str | None, replicate: int) -> Treatment:
    if phenotype is None:
        return Treatment(well, "DMSO", None, "", "negative_control", "", replicate, {})
    return Treatment(
        well=well,
        compound=f"{phenotype} control",
        concentration=max(design.concentrations),
        concentration_unit=design.concentration_unit,
        role="positive_control",
        moa=PHENOTYPES[phenotype],
        replicate=replicate,
        strengths={phenotype: 1.0},  # saturating
    )
