"""One rank's process: started on its CPUs, listened to, ended."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, TextIO

from hcskit.cluster._workers import WorkerLostError
from hcskit.cluster.ranks._binding import bind_rank, on_cpus
from hcskit.errors import RunError
from hcskit.parallel import bind_gpus, bind_network

__all__ = ["RankFailure", "RankProcess", "RankTask"]

_START = 300.0  # seconds more until the first sign of life: a disk may be slow when many ranks start
_PATIENCE = 10.0  # seconds for a killed process to end, and for its last output to be read


@dataclass(frozen=True)
class RankTask:
    """The task of one rank.

    Attributes
    ----------
    rank : int
        Its number.
    target : str
        ``module:function``.
    arguments : mapping
        Arguments of the function, as JSON has them.
    environment : mapping of str to str
        Variables that give its place.
    log : str
        File of its output.
    share : tuple of int
        Its number among the ranks that share this worker's cores, and their count: it gets that share of the cores.
    timeout : float
        Seconds after which it counts as frozen if its process shows no sign of life.
    """

    rank: int
    target: str
    arguments: Mapping[str, Any]
    environment: Mapping[str, str]
    log: str
    share: tuple[int, int]
    timeout: float = 120.0


class RankFailure(Exception):  # noqa: N818 - not an error of its own: `error` makes the one it stands for
    """How a rank failed.

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
    is_frozen : bool
        Its process had to be ended, as it showed no sign of life.
    """

    def __init__(self, where: str, ended: str, library: str = "", raised: bytes = b"", is_frozen: bool = False) -> None:
        super().__init__(where, ended, library, raised, is_frozen)
        self.where, self.ended, self.library, self.raised, self.is_frozen = where, ended, library, raised, is_frozen

    @property
    def may_follow(self) -> bool:
        """Whether another rank's end may be the cause: this one was killed, or lost its connection to the others."""
        return not self.is_frozen and self.library in ("", "horovod", "tensorflow")

    def error(self) -> BaseException:
        """Return the exception that the rank raised, with a note of where; a frozen one is as lost as its worker."""
        if self.is_frozen:
            return WorkerLostError(f"{self.where} {self.ended}")
        if not self.raised:
            return RunError(f"{self.where} ended with {self.ended}")
        error: BaseException = pickle.loads(self.raised)  # noqa: S301 - from our own process, over TLS
        error.add_note(f"This was {self.where}.")
        return error


class RankProcess:
    """A running rank.

    Parameters
    ----------
    task : RankTask
        What it does.
    slots : tuple of int
        Ranks of its worker, and threads that the worker asked for.
    say : callable
        Takes its number and a line of its output.

    Attributes
    ----------
    silence : float
        Seconds since its last sign of life, as its owner counts them; until the first one, less those that it has to
        start.
    """

    def __init__(self, task: RankTask, slots: tuple[int, int], say: Callable[[tuple[int, str]], object]) -> None:
        self.task, self.library, self.raised, self.silence = task, "", b"", -_START
        binding = bind_rank(task.share, slots)
        asked = {**os.environ, **task.environment}
        # Its number in the worker, whose own GPUs are shared out.
        gpu = bind_gpus(asked, int(asked.get("HOROVOD_LOCAL_RANK", 0)), slots[0])
        own = {**gpu, **bind_network(asked)}
        receive, send = os.pipe()
        try:
            with on_cpus(binding.cpus):
                self.process = subprocess.Popen(  # noqa: S603 - our own module
                    [*binding.prefix, sys.executable, "-P", "-u", "-m", "hcskit.cluster.ranks._rank", str(send)],
                    env={**asked, **binding.environment(task.environment), **own},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    pass_fds=(send,),
                    text=True,
                    errors="replace",
                    start_new_session=True,
                )
        except BaseException:
            os.close(receive)
            raise
        finally:
            os.close(send)
        self.listeners = [
            Thread(target=self._copy_output, args=(say,), daemon=True),
            Thread(target=self._read_report, args=(receive,), daemon=True),
        ]
        for listener in self.listeners:
            listener.start()
        # If it has ended, how is reported later.
        with suppress(BrokenPipeError), self.process.stdin as pipe:  # type: ignore[union-attr]
            pipe.write(json.dumps({"target": task.target, "arguments": dict(task.arguments)}) + "\n")

    @property
    def running(self) -> bool:
        """Whether it is still running."""
        return self.process.poll() is None

    def failure(self) -> RankFailure | None:
        """Return how it failed; None if it runs, or succeeded."""
        code = self.process.poll()
        where = f"rank {self.task.rank} on {os.uname().nodename} (its output is in {self.task.log})"
        if code is None and self.silence > self.task.timeout:
            return RankFailure(where, f"showed no sign of life for {self.task.timeout:g} s", is_frozen=True)
        if not code:
            return None
        self._listen_to_the_end()
        ended = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return RankFailure(where, ended, self.library, self.raised)

    def kill(self) -> None:
        """End it now, if it has not ended."""
        if self.running:
            os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill it, and keep what it wrote."""
        self.kill()
        with suppress(subprocess.TimeoutExpired):  # it waits for a disk that does not answer
            self.process.wait(_PATIENCE)
        self._listen_to_the_end()

    def _listen_to_the_end(self) -> None:
        for listener in self.listeners:
            listener.join(_PATIENCE)

    def _copy_output(self, say: Callable[[tuple[int, str]], object]) -> None:
        """Write output to the rank's file and forward it; read on if both fail, or the rank would block."""
        with suppress(OSError), _log(self.task.log) as file:  # a full disk is noticed again when it is closed
            for line in self.process.stdout or ():
                with suppress(OSError):
                    file.write(line)
                    file.flush()
                with suppress(Exception):  # the worker is closing
                    say((self.task.rank, line.rstrip("\n")))

    def _read_report(self, receive: int) -> None:
        """Read its signs of life and, at its end, how it failed; the traceback is for its file alone."""
        about = b""
        with os.fdopen(receive, "rb") as pipe:
            while not about and (line := pipe.readline()):
                about, self.silence = line.strip(), 0.0
            self.raised = pipe.read()
        if about:
            found = json.loads(about)
            self.library = found["library"]
            with suppress(OSError), _log(self.task.log) as file:
                file.write(found["traceback"])


def _log(path: str) -> TextIO:
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return Path(path).open("a", encoding="utf-8")
    except OSError:
        return Path(os.devnull).open("w", encoding="utf-8")
