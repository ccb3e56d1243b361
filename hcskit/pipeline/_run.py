"""Running: papermill executes each step's notebook; a stopped run resumes at the first incomplete step."""

from __future__ import annotations

import json
import logging
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from hcskit.errors import HcskitError, InputError, RunError, StoreError
from hcskit.files import make_folder
from hcskit.locks import locked
from hcskit.pipeline._checks import check_steps
from hcskit.pipeline._notebook import StepNotebook
from hcskit.pipeline._spec import Pipeline
from hcskit.results._record import RunRecord, StepRecord, describe_inputs, now, step_key, versions

__all__ = ["run_pipeline"]

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def run_pipeline(
    pipeline: Pipeline | str | Path,
    parameters: Mapping[str, Any],
    out: str | Path,
    *,
    say: Callable[[str], None] = print,
    progress: TextIO | None = None,
) -> RunRecord:
    """Run a pipeline into a folder.

    Parameters
    ----------
    pipeline : Pipeline or path-like
        Its steps; or the path of its file; or its name, such as ``dose_response``.
    parameters : mapping
        Values for the steps' parameters; relative paths start at the working directory.
    out : path-like
        Folder of the run. If the same run was stopped there, it resumes; completed steps are not repeated.
    say : callable
        Receives a line for each step.
    progress : file, optional
        Where the notebooks' progress bars go, besides into the executed notebooks.

    Returns
    -------
    RunRecord
        Also in ``run.json``.

    Raises
    ------
    InputError
        If a parameter is wrong, the folder holds other files or another run, or a step found its input invalid.
    RunError
        If a step failed.
    StoreError
        If another process runs in that folder, or the disk is full.
    """
    run = Path(out).resolve()
    if not isinstance(pipeline, Pipeline):
        pipeline = Pipeline.open(pipeline)
    bound = pipeline.bind(parameters, run)
    before = RunRecord.read(run)  # refuses a folder that holds something else, before the lock is put there
    done = {step.name for step in before.steps if step.done(run)} if before else set()
    check_steps([step for step in bound if step[0].name not in done], run)
    with locked(make_folder(run)):
        record = _record(pipeline, bound, run)
        try:
            for number, (step, (notebook, _)) in enumerate(zip(record.steps, bound, strict=True), start=1):
                label = f"[{number}/{len(bound)}] {step.name}"
                if step.status == "completed":
                    say(f"{label}: done before")
                    continue
                say(label)
                _run_step(record, step, notebook, run, progress)
                say(f"{label}: {step.seconds:.0f} s")
        finally:
            record.finish()
            record.write(run)
    return record


def _record(pipeline: Pipeline, bound: list[tuple[StepNotebook, dict[str, Any]]], run: Path) -> RunRecord:
    """Make the record of this run; steps that were completed before and have not changed remain completed."""
    before = RunRecord.read(run)
    everything = {name: value for _, values in bound for name, value in values.items()}
    paths = {name: Path(everything[name]) for step, _ in bound for name in step.paths if everything[name] is not None}
    if before is not None:
        changed = sorted(
            name
            for name in everything.keys() | before.parameters.keys()
            if everything.get(name) != before.parameters.get(name)
        )
        if before.pipeline != pipeline.name or changed:
            what = f"of the pipeline {before.pipeline}" if before.pipeline != pipeline.name else "with other parameters"
            raise InputError(
                f"{run} already holds another run {what} (started {before.started}"
                + (f"; different: {', '.join(changed)}" if changed else "")
                + "); choose a new folder with --out"
            )
    record = RunRecord(
        pipeline=pipeline.name,
        description=pipeline.description,
        parameters=everything,
        started=before.started if before else now(),
        versions=versions(),
        inputs=describe_inputs(paths, run),
    )
    done = {step.key: step for step in before.steps if step.done(run)} if before else {}
    key = json.dumps(record.versions)
    for number, (notebook, values) in enumerate(bound, start=1):
        read = [source.model_dump() for source in record.inputs if source.parameter in notebook.paths]
        key = step_key([key, notebook.sha256, json.dumps([values, read], sort_keys=True)])
        new = StepRecord(
            name=notebook.name,
            notebook=str(notebook.path),
            notebook_sha256=notebook.sha256,
            parameters=values,
            key=key,
            output=f"notebooks/{number:02d}_{notebook.name}.ipynb",
        )
        record.steps.append(done.get(key, new))
    if before and all(step.status == "completed" for step in record.steps):
        record.finished = before.finished
    return record


def _run_step(record: RunRecord, step: StepRecord, notebook: StepNotebook, run: Path, progress: TextIO | None) -> None:
    step.status, step.started = "running", now()
    record.write(run)
    began = time.perf_counter()
    output = run / str(step.output)
    output.parent.mkdir(exist_ok=True)
    # Papermill's regular expression for parameters does not match `X | None`; ours are checked already.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory(prefix="hcskit-") as private:
            papermill.execute_notebook(
                _unformatted(notebook.path),
                _unformatted(output),
                parameters=step.parameters,
                cwd=str(run),
                progress_bar=False,
                kernel_name="python3",  # this Python, whatever the notebook was last opened with
                language="python",
                config=_kernel_config(private),
                stderr_file=progress,
                request_save_on_cell_execute=True,
            )
        step.status = "completed"
    except PapermillExecutionError as error:
        step.status = "stopped" if error.ename == "KeyboardInterrupt" else "failed"
        step.error = f"{error.ename}: {error.evalue}"
        if step.status == "stopped":
            raise KeyboardInterrupt from error
        raise _as_raised(step, error, output) from error
    except BaseException as error:
        step.status = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
        step.error = f"{type(error).__name__}: {error}"
        if isinstance(error, DeadKernelError):
            raise RunError(
                f"step {step.name} failed: its process was killed, perhaps for lack of memory (its progress is in "
                f"{output}); the same command resumes at this step"
            ) from error
        if isinstance(error, OSError):
            raise StoreError(
                f"step {step.name} could not be written to {run}: {error.strerror or error}; remove the cause, and "
                "give the command again"
            ) from error
        raise
    finally:
        step.seconds = round(time.perf_counter() - began, 2)


def _kernel_config(private: str) -> Config:
    """Connect to the kernel through sockets in a folder that only the user can open, not through network ports."""
    return Config(
        {
            "KernelManager": {
                "transport": "ipc",
                "ip": f"{private}/kernel",
                "connection_file": f"{private}/kernel.json",
            },
            # A kernel that is stopped within a cell reports its closed sockets, which is expected.
            "NotebookClient": {"extra_arguments": ["--IPKernelApp.log_level=50"]},
        }
    )


def _unformatted(path: Path) -> str:
    """Quote braces: papermill fills them in with parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _as_raised(step: StepRecord, error: PapermillExecutionError, output: Path) -> HcskitError:
    """Turn a notebook's error into the error that hcskit would raise here: invalid input stays an InputError."""
    message = _ANSI.sub("", str(error.evalue))
    for kind in (InputError, StoreError):
        if error.ename in {kind.__name__, *(child.__name__ for child in kind.__subclasses__())}:
            return kind(f"step {step.name}: {message}")
    return RunError(f"step {step.name} failed with {error.ename}: {message} (the full traceback is in {output})")
