"""Concentration and response: curve fits, effective concentrations with honest intervals, categories.

`fit_responses` takes a tidy table of wells; `fit_hill` takes one compound; `fit_curves` takes arrays and any curve
model. Formulas and sources: ``docs/response.md``.
"""

from hcskit.response._category import CATEGORIES, CODES, EFFECTS, LEAST_EFFECT
from hcskit.response._compare import lead_readouts, match_truth
from hcskit.response._dataset import fit_curves
from hcskit.response._effective import effective_concentrations, fit_compounds, neighbours
from hcskit.response._fit import fit_hill, readout_limits
from hcskit.response._growth import GrowthMetrics, fit_growth_rate, growth_rate
from hcskit.response._hill import Constant, FivePL, GainLoss, Hill, Step, hill
from hcskit.response._hits import score_hits
from hcskit.response._model import Axis, CurveModel
from hcskit.response._potency import Comparison, compare_curves
from hcskit.response._registry import get_curve, list_curves
from hcskit.response._residuals import residuals
from hcskit.response._result import HillFit
from hcskit.response._tables import ResponseTables, fit_responses, fitted_points

__all__ = [
    "CATEGORIES",
    "CODES",
    "EFFECTS",
    "LEAST_EFFECT",
    "Axis",
    "Comparison",
    "Constant",
    "CurveModel",
    "FivePL",
    "GainLoss",
    "GrowthMetrics",
    "Hill",
    "HillFit",
    "ResponseTables",
    "Step",
    "compare_curves",
    "effective_concentrations",
    "fit_compounds",
    "fit_curves",
    "fit_growth_rate",
    "fit_hill",
    "fit_responses",
    "fitted_points",
    "get_curve",
    "growth_rate",
    "hill",
    "lead_readouts",
    "list_curves",
    "match_truth",
    "neighbours",
    "readout_limits",
    "residuals",
    "score_hits",
]
