"""What became of a delivery: one hidden file in the folder of its run, written whole when the run has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hcskit.files import make_folder, write_text
from hcskit.results._record import now

__all__ = ["Entry"]

_FILE = ".watch.json"


class Entry(BaseModel):
    """What became of a delivery.

    There is no other record: a run that was killed left none, so that it is resumed, and who removes the folder of a
    run has it done again.

    Attributes
    ----------
    delivery : str
        Name of its folder in the inbox.
    stamp : str
        What it held when the run began, as `hcskit.watch.Contents` has it.
    outcome : str
        ``done``; or ``failed``, which is tried again when the stamp changes.
    reason : str
        Why it failed.
    ended : str
        When (UTC).
    unsent : dict
        Text of each notice that a receiver has not taken yet, by the receiver's key and the event.
    """

    model_config = ConfigDict(extra="forbid")

    delivery: str
    stamp: str
    outcome: Literal["done", "failed"]
    reason: str = ""
    ended: str = Field(default_factory=now)
    unsent: dict[str, dict[str, str]] = Field(default_factory=dict)

    @classmethod
    def read(cls, run: Path) -> Self | None:
        """Read what became of the delivery of a run; None if that is not known."""
        try:
            return cls.model_validate_json((run / _FILE).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValidationError):
            return None

    def write(self, run: Path) -> None:
        """Write it, whole or not at all.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        write_text(make_folder(run) / _FILE, self.model_dump_json(indent=2) + "\n")
