"""What to simulate: compounds with known dose response, and the plate they are tested on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import log

from scipy.special import expit

from hcskit.errors import InputError
from hcskit.plate import FORMATS, PlateFormat, Well, format_for, parse_well
from hcskit.units import convert, parse_unit

__all__ = ["CHANNELS", "DEMO_DESIGN", "PHENOTYPES", "Compound", "PlateDesign", "dilution_series"]

#: The channels of every simulated field, in order.
CHANNELS = ("DNA", "GFP")
#: What a compound can do to cells, and the mechanism of action of each phenotype's positive control.
PHENOTYPES = {"translocation": "PI3K inhibitor", "condensation": "antimitotic"}
_PLATE_NAME = re.compile(r"[A-Za-z0-9-]+")  # no underscore: it separates the parts of a file name
_SMALLEST_IMAGE = 32


@dataclass(frozen=True, slots=True)
class Compound:
    """A compound and its true dose response.

    Attributes
    ----------
    name : str
        As written in the plate map.
    phenotype : str or None
        A key of `PHENOTYPES`; None for an inactive compound.
    ec50 : float or None
        Concentration of the half-maximum effect, in `unit`; None for an inactive compound.
    hill_slope, maximum_effect : float
        Steepness, and phenotype strength at infinite concentration (above 0, at most 1).
    moa : str
        Mechanism of action, as written in the plate map.
    unit : str
        Unit of `ec50` and of this compound's concentrations in the plate map.

    Raises
    ------
    InputError
        If a value makes no sense.

    Examples
    --------
    >>> Compound("A", "translocation", ec50=10.0).strength(10.0)
    0.5
    """

    name: str
    phenotype: str | None = None
    ec50: float | None = None
    hill_slope: float = 1.0
    maximum_effect: float = 1.0
    moa: str = ""
    unit: str = "nM"

    def __post_init__(self) -> None:
        if self.phenotype is not None and self.phenotype not in PHENOTYPES:
            raise InputError(
                f"compound {self.name}: unknown phenotype {self.phenotype!r}; known: {', '.join(PHENOTYPES)}"
            )
        if (self.phenotype is None) != (self.ec50 is None):
            raise InputError(
                f"compound {self.name}: phenotype {self.phenotype!r} with ec50 {self.ec50!r}; an active compound has "
                "both, an inactive one neither"
            )
        if (self.ec50 is not None and not self.ec50 > 0) or not self.hill_slope > 0:
            raise InputError(
                f"compound {self.name}: ec50 {self.ec50} and hill_slope {self.hill_slope} have to be above zero"
            )
        if not 0 < self.maximum_effect <= 1:
            raise InputError(f"compound {self.name}: maximum_effect {self.maximum_effect} is not above 0 and at most 1")
        parse_unit(self.unit)

    def strength(self, concentration: float) -> float:
        """Return the phenotype's strength (0 to 1) at a concentration, in `unit`: the Hill equation."""
        if self.ec50 is None or concentration == 0:
            return 0.0
        # c^h / (c^h + ec50^h) as a logistic function of log c, which cannot overflow.
        return self.maximum_effect * float(expit(self.hill_slope * (log(concentration) - log(self.ec50))))


def dilution_series(top: float, fold: float, points: int) -> tuple[float, ...]:
    """Concentrations from low to high, `fold` apart, each to three significant digits.

    Examples
    --------
    >>> dilution_series(1000, 10, 3)
    (10.0, 100.0, 1000.0)
    """
    return tuple(float(f"{top / fold**step:.3g}") for step in reversed(range(points)))


_DEFAULT_COMPOUNDS = (
    Compound("TRL-1", "translocation", ec50=12.0, moa="PI3K inhibitor"),
    Compound("TRL-2", "translocation", ec50=0.15, hill_slope=1.3, moa="PI3K inhibitor", unit="uM"),
    Compound("CND-1", "condensation", ec50=40.0, hill_slope=1.5, moa="antimitotic"),
    Compound("INA-1"),
)


