"""The post of a watcher: each notice goes to each receiver once, also over restarts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CalledProcessError, TimeoutExpired

from hcskit.errors import HcskitError
from hcskit.watch._ledger import Entry
from hcskit.watch._notify import Notice, Receiver, notices_of

__all__ = ["Post"]


@dataclass
class Post:
    """What is sent to whom. What waits to be sent is in the entries of the runs.

    Attributes
    ----------
    receivers : sequence of Receiver
        Who is told.
    min_z_prime : float, optional
        The least Z′-factor.
    """

    receivers: Sequence[Receiver]
    min_z_prime: float | None = None
    _tried: set[tuple[str, str, str]] = field(default_factory=set)  # run, stamp and receiver; once for each watcher

    def record(self, entry: Entry, run: Path, tell: Callable[[str], None]) -> Entry:
        """Put what is to be sent into an entry, and return it.

        Parameters
        ----------
        entry : Entry
            What became of the delivery now; the one of the run is that of before.
        run : pathlib.Path
            Folder of the run.
        tell : callable
            Receives a line if the results cannot be read.
        """
        before = Entry.read(run)
        if before and (before.stamp, before.outcome, before.reason) == (entry.stamp, entry.outcome, entry.reason):
            entry.unsent = before.unsent  # tried once more, with the same end
            return entry
        events = {"failure": f"set aside: {entry.reason}"} if entry.reason else {}
        if self.receivers and not entry.reason:
            try:
                events = dict(notices_of(run, self.min_z_prime))
            except (HcskitError, LookupError, OSError) as error:
                tell(f"{entry.delivery}: its results cannot be judged: {error}")
        entry.unsent = {receiver.key: dict(events) for receiver in self.receivers} if events else {}
        return entry

    def send(self, entry: Entry, run: Path, tell: Callable[[str], None]) -> None:
        """Send what an entry says is to be sent; what is not taken stays in it, for the next start of the watcher."""
        for receiver in self.receivers:
            attempt = str(run), entry.stamp, receiver.key
            if receiver.key not in entry.unsent or attempt in self._tried:
                continue
            self._tried.add(attempt)
            for event, text in list(entry.unsent[receiver.key].items()):
                try:
                    receiver.send(Notice(event, entry.delivery, str(run), text))
                except Exception as error:  # noqa: BLE001 - no notice may stop the watcher
                    tell(f"{entry.delivery}: {receiver.name} did not take the notice of {event}: {_told(error)}")
                    continue
                del entry.unsent[receiver.key][event]
                entry.write(run)


def _told(error: Exception) -> str:
    """Say why a notice was not taken, without the words of the command: they may hold a secret."""
    if isinstance(error, CalledProcessError):
        return f"exit code {error.returncode}: {' '.join(error.stderr.decode(errors='replace').split())}"
    return "it took too long" if isinstance(error, TimeoutExpired) else f"{error}"
