"""Concentration and response: Hill fits, effective concentrations with honest intervals, categories.

`fit_responses` takes a tidy table of wells; `fit_hill` takes one compound. Formulas and sources: ``docs/response.md``.
"""

from hcskit.response._category import CATEGORIES, CODES
from hcskit.response._fit import fit_hill
from hcskit.response._hill import hill
from hcskit.response._result import HillFit
from hcskit.response._tables import ResponseTables, fit_responses

__all__ = ["CATEGORIES", "CODES", "HillFit", "ResponseTables", "fit_hill", "fit_responses", "hill"]
