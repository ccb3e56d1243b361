"""The record of a run, ``run.json``: what was done, with what, when, and how it ended."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict

from hcskit.digests import is_hidden
from hcskit.errors import InputError, what_is_wrong
from hcskit.files import write_text
from hcskit.inputs import read_json
from hcskit.locks import is_locked
from hcskit.names import below
from hcskit.results._value import Value

__all__ = ["InputRecord", "OutputRecord", "RunRecord", "StepRecord"]

Status = Literal["pending", "running", "completed", "failed", "stopped"]
#: Of the layout of the file; the first had no number.
_FORMAT = 2


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _inside(path: str) -> str:
    """Refuse the name of a file that is not in the run's own folder: whoever wrote the record chose it."""
    return below("", path).as_posix()


#: A path from the folder of the run.
_PathInRun = Annotated[str, AfterValidator(_inside)]


class InputRecord(_Record):
    """A file or folder that a parameter named, known by its content.

    Attributes
    ----------
    parameter : str
        Name of the parameter.
    path : str
        Where it was. It may move: only its content counts.
    sha256 : str
        As `hcskit.digests.Digest` has it.
    files, bytes : int
        How many files, and their size.
    """

    parameter: str
    path: str
    sha256: str
    files: int
    bytes: int


class OutputRecord(_Record):
    """A file of the run, or a folder that counts as one: a Zarr, or one that lies two levels deep.

    Attributes
    ----------
    path : str
        From the folder of the run.
    sha256 : str
        As `hcskit.digests.Digest` has it.
    files, bytes : int
        How many files, and their size.
    """

    path: _PathInRun
    sha256: str
    files: int
    bytes: int


class StepRecord(_Record):
    """One step: a notebook, what it was made from, what it wrote, and how it went.

    Attributes
    ----------
    name : str
        Name of the step.
    notebook, notebook_sha256 : str
        Where its notebook was, and its content.
    parameters : dict
        Its parameters. Paths inside the run start at the run's folder.
    status : str
        ``pending`` with outputs: it was completed, and will be compared with what stands before it when its turn comes.
    reason : str
        Why it was done again; empty where it was done for the first time.
    started, seconds : str, float
        When it was begun (UTC), and how long it took.
    peak_memory_bytes : int
        The most memory that its process held.
    output : str
        The executed notebook, in the run.
    error : str
        What went wrong.
    code : str
        Digest of the code of hcskit and of the packages that extend it.
    versions : dict
        Of Python and of the libraries, as its process reported them.
    executable : str
        The Python that ran it.
    inputs : list of InputRecord
        What its parameters name.
    reads : dict
        Of each step before it, by the name of its executed notebook: digest of the outputs, when this step ended.
    outputs : list of OutputRecord
        What belongs to it. A file belongs to the step that changed it last.
    """

    name: str
    notebook: str
    notebook_sha256: str
    parameters: dict[str, Value]
    status: Status = "pending"
    reason: str = ""
    started: str | None = None
    seconds: float | None = None
    peak_memory_bytes: int | None = None
    output: _PathInRun
    error: str | None = None
    code: str = ""
    versions: dict[str, str] = {}
    executable: str | None = None
    inputs: list[InputRecord] = []
    reads: dict[str, str] = {}
    outputs: list[OutputRecord] = []

    @property
    def is_whole(self) -> bool:
        """Whether it was completed, as far as it is concerned."""
        return self.status == "completed" or (self.status == "pending" and bool(self.outputs))


class RunRecord(_Record):
    """A whole run.

    Attributes
    ----------
    format : int
        Number of this layout.
    pipeline, description : str
        What was run.
    parameters : dict
        Parameters of all steps, as they were last given.
    status : str
        ``pending`` where some steps were left for later.
    started, finished : str
        When it was begun first, and when it ended last (UTC).
    python, platform, host : str
        Where it was started last.
    cores : int
        Of that machine.
    job : str
        The job of a batch system that it was part of.
    git : str
        Commit of the pipeline's repository; it ends in ``-dirty`` where files were changed since.
    code : str
        As in `StepRecord`, of the process that started it.
    versions : dict
        As in `StepRecord`, of the process that started it.
    steps : list of StepRecord
        In order.
    """

    format: int = _FORMAT
    pipeline: str
    description: str
    parameters: dict[str, Value]
    status: Status = "running"
    started: str
    finished: str | None = None
    python: str = sys.version.split()[0]
    platform: str = platform.platform()
    host: str = ""
    cores: int | None = os.cpu_count()
    job: str | None = None
    git: str | None = None
    code: str = ""
    versions: dict[str, str] = {}
    steps: list[StepRecord] = []

    @property
    def inputs(self) -> list[InputRecord]:
        """The inputs of all steps."""
        return list({source.parameter: source for step in self.steps for source in step.inputs}.values())

    @classmethod
    def read(cls, run: Path) -> Self | None:
        """Read the record of a run; None where the folder is new.

        A record that says ``running`` where no process holds the folder is of a run that was killed: ``stopped``.

        Raises
        ------
        InputError
            If `run` is a file, there are other files in the folder, or the record cannot be read.
        """
        path = run / "run.json"
        if run.exists() and not run.is_dir():
            raise InputError(f"{run} is a file; choose a new folder with --out")
        if not path.exists():
            others = sorted(entry.name for entry in run.iterdir() if not is_hidden(entry.name)) if run.exists() else []
            if others:
                raise InputError(
                    f"{run} is not empty ({', '.join(others[:5])}) and holds no run; choose a new folder with --out"
                )
            return None
        try:
            record = cls.model_validate(_up_to_date(read_json(path)))
        except (OSError, ValueError) as error:  # pydantic's are ValueErrors too
            raise InputError(
                f"{path} is not the record of a run ({what_is_wrong(error)}); choose a new folder with --out"
            ) from error
        if record.status == "running" and not is_locked(run):
            record.stop()
        return record

    def write(self, run: Path) -> None:
        """Write the record, whole or not at all.

        Raises
        ------
        StoreError
            If it cannot be written; the one before stays.
        """
        write_text(run / "run.json", self.model_dump_json(indent=1))

    def finish(self) -> None:
        """Sum up how the steps ended; the time is that of the last step that was done."""
        order: tuple[Status, ...] = ("failed", "stopped", "pending")
        found = {step.status for step in self.steps}
        self.status = next((status for status in order if status in found), "completed")
        self.finished = self.finished or now()

    def stop(self) -> None:
        """Say of what is running that it was stopped."""
        for step in self.steps:
            if step.status == "running":
                step.status, step.error = "stopped", "its process ended without a word: killed, or the machine stopped"
        self.status = "stopped"


def _up_to_date(content: Any) -> Any:
    """Read the records of hcskit 0.1: what they lack is empty, so that their steps are done again."""
    if isinstance(content, dict) and "format" not in content and isinstance(content.get("steps"), list):
        done = [step for step in content["steps"] if isinstance(step, dict) and step.get("output") is not None]
        steps = [{name: step[name] for name in step if name != "key"} for step in done]
        content = {name: content[name] for name in content if name != "inputs"} | {"steps": steps}
    return content


def now() -> str:
    """Return the time, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
