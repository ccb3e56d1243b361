"""How the learning rate and the batch change: the schedules that a recipe can name, and those that others add."""

from hcskit.schedules._sections import (
    SCHEDULES,
    BatchGrowthSection,
    Clock,
    CosineSection,
    ExponentialSection,
    ExpRangeSection,
    PolynomialSection,
    Schedule,
    SnapshotsSection,
    TriangularSection,
    get_schedule,
    list_schedules,
)
from hcskit.schedules.rates import Rates

__all__ = [
    "SCHEDULES",
    "BatchGrowthSection",
    "Clock",
    "CosineSection",
    "ExpRangeSection",
    "ExponentialSection",
    "PolynomialSection",
    "Rates",
    "Schedule",
    "SnapshotsSection",
    "TriangularSection",
    "get_schedule",
    "list_schedules",
]
