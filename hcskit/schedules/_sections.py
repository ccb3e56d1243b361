"""The schedules that a recipe can name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal, NamedTuple, final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hcskit.errors import InputError
from hcskit.schedules import rates
from hcskit.schedules.rates import Rates
from hcskit.sections import Kinds, Section

__all__ = [
    "SCHEDULES",
    "BatchGrowthSection",
    "Clock",
    "CosineSection",
    "ExpRangeSection",
    "ExponentialSection",
    "PolynomialSection",
    "Schedule",
    "SnapshotsSection",
    "TriangularSection",
    "get_schedule",
    "list_schedules",
]


class Clock(NamedTuple):
    """The steps of a training, as a schedule sees them.

    Attributes
    ----------
    step : numpy.ndarray
        Steps since the end of the warm-up.
    epoch : numpy.ndarray
        Number of the epoch, from 0, that each step belongs to.
    steps : int
        Steps from the end of the warm-up to the end of training.
    per_epoch : int
        Steps of the first epoch.
    epochs : int
        Epochs of the training.
    batch : int
        Batch of the first epoch.
    """

    step: npt.NDArray[np.int64]
    epoch: npt.NDArray[np.int64]
    steps: int
    per_epoch: int
    epochs: int
    batch: int


class Schedule(Section, ABC):
    """How the learning rate, and the batch, change as a training proceeds; a pure function of the step.

    To add a kind, derive a class with a field ``kind``, its options, and `rate`; an entry point of the group
    ``hcskit.schedules`` names it.
    """

    @final
    def learning_rates(self, clock: Clock, peak: float) -> Rates:
        """Return what `rate` says, checked.

        Raises
        ------
        InputError
            If it is not one rate for each step, finite and not negative.
        """
        found = np.asarray(self.rate(clock, peak), float)
        name, expected = f"rate of {type(self).__name__}", "a finite number, 0 or more, for each step of the clock"
        if found.shape != clock.step.shape:
            raise InputError(
                f"{name} returned an array of shape {found.shape}; expected {expected}: {clock.step.shape}"
            )
        if not (np.isfinite(found) & (found >= 0)).all():
            wrong = found[~(np.isfinite(found) & (found >= 0))][0]
            raise InputError(f"{name} returned {wrong}; expected {expected}")
        return found

    @abstractmethod
    def rate(self, clock: Clock, peak: float) -> Rates:
        """Return the rate at each step after the warm-up, which ends at `peak`."""

    def batches(self, batch: int, epochs: int) -> list[int]:
        """Return the batch of each epoch."""
        return [batch] * epochs

    def snapshots(self, warm_up: float, epochs: int) -> list[int]:  # noqa: ARG002
        """Return the epochs, counted from 1, at whose ends networks are kept for an ensemble."""
        return []

    def check(self, warm_up: float, epochs: int) -> None:
        """Raise ValueError if the schedule does not fit into the epochs that are left after the warm-up."""
        if warm_up > epochs:
            raise ValueError(f"a warm-up of {warm_up:g} epochs does not fit into {epochs} epochs; set warmup_epochs")


class CosineSection(Schedule):
    """Half a cosine, to zero (Loshchilov & Hutter, arXiv:1608.03983)."""

    kind: Literal["cosine"] = "cosine"

    def rate(self, clock: Clock, peak: float) -> Rates:
        return rates.cosine(clock.step, clock.steps, peak)


class _Collapsing(Schedule):
    collapse_epochs: float = Field(
        5.0, ge=0, description="let the rate collapse to zero in so many last epochs (arXiv:1711.04291: 5 of 90)"
    )
    collapse_power: float = Field(2.0, gt=0, description="as so high a power of the steps left (arXiv:1711.04291)")

    @abstractmethod
    def before(self, clock: Clock, peak: float, step: rates.Steps) -> Rates:
        """Return the rate at steps before the collapse."""

    def rate(self, clock: Clock, peak: float) -> Rates:
        start = clock.steps - round(self.collapse_epochs * clock.per_epoch)
        if start == clock.steps:
            return self.before(clock, peak, clock.step)
        return rates.collapse(
            clock.step, lambda step: self.before(clock, peak, step), start, clock.steps, self.collapse_power
        )

    def check(self, warm_up: float, epochs: int) -> None:
        if warm_up + self.collapse_epochs > epochs:
            raise ValueError(
                f"a warm-up of {warm_up:g} and a collapse of {self.collapse_epochs:g} epochs do not fit into {epochs} "
                "epochs; make one of them shorter"
            )


class ExponentialSection(_Collapsing):
    """A constant factor in equal times, and a collapse at the end (arXiv:1512.00567 and 1711.04291)."""

    kind: Literal["exponential"] = "exponential"
    decay: float = Field(0.94, gt=0, lt=1, description="fall by this factor (arXiv:1512.00567, section 8)")
    every_epochs: float = Field(2.0, gt=0, description="in so many epochs (arXiv:1512.00567, section 8)")

    def before(self, clock: Clock, peak: float, step: rates.Steps) -> Rates:
        return rates.exponential(step, self.every_epochs * clock.per_epoch, peak, self.decay)


class PolynomialSection(_Collapsing):
    """A power of the steps left, and a collapse at the end (arXiv:1711.04291)."""

    kind: Literal["polynomial"] = "polynomial"
    power: float = Field(1.0, gt=0, description="1: a straight line (arXiv:1711.04291)")

    def before(self, clock: Clock, peak: float, step: rates.Steps) -> Rates:
        return rates.polynomial(step, clock.steps, peak, self.power)


class _Cyclical(Schedule):
    lowest: float = Field(0.25, ge=0, lt=1, description="least rate, as a part of the largest (arXiv:1506.01186: 1/4)")
    half_cycle_epochs: float = Field(
        2.0, gt=0, description="from the least rate to the largest (arXiv:1506.01186: 2-10)"
    )


class TriangularSection(_Cyclical):
    """Up and down between two rates (Smith, arXiv:1506.01186); triangular2: each cycle half as high."""

    kind: Literal["triangular", "triangular2"]

    def rate(self, clock: Clock, peak: float) -> Rates:
        wave = rates.triangular if self.kind == "triangular" else rates.triangular2
        return wave(clock.step, self.half_cycle_epochs * clock.per_epoch, self.lowest * peak, peak)


class ExpRangeSection(_Cyclical):
    """Up and down between two rates, which both fall (Smith, arXiv:1506.01186)."""

    kind: Literal["exp_range"] = "exp_range"
    gamma: float = Field(0.99994, gt=0, le=1, description="factor of each step (arXiv:1506.01186)")

    def rate(self, clock: Clock, peak: float) -> Rates:
        half = self.half_cycle_epochs * clock.per_epoch
        return rates.exp_range(clock.step, half, self.lowest * peak, peak, self.gamma)


class SnapshotsSection(Schedule):
    """Cosine cycles; the state at the end of each is kept, for an ensemble (Huang et al., arXiv:1704.00109)."""

    kind: Literal["snapshots"] = "snapshots"
    cycles: int = Field(
        5, ge=1, description="number of cycles, of whole epochs each (arXiv:1704.00109: 5 of 40 epochs)"
    )

    def rate(self, clock: Clock, peak: float) -> Rates:
        return rates.snapshot_cosine(clock.step, clock.steps, peak, self.cycles)

    def snapshots(self, warm_up: float, epochs: int) -> list[int]:
        length = (epochs - int(warm_up)) // self.cycles
        return [epochs - length * number for number in reversed(range(self.cycles))]

    def check(self, warm_up: float, epochs: int) -> None:
        if warm_up >= epochs or (epochs - warm_up) % self.cycles:
            fitting = max(1, round((epochs - warm_up) / self.cycles)) * self.cycles
            raise ValueError(
                f"{self.cycles} cycles of whole epochs do not fit into {epochs} epochs less {warm_up:g} of warm-up; "
                f"make it {fitting} epochs without warm-up, or take other cycles"
            )


class BatchGrowthSection(Schedule):
    """A larger batch in place of a lower rate, up to a limit (Smith et al., arXiv:1711.00489).

    Where the largest batch is the first one, this is the decay in steps that it takes the place of.
    """

    kind: Literal["batch_growth"] = "batch_growth"
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (0.3, 0.6, 0.8), description="when, as parts of the training (arXiv:1711.00489: epochs 60, 120 and 160 of 200)"
    )
    factor: float = Field(5.0, gt=1, description="less noise each time, by this factor (arXiv:1711.00489)")
    largest_batch: int = Field(ge=1, description="limit of the batch; beyond it the rate falls")

    def _stages(self, batch: int, epochs: int, peak: float = 1.0) -> list[tuple[int, float]]:
        passed = [sum(epoch >= round(part * epochs) for part in self.milestones) for epoch in range(epochs)]
        return [rates.grow_batch(self.factor**times, batch, self.largest_batch, peak) for times in passed]

    def rate(self, clock: Clock, peak: float) -> Rates:
        return np.array([rate for _, rate in self._stages(clock.batch, clock.epochs, peak)])[clock.epoch]

    def batches(self, batch: int, epochs: int) -> list[int]:
        return [grown for grown, _ in self._stages(batch, epochs)]


#: The kinds of schedule, by the name that a recipe gives.
SCHEDULES: Kinds[Schedule] = Kinds("hcskit.schedules", "schedule", Schedule, "cosine")


def list_schedules() -> list[str]:
    """List the schedules that a recipe can name; one that cannot be loaded is left out with a warning.

    Examples
    --------
    >>> {"cosine", "polynomial", "snapshots"} <= set(list_schedules())
    True
    """
    return list(SCHEDULES.working())


def get_schedule(name: str, **options: Any) -> Schedule:
    """Return a schedule by name, with options as a recipe gives them.

    Raises
    ------
    InputError
        If there is none of that name, or it does not take these options.

    Examples
    --------
    >>> get_schedule("snapshots", cycles=3).snapshots(warm_up=1, epochs=10)
    [4, 7, 10]
    """
    return SCHEDULES.make(name, options)
