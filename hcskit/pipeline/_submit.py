"""A whole run as one job of a batch system: its driver waits and works there, not on a login node."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hcskit.cluster import ClusterConfig
from hcskit.errors import InputError, RunError
from hcskit.files import make_folder, write_text
from hcskit.inputs import read_json
from hcskit.results import RunRecord, plates_set_aside
from hcskit.results._record import now

__all__ = ["Submitted", "cancel", "log_of", "status", "submit"]

_FOLDER = ".driver"  # hidden: a new run may be started beside it
_ASK = 60  # s until a batch system must have answered
_WARNING = 120  # s before the walltime at which the run is told to stop
_ENDED = "ended"
_ALIVE = ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD")


@dataclass(frozen=True)
class Submitted:
    """The job of a run, as it is kept in the run's folder.

    Attributes
    ----------
    job : str
        Its number.
    command : tuple of str
        The arguments of ``hcskit`` that it runs.
    at : str
        When it was submitted (UTC).
    """

    job: str
    command: tuple[str, ...]
    at: str

    @classmethod
    def of(cls, run: Path) -> Submitted:
        """Read which job a run is.

        Raises
        ------
        InputError
            If it was not submitted, or the file cannot be read.
        """
        path = run / _FOLDER / "job.json"
        if not path.exists():
            raise InputError(f"{run} was not submitted to a batch system; hcskit submit does that")
        try:
            return cls(**read_json(path))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{path} is not what hcskit submit writes: {error}; submit the run again") from error

    def state(self) -> tuple[str, str]:
        """Return the state of the job and, while it waits, the reason and when it will start, in Slurm's words."""
        asked = _slurm("squeue", "--noheader", "--jobs", self.job, "--format", "%T|%r|%S", may_fail=True)
        state, _, why = asked.strip().partition("|")
        reason, _, start = why.partition("|")
        if not state:
            return _ENDED, ""
        return state, f"{reason}, expected to start {start}" if state == "PENDING" else ""


def log_of(run: str | Path) -> Path:
    """Return the file that holds what the driver of a submitted run says."""
    return Path(run) / _FOLDER / "driver.log"


def submit(command: Sequence[str], run: str | Path, config: ClusterConfig, *, cores: int, memory: str) -> str:
    """Send a run to the queue, and return the number of its job.

    The job takes queue, account, walltime, prologue, Python and further directives from the cluster's file. Shortly
    before the walltime it stops; the same command resumes. A job that Slurm requeues resumes by itself.

    Parameters
    ----------
    command : sequence of str
        Arguments of ``hcskit``, such as ``["run", "demo", "--out", "/data/run"]``.
    run : path-like
        Folder of the run; all nodes must see it.
    config : ClusterConfig
        Of kind ``slurm``.
    cores, memory : int, str
        What the driver needs: the steps that use the cluster work elsewhere.

    Raises
    ------
    InputError
        If the batch system is another one, Slurm refuses the job, or the run is in the queue already.
    RunError
        If Slurm does not answer.
    """
    if config.kind != "slurm":
        raise InputError(
            f"hcskit submit knows Slurm only, and the cluster's file says {config.kind}; put this command into a job "
            f"script of your own: hcskit {shlex.join(command)}"
        )
    run = Path(run).resolve()
    if (run / _FOLDER / "job.json").exists():
        before = Submitted.of(run)
        state, _ = before.state()
        if state in _ALIVE:
            raise InputError(f"{run} is in the queue already: Slurm job {before.job}, {state}; hcskit cancel ends it")
    make_folder(log_of(run).parent)
    with tempfile.NamedTemporaryFile("w", suffix=".sh", encoding="utf-8") as file:
        file.write(_script(command, run, config, cores, memory))
        file.flush()
        answer = _slurm("sbatch", "--parsable", file.name)
    job = answer.strip().partition(";")[0]
    write_text(run / _FOLDER / "job.json", json.dumps(asdict(Submitted(job, tuple(command), now()))))
    return job


def _script(command: Sequence[str], run: Path, config: ClusterConfig, cores: int, memory: str) -> str:
    given = {
        "--job-name": f"hcskit-{run.name}",
        "--output": log_of(run),
        "--open-mode": "append",
        "--chdir": Path.cwd(),
        "--partition": config.queue,
        "--account": config.account,
        "--time": config.walltime,
        "--signal": f"B:TERM@{_WARNING}",
        "--cpus-per-task": cores,
        "--mem": memory.upper().removesuffix("IB").removesuffix("B"),
    }
    directives = [f"{name}={shlex.quote(str(value))}" for name, value in given.items() if value is not None]
    directives += ["--requeue", "--ntasks=1"]
    kept = [line for line in directives if not any(word in line for word in config.job_directives_skip)]
    python = [config.python or sys.executable, "-c", "from hcskit.cli import main; main(prog_name='hcskit')"]
    lines = ["#!/bin/bash", *(f"#SBATCH {line}" for line in kept), *config.prologue]
    # Without exec, the shell would get the signal, and wait for the end of the run before it passes it on.
    return "\n".join([*lines, f"exec {shlex.join([*python, *command])}", ""])


def status(run: str | Path) -> list[str]:
    """Say how far a run is: its job in the batch system's words, if it has one, and each of its steps.

    Raises
    ------
    InputError
        If there is no run.
    """
    run = Path(run).resolve()
    told, alive = [], False
    if (run / _FOLDER / "job.json").exists():
        job = Submitted.of(run)
        state, why = job.state()
        alive = state in _ALIVE
        told.append(f"Slurm job {job.job}: {state}{f' ({why})' if why else ''}")
    record = RunRecord.read(run)
    if record is None:
        return told or _no_run(run)
    if alive:  # on another machine the lock of the run may not be seen
        record = RunRecord.model_validate(read_json(run / "run.json"))
    told.append(f"{record.pipeline}: {record.status}")
    for step in record.steps:
        took = f", {step.seconds:.0f} s" if step.seconds is not None else ""
        told.append(f"  {step.name}: {step.status}{took}{f': {step.error}' if step.error else ''}")
    return [*told, *(f"set aside: {plate}: {reason}" for plate, reason in plates_set_aside(run).items())]


def _no_run(run: Path) -> list[str]:
    raise InputError(f"{run} holds no run")


def cancel(run: str | Path) -> str:
    """End the job of a run, and return its number; what is done is kept, and the same command resumes.

    Raises
    ------
    InputError
        If the run was not submitted, or its job has ended.
    """
    submitted = Submitted.of(Path(run).resolve())
    if submitted.state()[0] == _ENDED:
        raise InputError(f"Slurm job {submitted.job} of {run} has ended already")
    _slurm("scancel", "--full", submitted.job)
    return submitted.job


def _slurm(*command: str, may_fail: bool = False) -> str:
    """Ask Slurm. A job's own settings are not handed on to one that it submits."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SBATCH_")}
    try:
        asked = subprocess.run(  # noqa: S603 - the cluster's own commands
            command, capture_output=True, text=True, check=False, timeout=_ASK, env=environment
        )
    except subprocess.TimeoutExpired:
        raise RunError(f"Slurm does not answer ({command[0]}, {_ASK} s); try again later") from None
    except FileNotFoundError:
        raise InputError(f"there is no {command[0]} on this machine; use a node of the Slurm cluster") from None
    if asked.returncode and not (may_fail and "Invalid job id" in asked.stderr):
        raise InputError(f"Slurm refuses: {asked.stderr.strip()}")
    return asked.stdout
