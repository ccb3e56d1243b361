"""Simulated plates with known truth: what tests, notebooks and ``make demo`` run on.

Cells with a nucleus (channel ``DNA``) and a reporter (channel ``GFP``) respond to compounds along Hill curves whose
EC50 is known, and are seen through an imperfect microscope: blur, vignetting, edge effect, camera noise, missing and
blurred fields. Everything follows from a design and a seed.
"""

from hcskit.simulation._camera import DARK, vignetting
from hcskit.simulation._design import CHANNELS, DEMO_DESIGN, PHENOTYPES, Compound, PlateDesign, dilution_series
from hcskit.simulation._field import simulate_field
from hcskit.simulation._layout import Treatment, lay_out
from hcskit.simulation._plate import SimulatedPlate, simulate

__all__ = [
    "CHANNELS",
    "DARK",
    "DEMO_DESIGN",
    "PHENOTYPES",
    "Compound",
    "PlateDesign",
    "SimulatedPlate",
    "Treatment",
    "dilution_series",
    "lay_out",
    "simulate",
    "simulate_field",
    "vignetting",
]
