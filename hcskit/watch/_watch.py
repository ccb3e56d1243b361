"""An inbox watched, until Ctrl-C or once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from hcskit.cluster import AnyCluster, Cluster, config_of, hand_over
from hcskit.errors import InputError
from hcskit.files import make_folder
from hcskit.locks import locked
from hcskit.pipeline import Pipeline
from hcskit.watch._crew import Crew, Order
from hcskit.watch._notify import Receiver
from hcskit.watch._post import Post
from hcskit.watch._watcher import Watcher, fill

__all__ = ["watch_inbox"]

_SHARE = 9  # rests at least this many times as long as a look took, so that a large inbox is not read all the time


def watch_inbox(
    inbox: str | Path,
    pipeline: Pipeline | str | Path,
    out: str | Path,
    parameters: Mapping[str, str] | None = None,
    *,
    cluster: AnyCluster | None = None,
    at_once: int = 1,
    quiet: float = 60.0,
    patience: float = 86_400.0,
    once: bool = False,
    retry: bool = False,
    notify: Iterable[str] = (),
    min_z_prime: float | None = None,
    say: Callable[[str], None] = print,
    progress: bool = False,
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
        As `hcskit.run_pipeline` takes it. Of a cluster that is described, each run opens one of its own.
    at_once : int
        Run so many deliveries at a time, each in a process of its own.
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
    progress : bool
        Show the notebooks' progress bars on standard error, if there is one run at a time.

    Returns
    -------
    dict of str to str
        Of each delivery that failed during this call and did not succeed later: the reason.

    Raises
    ------
    InputError
        If there is no inbox, the runs would lie in it, the parameters do not fit the pipeline, or nobody is told of a
        low Z′-factor.
    StoreError
        If another watcher works in `out`, or nothing can be written there.
    """
    inbox, out = Path(inbox).resolve(), Path(out).resolve()
    if not isinstance(pipeline, Pipeline):
        pipeline = Pipeline.open(pipeline)
    given = dict(parameters or {})
    _check(inbox, out, pipeline, given)
    if at_once < 1:
        raise InputError(f"{at_once} plates at a time are none; give 1 or more")
    if min_z_prime is not None and not (notify := list(notify)):
        raise InputError("a least Z′ (--min-z-prime) is of use only with --notify, which says who is told; add it")
    post = Post([Receiver(target) for target in notify], min_z_prime)
    with locked(make_folder(out)), ExitStack() as stack:
        order = Order(pipeline, given, out, progress=progress and at_once == 1)
        if isinstance(cluster, Cluster):
            there = stack.enter_context(hand_over(cluster))
            order = replace(order, cluster=there.file, environment=there.environment)
        elif cluster is not None:
            order = replace(order, cluster=config_of(cluster))
        crew = Crew(at_once)
        stack.callback(crew.stop)
        watch = Watcher(inbox, order, crew, quiet, patience, retry, post, say)
        watch.tell(f"watching {inbox}")
        if once:
            waiting = watch.look()
            watch.finish()
            if waiting and quiet:
                time.sleep(quiet)
                watch.look()
                watch.finish()
            return watch.failed
        while True:
            began = time.monotonic()
            watch.look()
            watch.rest((time.monotonic() - began - watch.blocked) * _SHARE)


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
    pipeline.bind(fill(given, inbox), out)
