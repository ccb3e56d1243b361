"""What Slurm says about jobs: whether it would take one, and what became of those that it took."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from typing import NamedTuple

from hcskit.errors import InputError, RunError

__all__ = ["GONE", "Place", "ask_slurm", "places_of"]

_ENDED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "COMPLETING", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY"),
    *("PREEMPTED", "REVOKED", "TIMEOUT"),
}
# Reasons for which a job waits until somebody changes it, or for ever; see "Job reason codes" in Slurm's manual.
_HOPELESS = re.compile(
    r"DependencyNeverSatisfied|JobHeldAdmin|JobHoldMaxRequeue|JobLaunchFailure|BadConstraints|PartitionNodeLimit"
    r"|PartitionTimeLimit|AccountNotAllowed|QOSNotAllowed|InvalidAccount|InvalidQOS|(Assoc|QOS)(Max\w+Per(Job|Node)|Min)"
)
_SECONDS = 60  # for Slurm to answer
_PLAIN = {"SLURM_TIME_FORMAT": "standard"}  # whatever format the user likes to read


class Place(NamedTuple):
    """Where a job is.

    Attributes
    ----------
    state, reason : str
        In Slurm's words, such as ``PENDING`` and ``Resources``.
    start : str
        When it started, or is expected to; empty if Slurm does not say.
    """

    state: str
    reason: str = "None"
    start: str = ""

    def __str__(self) -> str:
        """Show the state, and the reason if there is one."""
        return self.state if self.reason == "None" else f"{self.state} ({self.reason})"

    @property
    def is_told(self) -> bool:
        """Whether Slurm has looked at it: before, it has no reason."""
        return self.runs or self.hopeless or self.reason != "None"

    @property
    def runs(self) -> bool:
        """Whether it has its nodes."""
        return self.state == "RUNNING"

    @property
    def hopeless(self) -> bool:
        """Whether it has ended, or waits for what will not come."""
        return self == GONE or self.state in _ENDED or (not self.runs and _HOPELESS.match(self.reason) is not None)


GONE = Place("gone from the queue")


def places_of(name: str) -> dict[str, Place]:
    """Return where the jobs of a name are, by number; those that ended minutes ago are not among them.

    Raises
    ------
    RunError
        If Slurm does not answer.

    Notes
    -----
    The answer is asked for in text: the keys of ``squeue --json`` change from version to version.
    """
    done = _run("squeue", "--noheader", "--name", name, "--states", "all", "--format", "%i|%T|%r|%S")
    if done.returncode:
        raise RunError(f"squeue: {' '.join(done.stderr.split())}")
    lines = [line.split("|") for line in done.stdout.splitlines()]
    return {
        number: Place(state, reason, "" if start == "N/A" else start.replace("T", " ")[:16])
        for number, state, reason, start in lines
    }


def ask_slurm(script: str) -> None:
    """Ask Slurm now whether it would accept the job: later its message would only be in a log.

    Raises
    ------
    InputError
        If it would not, in its words.
    RunError
        If Slurm does not answer.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(script)
        file.flush()
        asked = _run("sbatch", "--test-only", file.name)
    if asked.returncode:
        raise InputError(f"Slurm refuses the job: {asked.stderr.strip()}")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=False, timeout=_SECONDS, env={**os.environ, **_PLAIN}
        )
    except subprocess.TimeoutExpired:
        raise RunError(f"Slurm does not answer ({command[0]}, {_SECONDS} s); try again later") from None
    except FileNotFoundError:
        raise InputError(
            f"there is no {command[0]} on this machine; start from a node of the Slurm cluster, or choose another kind"
        ) from None
