"""The watcher's work: what is in the inbox, whose time has come, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from hcskit.digests import digest_of_list, is_hidden
from hcskit.errors import InputError, StoreError
from hcskit.locks import is_locked
from hcskit.names import alike, child, safe_name
from hcskit.pipeline import named_paths
from hcskit.results._record import now
from hcskit.watch._arrival import Contents, look_into, what_lacks
from hcskit.watch._crew import Crew, Ended, Order
from hcskit.watch._ledger import Entry
from hcskit.watch._post import Post

__all__ = ["Watcher", "fill"]

_POLL = 10.0  # s between two looks, at most
_BLINK = 0.1  # s, at least


def fill(given: Mapping[str, str], delivery: Path) -> dict[str, str]:
    """Return the parameters of the run over a delivery."""
    stands_for = {"{name}": delivery.name, "{source}": str(delivery)}
    filled = dict(given)
    for word, value in stands_for.items():
        filled = {name: text.replace(word, value) for name, text in filled.items()}
    return filled | {"source": str(delivery)}


@dataclass(frozen=True)
class _Begun:
    """A run that has begun."""

    run: Path
    stamp: str
    at: float


@dataclass
class Watcher:
    """What one watcher knows; what must last is in the entries of the runs."""

    inbox: Path
    order: Order  # of any delivery; its run is the folder of all runs
    crew: Crew
    quiet: float
    patience: float
    retry: bool
    post: Post
    say: Callable[[str], None]
    failed: dict[str, str] = field(default_factory=dict)
    blocked: float = 0.0  # s for which the last look waited for a run to end
    _begun: dict[str, _Begun] = field(default_factory=dict)
    _since: dict[str, tuple[str, float]] = field(default_factory=dict)  # stamp, and when it was first seen
    _lacks: dict[str, tuple[str, str]] = field(default_factory=dict)  # stamp, and what its delivery lacks
    _told: dict[str, str] = field(default_factory=dict)  # the last line of each delivery that waits
    _retried: set[str] = field(default_factory=set)

    def tell(self, line: str) -> None:
        self.say(f"{now()} {line}")

    def look(self) -> int:
        """Begin what has arrived, and return how many deliveries are still waited for."""
        self.blocked = 0.0
        waiting = 0
        for name in self._names():
            try:
                waiting += self._consider(name)
            except InputError as error:  # its name cannot be that of a run
                self._wait(name, str(error))
        return waiting

    def rest(self, least: float) -> None:
        """Attend to the runs until the next look, which comes no later than a delivery has been quiet for long."""
        here = time.monotonic()
        quiet = (since + self.quiet - here for _, since in self._since.values())
        until = here + max(_BLINK, least, min((self.quiet, _POLL, *(left for left in quiet if left > 0))))
        while (left := until - time.monotonic()) > 0:
            self._attend(left)

    def finish(self) -> None:
        """Attend to the runs until all have ended."""
        while self.crew:
            self._attend()

    def _attend(self, seconds: float | None = None) -> None:
        for name, said in self.crew.wait(seconds):
            if isinstance(said, Ended):
                self._settle(name, self._begun.pop(name), said.reason)
            else:
                self.tell(f"{name}: {said}")

    def _names(self) -> list[str]:
        try:
            found = sorted(path.name for path in self.inbox.iterdir() if path.is_dir() and not is_hidden(path.name))
        except OSError as error:  # a network drive that comes back
            self._wait(str(self.inbox), f"cannot be read: {error.strerror}; waiting for it")
            return []
        if same := alike(map(safe_name, found)):
            self._wait(str(self.inbox), f"holds folders whose runs would have one name, {same[0]}; rename all but one")
            found = [name for name in found if safe_name(name).casefold() not in {each.casefold() for each in same}]
        return found

    def _consider(self, name: str) -> bool:
        """Begin with a delivery if its time has come; return whether it is waited for."""
        if name in self.crew:
            return True
        delivery, run = self.inbox / name, child(self.order.run, safe_name(name))
        parameters = fill(self.order.parameters, delivery)
        contents = look_into(delivery, self._others(parameters, run))
        if contents is None or not contents.files:
            return True
        asked = digest_of_list({**parameters, "": self.order.pipeline.model_dump_json()})
        stamp = digest_of_list({"contents": contents.stamp, "asked": asked})
        entry = Entry.read(run)
        if entry and self._is_settled(name, entry, stamp):
            self.post.send(entry, run, self.tell)
            return False
        if not self._is_quiet(name, stamp):
            return True
        lacks = self._lacking(name, stamp, parameters.get("reader"))
        if lacks and time.time() - contents.newest < self.patience:
            self._wait(name, f"waits: {lacks}")
            return True
        if is_locked(run):
            self._wait(name, f"waits: another process works in {run}")
            return True
        if self.crew.is_full:
            self._wait_for_one()
            return self._consider(name)  # it may have changed
        self._begin(name, _Begun(run, stamp, time.monotonic()), parameters, contents, lacks)
        return False

    def _is_quiet(self, name: str, stamp: str) -> bool:
        seen, since = self._since.get(name, ("", 0.0))
        if seen != stamp:
            self._since[name] = stamp, since = stamp, time.monotonic()
        return time.monotonic() - since >= self.quiet

    def _wait_for_one(self) -> None:
        began = time.monotonic()
        while self.crew.is_full:
            self._attend()
        self.blocked += time.monotonic() - began

    def _others(self, parameters: Mapping[str, str], run: Path) -> list[Path]:
        """List what else a run reads, such as a plate map and a model."""
        bound = self.order.pipeline.bind(parameters, run)
        named = [values[name] for notebook, values in bound for name in notebook.paths if name != "source"]
        paths = {path.resolve() for value in named for path in named_paths(value)}
        return sorted(path for path in paths if run not in (path, *path.parents))

    def _is_settled(self, name: str, entry: Entry, stamp: str) -> bool:
        """Whether what became of a delivery still stands."""
        if entry.stamp != stamp:
            return False
        return entry.outcome == "done" or not self.retry or name in self._retried

    def _lacking(self, name: str, stamp: str, reader: str | None) -> str:
        if self._lacks.get(name, ("",))[0] != stamp:
            self._lacks[name] = stamp, what_lacks(self.inbox / name, reader)
        return self._lacks[name][1]

    def _wait(self, name: str, line: str) -> None:
        """Say why something waits, once."""
        if self._told.get(name) != line:
            self._told[name] = line
            self.tell(f"{name}: {line}")

    def _begin(self, name: str, begun: _Begun, parameters: dict[str, str], contents: Contents, lacks: str) -> None:
        """Have the pipeline run over a delivery, or set it aside as it lacks images."""
        self._retried.add(name)
        for known in (self._since, self._lacks, self._told):
            known.pop(name, None)
        if lacks:
            self._settle(name, begun, lacks)
            return
        self.tell(f"{name}: arrived, {contents.files:,} files; into {begun.run}")
        self._begun[name] = begun
        self.crew.start(name, replace(self.order, parameters=parameters, run=begun.run))

    def _settle(self, name: str, begun: _Begun, reason: str) -> None:
        """Write what became of a delivery."""
        entry = Entry(delivery=name, stamp=begun.stamp, outcome="failed" if reason else "done", reason=reason)
        try:
            self.post.record(entry, begun.run, self.tell).write(begun.run)
        except StoreError as error:
            self.failed[name] = str(error)
            self.tell(f"{name}: its end cannot be recorded, so it will be looked at again: {error}")
            return
        if reason:
            self.failed[name] = reason
            self.tell(f"{name}: set aside until it changes: {reason}")
        else:
            self.failed.pop(name, None)
            self.tell(f"{name}: done in {time.monotonic() - begun.at:.0f} s")
        self.post.send(entry, begun.run, self.tell)
