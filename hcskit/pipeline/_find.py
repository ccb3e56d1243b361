"""Pipelines and steps by name: a lab's own, those that come with hcskit, and those of other packages."""

from __future__ import annotations

import os
from pathlib import Path

from hcskit.errors import InputError
from hcskit.pipeline._notebook import StepNotebook
from hcskit.pipeline._shipped import shipped
from hcskit.plugins import Plugins

__all__ = ["find_pipeline", "find_step", "list_pipelines"]

#: Steps that other packages bring; each entry point is the path of a notebook.
STEPS: Plugins[str | os.PathLike[str]] = Plugins("hcskit.steps", "step")


def list_pipelines() -> dict[str, Path]:
    """Return the known pipelines by name: those in ``pipelines/`` of the working directory, then hcskit's own.

    Returns
    -------
    dict of str to pathlib.Path
        The YAML file of each. A lab's own takes precedence over hcskit's of the same name.

    Examples
    --------
    >>> sorted(list_pipelines())
    ['demo', 'dose_response', 'predict_screen']
    """
    own, ours = (sorted(folder.glob("pipelines/*.yaml")) for folder in (Path.cwd(), shipped()))
    return {path.stem: path for path in (*ours, *own)}


def find_pipeline(pipeline: str | Path) -> Path:
    """Find the YAML file of a pipeline.

    Parameters
    ----------
    pipeline : path-like
        A path, or a name that `list_pipelines` knows. A value with a folder or a suffix is a path.

    Raises
    ------
    InputError
        If there is no pipeline of that name.
    """
    if _is_path(pipeline):
        return Path(pipeline)
    known = list_pipelines()
    if str(pipeline) not in known:
        raise InputError(
            f"there is no pipeline {str(pipeline)!r}; known: {', '.join(sorted(known))}; one of your own is given by "
            f"its path, or by its name as pipelines/{pipeline}.yaml"
        )
    return known[str(pipeline)]


def find_step(step: Path, folder: Path) -> StepNotebook:
    """Find the notebook of a step.

    Parameters
    ----------
    step : pathlib.Path
        A path that starts at `folder`, or a name. A name is looked for in ``../notebooks`` first, then among hcskit's
        notebooks, then among the steps of other packages.
    folder : pathlib.Path
        Folder of the pipeline's file.

    Raises
    ------
    InputError
        If there is no step of that name, or two notebooks beside the pipeline have it.
    """
    if _is_path(step):
        return StepNotebook((folder / step).resolve())
    name = str(step)
    known = set(STEPS)
    for notebooks in (folder.resolve().parent / "notebooks", shipped() / "notebooks"):
        steps = [StepNotebook(path) for path in sorted(notebooks.glob("*.ipynb"))]
        found = [notebook for notebook in steps if notebook.name == name]
        if len(found) > 1:
            both = " and ".join(notebook.path.name for notebook in found)
            raise InputError(f"the step {name!r} is both {both} in {notebooks}; give its path, or rename one")
        if found:
            return found[0]
        known |= {notebook.name for notebook in steps}
    if name in STEPS:
        return _of_package(name)
    raise InputError(
        f"there is no step {name!r}; known: {', '.join(sorted(known))}; a notebook of your own is given by its path"
    )


def _is_path(given: str | Path) -> bool:
    return os.sep in str(given) or bool(Path(given).suffix)


def _of_package(name: str) -> StepNotebook:
    path = STEPS[name]
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"the step {name!r} of another package is {path!r}; expected the path of a notebook")
    return StepNotebook(Path(path))
