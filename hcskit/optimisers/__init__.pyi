from ._sections import (
    OPTIMISERS,
    AdamWSection,
    LAMBSection,
    LARSSection,
    Optimiser,
    SGDSection,
    get_optimiser,
    list_optimisers,
)
from ._steps import LAMB, LARS, SGD, RateTable

__all__ = [
    "LAMB",
    "LARS",
    "OPTIMISERS",
    "SGD",
    "AdamWSection",
    "LAMBSection",
    "LARSSection",
    "Optimiser",
    "RateTable",
    "SGDSection",
    "get_optimiser",
    "list_optimisers",
]
