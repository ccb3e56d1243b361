"""Plates that a step cannot use: each is named with the reason, and the rest is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from hcskit.errors import DamagedError, HcskitError, InputError, MismatchError
from hcskit.results import set_aside

__all__ = ["Aside"]

T = TypeVar("T")


@dataclass
class Aside:
    """The plates that a step cannot use.

    Attributes
    ----------
    screen : pathlib.Path
        Folder of the screen.
    step : str
        As `hcskit.results.set_aside` takes it.
    allowed : bool
        Whether the step may do without them; otherwise the first is an error.
    reasons : dict of str to HcskitError
        What is wrong with each, by name.
    """

    screen: Path
    step: str
    allowed: bool
    reasons: dict[str, HcskitError] = field(default_factory=dict)

    def attempt(self, plate: str, work: Callable[[], T]) -> T | None:
        """Do the work on a plate, and return its result; of a plate that cannot be used, note why, and return None.

        What is wrong with a worker, or with the disk, is an error.
        """
        try:
            return work()
        except MismatchError:
            raise
        except (InputError, DamagedError) as error:
            if not self.allowed:
                raise
            self.reasons[plate] = error
            return None

    def write(self, count: int, say: Callable[[str], object]) -> None:
        """Write the table, and say each reason.

        Parameters
        ----------
        count : int
            How many plates can be used.
        say : callable
            Receives each plate's reason.

        Raises
        ------
        HcskitError
            If none can be used.
        """
        reasons = {name: str(self.reasons[name]) for name in sorted(self.reasons)}
        if not self.allowed:
            return
        if not count and len(reasons) == 1:
            raise next(iter(self.reasons.values()))
        if not count and reasons:
            raise InputError(f"the step {self.step} can use no plate:\n" + "\n".join(reasons.values()))
        set_aside(self.screen, self.step, reasons)
        for name, reason in reasons.items():
            say(f"set aside {name}: {reason}")
