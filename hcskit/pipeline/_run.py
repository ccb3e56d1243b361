"""Running: each step's notebook is executed, unless all that it was made from, and all that it made, is unchanged."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from hcskit.cluster import AnyCluster
from hcskit.digests import CACHE, Digests
from hcskit.errors import InputError
from hcskit.files import make_folder
from hcskit.locks import locked
from hcskit.pipeline._belongings import (
    claim,
    find_inputs,
    glance_at_inputs,
    inside_run,
    read_by,
    there,
    what_is_there,
)
from hcskit.pipeline._checks import check_steps
from hcskit.pipeline._cluster import RunCluster
from hcskit.pipeline._crate import write_crate
from hcskit.pipeline._faults import how_it_ended, raise_told
from hcskit.pipeline._kernel import execute
from hcskit.pipeline._notebook import StepNotebook, named_paths
from hcskit.pipeline._plan import Choice, pair, why
from hcskit.pipeline._spec import Pipeline
from hcskit.results import RunRecord, StepRecord, plates_set_aside
from hcskit.results._record import now
from hcskit.software import batch_job, code_digest, commit, versions

__all__ = ["run_pipeline"]

_Bound = list[tuple[StepNotebook, dict[str, Any]]]


def run_pipeline(
    pipeline: Pipeline | str | Path,
    parameters: Mapping[str, Any],
    out: str | Path,
    *,
    force: Collection[str] = (),
    first: str | None = None,
    last: str | None = None,
    dry_run: bool = False,
    cluster: AnyCluster | None = None,
    say: Callable[[str], None] = print,
    progress: TextIO | None = None,
) -> RunRecord:
    """Run a pipeline into a folder.

    A step that was completed there is done again if its notebook, its parameters, the content of the files that they
    name, the code of hcskit, the versions of the libraries, or the outputs of a step before it have changed, or if its
    own outputs are gone or were changed. A line says why. Files count by their content, wherever they are; the folder
    of the run may be moved.

    Parameters
    ----------
    pipeline : Pipeline or path-like
        Its steps; or the path of its file; or its name, such as ``dose_response``.
    parameters : mapping
        Values for the steps' parameters; relative paths start at the working directory.
    out : path-like
        Folder of the run. If the same pipeline ran there, only what must be is done again.
    force : collection of str
        Names of steps to do again in any case.
    first : str, optional
        A step to do again in any case, with all steps after it.
    last : str, optional
        The last step to do; later ones are left for another time.
    dry_run : bool
        Say what would be done, and why; do nothing.
    cluster : Cluster, ClusterConfig or path-like, optional
        Where the steps work that can use a cluster, opened once for all of them; by default, on this machine. It says
        nothing of the results, so another one is no reason to do a step again.
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
        If a parameter is wrong, there is no step of a name, the folder holds other files or a run of another pipeline,
        the steps cannot succeed (see `check_steps`), or a step found its input invalid.
    RunError
        If a step failed.
    StoreError
        If another process runs in that folder, or the disk is full.
    """
    run = Path(out).resolve()
    if not isinstance(pipeline, Pipeline):
        pipeline = Pipeline.open(pipeline)
    bound = pipeline.bind(parameters, run)
    choice = Choice(force, first, last)
    choice.check([notebook.name for notebook, _ in bound])
    record = _record(pipeline, bound, run)  # refuses a folder that holds something else, before the lock is put there
    shared = RunCluster(cluster, run / "logs", say)
    for fault in check_steps([shared.described(*step) for step in _due(bound, record, choice, run)], run):
        say(f"will be set aside: {fault}")
    if dry_run:
        _Pass(bound, record, run, choice, say, progress, shared).foresee()
        return record
    with locked(make_folder(run)):
        record = _record(pipeline, bound, run)
        try:
            with shared:
                _Pass(bound, record, run, choice, say, progress, shared).go()
        finally:
            record.finish()
            record.write(run)
            write_crate(record, run)
    for plate, reason in plates_set_aside(run).items():
        say(f"set aside, and not in this run: {plate}: {reason}")
    return record


def _record(pipeline: Pipeline, bound: _Bound, run: Path) -> RunRecord:
    """Make the record of this run, with the steps as they were done before."""
    before = RunRecord.read(run)
    steps = before.steps if before else []
    if before is not None and before.pipeline != pipeline.name and any(step.is_whole for step in steps):
        raise InputError(
            f"{run} already holds a run of the pipeline {before.pipeline} (started {before.started}); choose a new "
            "folder with --out"
        )
    fresh = [
        StepRecord(
            name=notebook.name,
            notebook=str(notebook.path),
            notebook_sha256=notebook.sha256,
            parameters=inside_run(notebook, values, run),
            output=f"notebooks/{number:02d}_{notebook.name}.ipynb",
        )
        for number, (notebook, values) in enumerate(bound, start=1)
    ]
    known = pair([step.name for step in fresh], steps)
    return RunRecord(
        pipeline=pipeline.name,
        description=pipeline.description,
        parameters={name: value for step in fresh for name, value in step.parameters.items()},
        started=before.started if before else now(),
        finished=before.finished if before else None,
        host=platform.node(),
        job=batch_job(),
        git=commit(pipeline.folder),
        code=code_digest(),
        versions=versions(),
        steps=[old or new for old, new in zip(known, fresh, strict=True)],
    )


def _due(bound: _Bound, record: RunRecord, choice: Choice, run: Path) -> _Bound:
    """Return the steps that will be done, as far as that is known before the content of any file is."""
    names = [step.name for step in record.steps]
    return [
        (notebook, values)
        for number, (notebook, values) in enumerate(bound[: choice.wanted(names)])
        if choice.forced(number, names)
        or not record.steps[number].is_whole
        or record.steps[number].parameters != inside_run(notebook, values, run)
        or not all(path.exists() for name in notebook.paths for path in named_paths(values[name]))
    ]


@dataclass
class _Pass:
    """One pass over the steps of a run."""

    bound: _Bound
    record: RunRecord
    run: Path
    choice: Choice
    say: Callable[[str], None]
    progress: TextIO | None
    cluster: RunCluster
    digests: Digests = field(init=False)

    def __post_init__(self) -> None:
        self.digests = Digests(self.run / CACHE, self.say)
        self.names = [notebook.name for notebook, _ in self.bound]
        self.numbers = range(self.choice.wanted(self.names))

    def go(self) -> None:
        """Do what must be done."""
        for number in self.numbers:
            fresh = self._fresh(number)
            reason = self._reason(number, fresh)
            if reason is None:
                self._keep(number, fresh)
                self.say(f"{self._label(number)}: done before")
            else:
                self.say(self._label(number) + (f", again: {reason}" if reason else ""))
                step = self._begin(number, fresh, reason)
                self._do(step, number)
                self.say(f"{self._label(number)}: {step.seconds:.0f} s")
            self.digests.save()
            if not any(self.cluster.serves(*step) for step in self.bound[number + 1 :]):
                self.cluster.close()  # nodes that nobody needs any more go to others

    def foresee(self) -> None:
        """Say what would be done."""
        sure: list[str] = []
        for number in self.numbers:
            reason = self._reason(number, self._fresh(number))
            if reason is not None:
                sure.append(self.names[number])
                told = f"would run{f': {reason}' if reason else ''}"
            else:
                told = f"would run if {' or '.join(sure)} gives another result" if sure else "done before"
            self.say(f"{self._label(number)}: {told}")

    def _label(self, number: int) -> str:
        return f"[{number + 1}/{len(self.bound)}] {self.names[number]}"

    def _fresh(self, number: int) -> StepRecord:
        """Return what a step would be made from now, but for its inputs: they may be large."""
        notebook, values = self.bound[number]
        return StepRecord(
            name=notebook.name,
            notebook=str(notebook.path),
            notebook_sha256=notebook.sha256,
            parameters=inside_run(notebook, values, self.run),
            output=self.record.steps[number].output,
            code=self.record.code,
            versions=self.record.versions,
            reads=dict(read_by(step) for step in self.record.steps[:number]),
        )

    def _reason(self, number: int, fresh: StepRecord) -> str | None:
        """Say why a step must be done: nothing where it is done for the first time; None where it need not be.

        Its inputs are only read where they decide: a step that is done in any case reads them itself.
        """
        step = self.record.steps[number]
        if step.status == "pending" and not step.outputs:
            return ""
        asked = self.choice.forced(number, self.names)
        if asked or not step.is_whole:
            return asked or why(step, fresh, {}, self.digests.changes)
        fresh.inputs = find_inputs(*self._belongings(number))
        return why(step, fresh, there(step, self.run, self.digests), self.digests.changes) or None

    def _belongings(self, number: int) -> tuple[StepNotebook, dict[str, Any], Path, list[StepRecord], Digests]:
        return (*self.bound[number], self.run, self.record.steps, self.digests)

    def _keep(self, number: int, fresh: StepRecord) -> None:
        told = {name: getattr(fresh, name) for name in ("notebook", "parameters", "inputs")}  # paths may be others
        self.record.steps[number] = self.record.steps[number].model_copy(update=told | {"status": "completed"})

    def _begin(self, number: int, fresh: StepRecord, reason: str) -> StepRecord:
        """Put a step on the record as running."""
        steps = self.record.steps
        started = {"status": "running", "reason": reason, "started": now(), "outputs": steps[number].outputs}
        self._was_tried = steps[number].status in ("running", "stopped", "failed")
        steps[number] = fresh.model_copy(update=started)
        for later in steps[number + 1 :]:
            if later.status == "completed":
                later.status = "pending"
        self.record.status, self.record.finished = "running", None
        self.record.write(self.run)
        return steps[number]

    def _do(self, step: StepRecord, number: int) -> None:
        steps, output = self.record.steps, self.run / step.output
        began = time.perf_counter()
        before = what_is_there(self.run)
        if self._was_tried:  # what belongs to no step is what an attempt left that was stopped
            owned = {output.path for each in steps for output in each.outputs}
            before = {path: stamp for path, stamp in before.items() if path in owned}
        make_folder(output.parent)
        notebook, values = self.bound[number]
        seen = glance_at_inputs(*self._belongings(number))
        try:
            given, environment = self.cluster.for_step(notebook, values)
            report = execute(notebook.path, output, given, self.run, self.progress, environment)
            step.executable, step.versions = report.executable, report.versions
            step.peak_memory_bytes = report.peak_memory_bytes
            self.digests.reload()  # the import knows the digests of what it has read
            step.outputs = claim(step, steps, self.run, before, self.digests)
            step.inputs = find_inputs(*self._belongings(number), seen)
            step.reads = dict(read_by(each) for each in steps[:number])
            step.status = "completed"
        except BaseException as error:  # noqa: BLE001 - raised again, as the user is told
            step.status, step.error = how_it_ended(error, output)
            raise_told(step.name, error, output, self.run)
        finally:
            step.seconds = round(time.perf_counter() - began, 2)