@dataclass(frozen=True, slots=True)
class PlateDesign:
    """A plate to simulate; by default a whole 96-well plate of four compounds, nothing missing.

    Each replicate of each compound has a row, with its concentrations rising from the second column on; the first
    and the last column hold controls (see `hcskit.simulation.lay_out`).

    Attributes
    ----------
    name : str
        The plate's id: letters, digits and hyphens.
    compounds : tuple of Compound
    concentrations : tuple of float
        The dilution series of every compound, in `concentration_unit`.
    concentration_unit : str
        Unit of `concentrations`; the plate map gives them in each compound's own unit.
    replicates, fields : int
        Rows of each compound; fields of each well, numbered from 1.
    image_size : tuple of int
        Rows and columns (y, x) of an image, in pixels.
    pixel_size : float
        Edge of a pixel in micrometre; cells have the size of U2OS cells.
    cell_density : float
        Mean number of untreated cells per square millimetre; above about 2000 not all of them find room.
    cell_variability, well_variability : float
        Standard deviations, on the logit scale, of how strongly the cells of a well and the wells of a treatment
        respond; wells also vary by this in brightness and number of cells (log scale).
    all_or_none : bool
        Whether a cell responds fully or not at all, with the well's strength as its probability. By default each
        responds a little more or less than the others.
    edge_effect : float
        Fraction by which the outermost wells have fewer and dimmer cells.
    vignetting : float
        Fraction of the light lost at half an image diagonal from the optical axis.
    blur : float
        Standard deviation of the optics' point spread, in pixels.
    noise : float
        Size of the camera's noise, relative to a typical one; 0 for none.
    missing_wells : tuple of str
        Wells in the plate map that were not acquired.
    missing_fields, blurred_fields : tuple of (str, int)
        Well and field not acquired, or acquired out of focus.

    Raises
    ------
    InputError
        If a value makes no sense, or the design fits no standard plate.
    """

    name: str = "demo"
    compounds: tuple[Compound, ...] = _DEFAULT_COMPOUNDS
    concentrations: tuple[float, ...] = dilution_series(3000.0, 3.0, 10)
    concentration_unit: str = "nM"
    replicates: int = 2
    fields: int = 2
    image_size: tuple[int, int] = (256, 256)
    pixel_size: float = 0.8
    cell_density: float = 800.0
    cell_variability: float = 0.7
    well_variability: float = 0.1
    all_or_none: bool = False
    edge_effect: float = 0.15
    vignetting: float = 0.3
    blur: float = 1.0
    noise: float = 1.0
    missing_wells: tuple[str, ...] = ()
    missing_fields: tuple[tuple[str, int], ...] = ()
    blurred_fields: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if not _PLATE_NAME.fullmatch(self.name):
            raise InputError(f"plate name {self.name!r} may hold only letters, digits and hyphens")
        self._check_numbers()
        self._check_compounds()
        for well in (*self.missing_wells, *(well for well, _ in self.missing_fields + self.blurred_fields)):
            position = parse_well(well)
            if position.row >= self.rows or position.column >= self.columns or position.name != well:
                raise InputError(f"plate {self.name}: {well!r} is not one of its wells A01 to {self._last.name}")
        for well, field in self.missing_fields + self.blurred_fields:
            if not 1 <= field <= self.fields:
                raise InputError(f"plate {self.name}: well {well} has no field {field}; it has 1 to {self.fields}")

    @property
    def rows(self) -> int:
        """Number of rows in use."""
        return len(self.compounds) * self.replicates

    @property
    def columns(self) -> int:
        """Number of columns in use, the two of controls included."""
        return len(self.concentrations) + 2

    @property
    def format(self) -> PlateFormat:
        """The standard plate that holds the design."""
        return format_for([self._last])

    @property
    def phenotypes(self) -> tuple[str, ...]:
        """Phenotypes of the compounds, in order of appearance; each gets a positive control."""
        return tuple(dict.fromkeys(compound.phenotype for compound in self.compounds if compound.phenotype))

    @property
    def _last(self) -> Well:
        return Well(self.rows - 1, self.columns - 1)

    def _check_numbers(self) -> None:
        faults = {
            "compounds, concentrations, replicates and fields: at least one of each is needed": not all(
                (self.compounds, self.concentrations, self.replicates > 0, self.fields > 0)
            ),
            f"image_size: at least {_SMALLEST_IMAGE} pixels a side are needed": min(self.image_size) < _SMALLEST_IMAGE,
            "concentrations, pixel_size and cell_density have to be above zero": not all(
                value > 0 for value in (*self.concentrations, self.pixel_size, self.cell_density)
            ),
            "cell_variability, well_variability, blur and noise may not be negative": not all(
                value >= 0 for value in (self.cell_variability, self.well_variability, self.blur, self.noise)
            ),
            "edge_effect and vignetting have to be at least 0 and below 0.9": not all(
                0 <= value < 0.9 for value in (self.edge_effect, self.vignetting)
            ),
            f"more wells than the largest plate has, {FORMATS[1536].rows} rows × {FORMATS[1536].columns} columns": (
                self._last not in FORMATS[1536]
            ),
        }
        for fault, present in faults.items():
            if present:
                raise InputError(f"plate {self.name}: {fault}")

    def _check_compounds(self) -> None:
        names = [compound.name for compound in self.compounds]
        if len(set(names)) < len(names):
            raise InputError(f"plate {self.name}: two compounds have one name; found {', '.join(names)}")
        for compound in self.compounds:
            convert(1.0, self.concentration_unit, compound.unit)


#: The default plate with the faults of a real one: a well and a field not acquired, and a field out of focus.
DEMO_DESIGN = PlateDesign(missing_wells=("E07",), missing_fields=(("C04", 2),), blurred_fields=(("F09", 1),))
