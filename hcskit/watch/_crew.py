"""The processes that run pipelines for a watcher, several at a time; the end of one does not touch the others.

They are processes, as papermill changes the working directory of the whole process. Each has the process that starts
its kernels, so it is kept for the next run.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import NamedTuple

import dask

from hcskit.cluster import ClusterConfig
from hcskit.pipeline import Pipeline, run_pipeline

__all__ = ["Crew", "Ended", "Order"]

# Not multiprocessing: it would run the user's script again, if that is not guarded.
_CHILD = """
try:
    from hcskit.watch._crew import serve
    serve({descriptor})
except KeyboardInterrupt:
    pass
"""


@dataclass(frozen=True)
class Order:
    """What to run.

    Attributes
    ----------
    pipeline : Pipeline
        The steps.
    parameters : dict of str to str
        Values for their parameters.
    run : pathlib.Path
        Folder of the run.
    cluster : ClusterConfig or pathlib.Path, optional
        Where the steps work.
    environment : dict of str to str
        Environment variables besides those of this process.
    progress : bool
        Show the notebooks' progress bars on standard error.
    """

    pipeline: Pipeline
    parameters: dict[str, str]
    run: Path
    cluster: ClusterConfig | Path | None = None
    environment: dict[str, str] = field(default_factory=dict)
    progress: bool = False


class Ended(NamedTuple):
    """The end of a run, with the reason if it failed."""

    reason: str = ""


class Crew:
    """So many processes at most, which run pipelines.

    Parameters
    ----------
    size : int
        How many.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._busy: dict[str, _Runner] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._busy

    def __bool__(self) -> bool:
        """Whether any run is at work."""
        return bool(self._busy)

    @property
    def is_full(self) -> bool:
        """Whether none is free."""
        return len(self._busy) >= self._size

    def start(self, name: str, order: Order) -> None:
        """Start a run under a name."""
        runner = self._busy[name] = _idle_or_new()
        runner.take(order)

    def wait(self, seconds: float | None = None) -> list[tuple[str, str | Ended]]:
        """Return what runs have said, each a line or its end, as soon as one says anything; nothing after `seconds`."""
        ready = wait([runner.connection for runner in self._busy.values()], seconds)
        said = []
        for name, runner in list(self._busy.items()):
            if runner.connection not in ready:
                continue
            message = runner.hear()
            if isinstance(message, Ended):
                del self._busy[name]
                if runner.is_there:
                    _IDLE.append(runner)
            said.append((name, message))
        return said

    def stop(self) -> None:
        """End all runs as Ctrl-C ends one, and return when they have ended; at a second Ctrl-C at once."""
        try:
            for runner in self._busy.values():
                runner.process.send_signal(signal.SIGINT)
            while self._busy:
                self.wait()
        except BaseException:
            for runner in self._busy.values():
                runner.kill()
            raise


class _Runner:
    """A process that runs one pipeline after another."""

    def __init__(self) -> None:
        self.connection, its = Pipe()
        with its:
            self.process = subprocess.Popen(  # noqa: S603 - this Python, and our own code
                [sys.executable, "-P", "-c", _CHILD.format(descriptor=its.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=(its.fileno(),),
                start_new_session=True,  # Ctrl-C comes from `Crew.stop` alone
            )

    @property
    def is_there(self) -> bool:
        return self.process.poll() is None

    def take(self, order: Order) -> None:
        with suppress(OSError):  # it has ended, which is heard next
            self.connection.send((order, str(Path.cwd()), {**os.environ, **order.environment}))

    def hear(self) -> str | Ended:
        try:
            message: str | Ended = self.connection.recv()
        except (EOFError, OSError):
            self.connection.close()
            code = self.process.wait()
            ended = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            return Ended(f"the process of its run ended with {ended}; --retry tries it once more")
        return message

    def kill(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.wait()


#: Those that have nothing to do, for the next watcher of this process as well.
_IDLE: list[_Runner] = []


def _idle_or_new() -> _Runner:
    while _IDLE:
        if (runner := _IDLE.pop()).is_there:
            return runner
        runner.kill()
    return _Runner()


@atexit.register
def _dismiss() -> None:
    while _IDLE:
        _IDLE.pop().kill()


def serve(descriptor: int) -> None:
    """Run what comes through a connection, in a process of its own."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    connection: Connection[object, object] = Connection(descriptor)
    orders: SimpleQueue[tuple[Order, str, dict[str, str]]] = SimpleQueue()
    Thread(target=_listen, args=(connection, orders.put), daemon=True).start()
    alone = Lock()  # lines come from the threads of a cluster as well

    def say(said: str | Ended) -> None:
        with alone:
            connection.send(said)

    while True:
        order, folder, environment = orders.get()
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        dask.config.refresh()
        say(_run(order, say))


def _listen(connection: Connection[object, object], put: Callable[[object], None]) -> None:
    with suppress(EOFError, OSError):
        while True:
            put(connection.recv())
    os._exit(1)  # the watcher is gone: its next start must find no run at work


def _run(order: Order, say: Callable[[str], None]) -> Ended:
    try:
        run_pipeline(
            order.pipeline,
            order.parameters,
            order.run,
            cluster=order.cluster,
            say=say,
            progress=sys.stderr if order.progress else None,
        )
    except Exception as error:  # noqa: BLE001 - one delivery's fault must not stop the others
        return Ended(" ".join(str(error).split()) or type(error).__name__)
    return Ended()
