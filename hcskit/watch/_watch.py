"""The watcher: looks at an inbox, and runs a pipeline over each delivery that has arrived whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from hcskit.cluster import AnyCluster
from hcskit.digests import digest_of_list, is_hidden
from hcskit.errors import InputError
from hcskit.files import make_folder
from hcskit.locks import locked
from hcskit.names import alike, child, safe_name
from hcskit.pipeline import Pipeline, named_paths, run_pipeline
from hcskit.results._record import now
from hcskit.watch._arrival import Contents, look_into, what_lacks
from hcskit.watch._ledger import Entry
from hcskit.watch._notify import Receiver
from hcskit.watch._post import Post

__all__ = ["watch_inbox"]

_POLL = 10.0  # s between two looks, at most
_SHARE = 9  # rests at least this many times as long as a look took, so that a large inbox is not read all the time


def watch_inbox(
    inbox: str | Path,
    pipeline: Pipeline | str | Path,
    out: str | Path,
    parameters: Mapping[str, str] | None = None,
    *,
    cluster: AnyCluster | None = None,
    quiet: float = 60.0,
    patience: float = 86_400.0,
    once: bool = False,
    retry: bool = False,
    notify: Iterable[str] = (),
    min_z_prime: float | None = None,
    say: Callable[[str], None] = print,
    progress: TextIO | None = None,
) -> dict[str, str]:
    """Run a pipeline over each folder of an inbox, when it has arrived whole, exactly once.

    A delivery is a folder in the inbox. It is whole when nothing in it has changed for a while and all images that its
    index names are there. It is done again when its files, a file that a parameter names, or the command change. Stop
    the watcher in any way: started again, it resumes.

    Parameters
    ----------
    inbox : path-like
        Where the deliveries arrive. It is only read.
    pipeline : Pipeline or path-like
        As `hcskit.run_pipeline` takes it; its parameter ``source`` is the delivery.
    out : path-like
        Folder of the runs; each has the name of its delivery.
    parameters : mapping of str to str, optional
        Values for the steps' parameters. ``{name}`` in one stands for the name of the delivery, ``{source}`` for its
        path.
    cluster : Cluster, ClusterConfig or path-like, optional
        As `hcskit.run_pipeline` takes it.
    quiet : float
        How long nothing may have changed, in seconds.
    patience : float
        How long a delivery that lacks images is waited for since its last file came, in seconds; then it is set aside.
    once : bool
        Handle what is there, and return.
    retry : bool
        Try once more what was set aside before.
    notify : iterable of str
        Who is told of a plate that failed, has a low Z′ or is unlike those that the network learned from: commands,
        ``mailto:`` and an address, or ``https`` addresses.
    min_z_prime : float, optional
        The Z′-factor below which it is low.
    say : callable
        Receives a line for each event.
    progress : file, optional
        Where the notebooks' progress bars go.

    Returns
    -------
    dict of str to str
        Of each delivery that failed during this call and did not succeed later: the reason.

    Raises
    ------
    InputError
        If there is no inbox, the runs would lie in it, or the parameters do not fit the pipeline.
    StoreError
        If another watcher works in `out`, or nothing can be written there.
    """
    inbox, out = Path(inbox).resolve(), Path(out).resolve()
    if not isinstance(pipeline, Pipeline):
        pipeline = Pipeline.open(pipeline)
    given = dict(parameters or {})
    _check(inbox, out, pipeline, given)
    post = Post([Receiver(target) for target in notify], min_z_prime)
    watch = _Watch(inbox, pipeline, out, given, cluster, quiet, patience, retry, post, say, progress)
    with locked(make_folder(out)):
        watch.tell(f"watching {inbox}")
        if once:
            if watch.look() and quiet:
                time.sleep(quiet)
                watch.look()
            return watch.failed
        while True:
            began = time.monotonic()
            watch.look()
            rest = (time.monotonic() - began - watch.worked) * _SHARE
            time.sleep(max(min(quiet, _POLL), rest, 0.1))


def _check(inbox: Path, out: Path, pipeline: Pipeline, given: Mapping[str, str]) -> None:
    """Find now what would make every run fail."""
    if not inbox.is_dir():
        raise InputError(f"there is no folder {inbox}; give the folder in which the plates arrive")
    if inbox in (out, *out.parents):
        raise InputError(
            f"the runs in {out} would lie in the inbox {inbox} and be taken for plates; choose another --out"
        )
    if "source" in given:
        raise InputError("source is given by the watcher: the folder of each delivery; leave out -p source=…")
    pipeline.bind(_fill(given, inbox), out)


def _fill(given: Mapping[str, str], delivery: Path) -> dict[str, str]:
    """Return the parameters of the run over a delivery."""
    stands_for = {"{name}": delivery.name, "{source}": str(delivery)}
    filled = dict(given)
    for word, value in stands_for.items():
        filled = {name: text.replace(word, value) for name, text in filled.items()}
    return filled | {"source": str(delivery)}


@dataclass
class _Watch:
    """What one watcher knows; what must last is in the entries of the runs."""

    inbox: Path
    pipeline: Pipeline
    out: Path
    given: dict[str, str]
    cluster: AnyCluster | None
    quiet: float
    patience: float
    retry: bool
    post: Post
    say: Callable[[str], None]
    progress: TextIO | None
    failed: dict[str, str] = field(default_factory=dict)
    worked: float = 0.0  # s that the runs of the last look took
    _since: dict[str, tuple[str, float]] = field(default_factory=dict)  # stamp, and when it was first seen
    _lacks: dict[str, tuple[str, str]] = field(default_factory=dict)  # stamp, and what its delivery lacks
    _told: dict[str, str] = field(default_factory=dict)  # the last line of each delivery that waits
    _retried: set[str] = field(default_factory=set)

    def tell(self, line: str) -> None:
        self.say(f"{now()} {line}")

    def look(self) -> int:
        """Handle what has arrived, and return how many deliveries are still waited for."""
        self.worked = 0.0
        waiting = 0
        for name in self._names():
            try:
                waiting += self._consider(name)
            except InputError as error:  # its name cannot be that of a run
                self._wait(name, str(error))
        return waiting

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
        """Handle a delivery if its time has come; return whether it is waited for."""
        delivery, run = self.inbox / name, child(self.out, safe_name(name))
        parameters = _fill(self.given, delivery)
        contents = look_into(delivery, self._others(parameters, run))
        if contents is None or not contents.files:
            return True
        asked = digest_of_list({**parameters, "": self.pipeline.model_dump_json()})
        stamp = digest_of_list({"contents": contents.stamp, "asked": asked})
        entry = Entry.read(run)
        if entry and self._is_settled(name, entry, stamp):
            self.post.send(entry, run, self.tell)
            return False
        seen, since = self._since.get(name, ("", 0.0))
        if seen != stamp:
            self._since[name] = stamp, since = stamp, time.monotonic()
        if time.monotonic() - since < self.quiet:
            return True
        lacks = self._lacking(name, stamp, parameters.get("reader"))
        if lacks and time.time() - contents.newest < self.patience:
            self._wait(name, f"waits: {lacks}")
            return True
        self._handle(name, run, parameters, stamp, contents, lacks)
        return False

    def _others(self, parameters: Mapping[str, str], run: Path) -> list[Path]:
        """List what else a run reads, such as a plate map and a model."""
        bound = self.pipeline.bind(parameters, run)
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

    def _handle(
        self, name: str, run: Path, parameters: Mapping[str, str], stamp: str, contents: Contents, lacks: str
    ) -> None:
        """Run the pipeline over a delivery, and write what became of it."""
        self._retried.add(name)
        for known in (self._since, self._lacks, self._told):
            known.pop(name, None)
        began = time.monotonic()
        reason = lacks
        if not lacks:
            self.tell(f"{name}: arrived, {contents.files:,} files; into {run}")
            reason = self._run(name, run, parameters)
        entry = Entry(delivery=name, stamp=stamp, outcome="failed" if reason else "done", reason=reason)
        self.post.record(entry, run, self.tell).write(run)
        if reason:
            self.failed[name] = reason
            self.tell(f"{name}: set aside until it changes: {reason}")
        else:
            self.failed.pop(name, None)
            self.tell(f"{name}: done in {time.monotonic() - began:.0f} s")
        self.post.send(entry, run, self.tell)
        self.worked += time.monotonic() - began

    def _run(self, name: str, run: Path, parameters: Mapping[str, str]) -> str:
        """Return why a run failed; nothing if it did not."""
        try:
            run_pipeline(
                self.pipeline,
                parameters,
                run,
                cluster=self.cluster,
                say=lambda line: self.tell(f"{name}: {line}"),
                progress=self.progress,
            )
        except Exception as error:  # noqa: BLE001 - one delivery's fault must not stop the others
            return " ".join(str(error).split()) or type(error).__name__
        return ""
