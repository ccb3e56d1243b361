"""What runs in a Dask worker: the ranks of one gang that belong there."""

from __future__ import annotations

import json
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import get_worker

from hcskit.cluster._seats import on_cpus, take_seat
from hcskit.errors import RunError

__all__ = ["RankFailure", "RankTask", "run_ranks", "stop_ranks"]

_POLL = 0.1
_FOLLOW = 5.0  # seconds in which the cause of a rank's end shows, if it is the end of another one
_stopped: set[str] = set()


@dataclass(frozen=True)
class RankTask:
    """What one rank shall do.

    Attributes
    ----------
    rank : int
        Its number.
    target : str
        ``module:function``.
    arguments : mapping
        Arguments of the function, as JSON has them.
    environment : mapping of str to str
        Variables that tell it its place.
    log : str
        File of its output.
    share : tuple of int
        Its number among the ranks that share this worker's cores, and how many there are: it gets that part of them.
    """

    rank: int
    target: str
    arguments: Mapping[str, Any]
    environment: Mapping[str, str]
    log: str
    share: tuple[int, int]


class RankFailure(Exception):  # noqa: N818 - not an error of its own: `error` makes the one it stands for
    """How one rank ended that did not end well.

    Parameters
    ----------
    where : str
        The rank, its host, and the file of its output.
    ended : str
        How its process ended.
    library : str
        Name of the library whose exception it raised, or empty.
    raised : bytes
        That exception, pickled.
    """

    def __init__(self, where: str, ended: str, library: str, raised: bytes) -> None:
        super().__init__(where, ended, library, raised)
        self.where, self.ended, self.library, self.raised = where, ended, library, raised

    @property
    def may_follow(self) -> bool:
        """Whether this may come of another rank's end: it was killed, or could not go on talking to the others."""
        return self.library in ("", "horovod", "tensorflow")

    def error(self) -> BaseException:
        """Make the exception that the rank raised, with a note of where that was."""
        if not self.raised:
            return RunError(f"{self.where} ended with {self.ended}")
        error: BaseException = pickle.loads(self.raised)  # noqa: S301 - from our own process, over TLS
        error.add_note(f"This was {self.where}.")
        return error


def run_ranks(gang: str, tasks: Sequence[RankTask]) -> None:
    """Run ranks until all have ended; if one fails, the others are ended too.

    Raises
    ------
    RankFailure
        Of the rank that failed.
    RunError
        If the gang was stopped.
    """
    worker = get_worker()
    room = (len(tasks), worker.state.nthreads)
    started = [_start(task, room, lambda line: worker.log_event(gang, line)) for task in tasks]
    failures: dict[int, RankFailure] = {}
    ends = math.inf
    try:
        while any(process.poll() is None for process, _ in started) and time.monotonic() < ends:
            if gang in _stopped:
                raise RunError("stopped, as another rank was lost")
            _collect(tasks, started, failures)
            if any(not failure.may_follow for failure in failures.values()):
                break
            if failures:
                ends = min(ends, time.monotonic() + _FOLLOW)
            time.sleep(_POLL)
        _collect(tasks, started, failures)
    finally:
        for process, report in started:
            _end(process)
            os.close(report)
    if failures:
        raise min(failures.values(), key=lambda failure: failure.may_follow)


def stop_ranks(gang: str) -> None:
    """End a gang's ranks in this worker; to be run beside its tasks."""
    _stopped.add(gang)


def _collect(
    tasks: Sequence[RankTask],
    started: Sequence[tuple[subprocess.Popen[str], int]],
    failures: dict[int, RankFailure],
) -> None:
    for task, (process, report) in zip(tasks, started, strict=True):
        if process.poll() and task.rank not in failures:
            failures[task.rank] = _why(task, process, report)


def _start(task: RankTask, room: tuple[int, int], say: Any) -> tuple[subprocess.Popen[str], int]:
    seat = take_seat(task.share, room)
    receive, send = os.pipe()
    with on_cpus(seat.cpus):
        process = subprocess.Popen(  # noqa: S603 - our own module
            [*seat.prefix, sys.executable, "-u", "-m", "hcskit.cluster._rank", str(send)],
            env={**os.environ, **task.environment, **seat.environment(task.environment)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(send,),
            text=True,
            start_new_session=True,
        )
    os.close(send)
    line = {"target": task.target, "arguments": dict(task.arguments)}
    process.stdin.write(json.dumps(line) + "\n")  # type: ignore[union-attr]
    process.stdin.flush()  # type: ignore[union-attr]
    threading.Thread(target=_copy_output, args=(process, task, say), daemon=True).start()
    return process, receive


def _copy_output(process: subprocess.Popen[str], task: RankTask, say: Any) -> None:
    """To the rank's own file, and to whoever listens."""
    Path(task.log).parent.mkdir(parents=True, exist_ok=True)
    with Path(task.log).open("a", encoding="utf-8") as file:
        for line in process.stdout or ():
            file.write(line)
            file.flush()
            say((task.rank, line.rstrip("\n")))


def _why(task: RankTask, process: subprocess.Popen[str], report: int) -> RankFailure:
    library, _, raised = b"".join(iter(lambda: os.read(report, 65536), b"")).partition(b"\n")
    code = process.returncode
    ended = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    where = f"rank {task.rank} on {os.uname().nodename} (its output is in {task.log})"
    return RankFailure(where, ended, library.decode(), raised)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
