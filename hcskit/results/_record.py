"""The record of a run, ``run.json``: what was done, with what, when, and how it ended."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, field_validator

from hcskit.errors import InputError, what_is_wrong
from hcskit.files import below, write_text
from hcskit.inputs import read_json

__all__ = ["InputRecord", "RunRecord", "StepRecord"]

Status = Literal["pending", "running", "completed", "failed", "stopped"]
_PACKAGES = (
    "hcskit",
    "keras",
    "tensorflow",
    "numpy",
    "scipy",
    "pandas",
    "xarray",
    "dask",
    "zarr",
    "holoviews",
    "papermill",
)


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StepRecord(_Record):
    """One step: a notebook, its parameters, and how it went; `key` stands for all that it depends on."""

    name: str
    notebook: str
    notebook_sha256: str
    parameters: dict[str, Any]
    key: str
    status: Status = "pending"
    started: str | None = None
    seconds: float | None = None
    output: str | None = None
    error: str | None = None

    @field_validator("output")
    @classmethod
    def _is_in_the_run(cls, output: str | None) -> str | None:
        """Refuse the name of a file that is not in the run's own folder: whoever wrote the record chose it."""
        return output if output is None else below("", output).as_posix()

    def done(self, run: Path) -> bool:
        """Whether the step was completed and its notebook is still in the run."""
        return self.status == "completed" and (run / str(self.output)).exists()


class InputRecord(_Record):
    """A file or folder that a parameter named; a folder is known by the names and sizes of its files."""

    parameter: str
    path: str
    sha256: str
    files: int
    bytes: int


class RunRecord(_Record):
    """A whole run."""

    pipeline: str
    description: str
    parameters: dict[str, Any]
    status: Status = "running"
    started: str
    finished: str | None = None
    python: str = sys.version.split()[0]
    platform: str = platform.platform()
    cores: int | None = os.cpu_count()
    versions: dict[str, str] = {}
    inputs: list[InputRecord] = []
    steps: list[StepRecord] = []

    @classmethod
    def read(cls, run: Path) -> Self | None:
        """Read the record of a run; None where the folder is new.

        Raises
        ------
        InputError
            If `run` is a file, there are other files in the folder, or the record cannot be read.
        """
        path = run / "run.json"
        if run.exists() and not run.is_dir():
            raise InputError(f"{run} is a file; choose a new folder with --out")
        if not path.exists():
            others = sorted(entry.name for entry in run.iterdir() if entry.name != ".lock") if run.exists() else []
            if others:
                raise InputError(
                    f"{run} is not empty ({', '.join(others[:5])}) and holds no run; choose a new folder with --out"
                )
            return None
        try:
            return cls.model_validate(read_json(path))
        except (OSError, ValueError) as error:  # pydantic's are ValueErrors too
            raise InputError(
                f"{path} is not the record of a run ({what_is_wrong(error)}); choose a new folder with --out"
            ) from error

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
        found = {step.status for step in self.steps}
        self.status = "failed" if "failed" in found else "completed" if found <= {"completed"} else "stopped"
        self.finished = self.finished or now()


def now() -> str:
    """Return the time, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Return the versions of hcskit and of what its numbers come from."""
    return {name: metadata.version(name) for name in _PACKAGES}


def describe_inputs(paths: Mapping[str, Path], run: Path) -> list[InputRecord]:
    """Describe the files and folders that parameters name, but for those inside the run."""
    outside = {name: path for name, path in paths.items() if run not in (path, *path.parents)}
    return [_describe(name, path, run) for name, path in outside.items() if path.exists()]


def step_key(parts: Iterable[str]) -> str:
    """Return a digest of all that a step depends on."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _describe(parameter: str, path: Path, run: Path) -> InputRecord:
    if path.is_file():
        content = path.read_bytes()
        return InputRecord(
            parameter=parameter, path=str(path), sha256=hashlib.sha256(content).hexdigest(), files=1, bytes=len(content)
        )
    files = sorted(
        (file.relative_to(path).as_posix(), file.stat().st_size)
        for file in path.rglob("*")
        if file.is_file() and run not in file.parents  # the run may lie in the folder that it reads
    )
    digest = hashlib.sha256("\n".join(f"{name} {size}" for name, size in files).encode()).hexdigest()
    return InputRecord(
        parameter=parameter, path=str(path), sha256=digest, files=len(files), bytes=sum(size for _, size in files)
    )
