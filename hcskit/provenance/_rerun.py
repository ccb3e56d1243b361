"""The same again: a run repeated in another folder, and held against the first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from hcskit.names import child
from hcskit.pipeline import Pipeline, named_paths, run_pipeline
from hcskit.provenance._compare import Comparison, compare_runs
from hcskit.run import open_run

__all__ = ["rerun"]


def rerun(
    run: str | Path,
    out: str | Path | None = None,
    *,
    say: Callable[[str], None] = print,
    progress: TextIO | None = None,
) -> Comparison:
    """Do a run again, with the same notebooks and parameters, and compare the numbers.

    Parameters
    ----------
    run : path-like
        Folder of a run.
    out : path-like, optional
        Folder of the new run; by default ``<name>-rerun`` beside it. If it was stopped there, it resumes.
    say, progress
        As `hcskit.run_pipeline` takes them.

    Returns
    -------
    Comparison
        ``equal`` says whether the numbers are.

    Raises
    ------
    NotAScreenError
        If it is no run.
    InputError, RunError, StoreError
        As `hcskit.run_pipeline` raises them: an input or a notebook is not there any more, say.
    """
    folder = Path(run).resolve()
    record = open_run(folder).record
    target = child(folder.parent, f"{folder.name}-rerun") if out is None else Path(out).resolve()
    # A notebook that has moved, with a new version of hcskit say, is looked for by its name.
    steps = tuple(Path(step.notebook) if Path(step.notebook).exists() else Path(step.name) for step in record.steps)
    pipeline = Pipeline(name=record.pipeline, description=record.description, steps=steps)
    paths = {name for notebook in pipeline.notebooks for name in notebook.paths}
    known = {name for notebook in pipeline.notebooks for name in notebook.parameters} - {"run"}
    given: dict[str, Any] = {name: value for name, value in record.parameters.items() if name in known}
    for name in paths & given.keys():
        if given[name] is not None:  # a path inside the run starts there
            paths_there = [target / path for path in named_paths(given[name])]
            given[name] = paths_there if isinstance(given[name], list) else paths_there[0]
    run_pipeline(pipeline, given, target, say=say, progress=progress)
    return compare_runs(folder, target)
