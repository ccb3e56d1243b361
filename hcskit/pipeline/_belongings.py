"""What belongs to which step: its inputs outside the run, and the files of the run that it wrote."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hcskit.digests import Digest, Digests, Glance, digest_of_list, is_hidden, stamp, walk
from hcskit.pipeline._notebook import StepNotebook, named_paths
from hcskit.results import RECORD, InputRecord, OutputRecord, StepRecord

__all__ = ["claim", "find_inputs", "glance_at_inputs", "inside_run", "read_by", "there", "what_is_there"]

_NOTEBOOKS = "notebooks"
_CHANGED = "0" * 64  # no content has this SHA-256


def inside_run(notebook: StepNotebook, values: Mapping[str, Any], run: Path) -> dict[str, Any]:
    """Return a step's parameters as they are recorded: paths inside the run start there, so that it may be moved."""
    return {
        name: _inside(run, value) if name in notebook.paths and value is not None else value
        for name, value in values.items()
    }


def _inside(run: Path, value: Any) -> str | list[str]:
    paths = [_from(run, path) for path in named_paths(value)]
    return paths if isinstance(value, list) else paths[0]


def glance_at_inputs(
    notebook: StepNotebook, values: Mapping[str, Any], run: Path, others: list[StepRecord], digests: Digests
) -> dict[Path, Glance]:
    """Look at what a step's parameters name before it reads that, for `find_inputs` after it."""
    outside = _outside(notebook, values, run, others)
    return {path: digests.glance(path, leave_out=run) for own in outside.values() for path in own}


def find_inputs(
    notebook: StepNotebook,
    values: Mapping[str, Any],
    run: Path,
    others: list[StepRecord],
    digests: Digests,
    before: Mapping[Path, Glance] = MappingProxyType({}),
) -> list[InputRecord]:
    """Describe what a step's parameters name, but for what is a step's output: that is known as such.

    Several folders of one parameter are described together, by the folder that holds them all. What has changed since
    a glance before the step, which may have read the one or the other, is described as nothing that can be there.
    """
    found = []
    for name, paths in _outside(notebook, values, run, others).items():
        known = {}
        for path in paths:
            digest = digests.of(path, leave_out=run, remember=True)
            if path in before and digests.changed_since(before[path], path, digest, leave_out=run):
                digest = Digest(_CHANGED, 0, 0) if digest is None else replace(digest, sha256=_CHANGED)
            if digest is not None:
                known[_from(run, path)] = digest
        if known:
            found.append(InputRecord(parameter=name, path=os.path.commonpath(known), **vars(_together(known))))
    return found


def _outside(
    notebook: StepNotebook, values: Mapping[str, Any], run: Path, others: list[StepRecord]
) -> dict[str, list[Path]]:
    """Return the paths of each parameter that are no step's output."""
    written = {output.path for step in others for output in step.outputs}

    def is_own(path: Path) -> bool:
        own = _from(run, path)
        is_written = any(part in written for part in (own, *map(str, Path(own).parents)))
        return path == run or is_written or (run / _NOTEBOOKS) in path.parents

    return {name: [path for path in named_paths(values[name]) if not is_own(path)] for name in notebook.paths}


def _together(known: Mapping[str, Digest]) -> Digest:
    """Return one digest for all folders; they may be moved together."""
    if len(known) == 1:
        return next(iter(known.values()))
    shared = os.path.commonpath(known)
    sha256 = digest_of_list({os.path.relpath(path, shared): digest.sha256 for path, digest in known.items()})
    return Digest(sha256, sum(one.files for one in known.values()), sum(one.bytes for one in known.values()))


def read_by(step: StepRecord) -> tuple[str, str]:
    """Return what later steps read of a step: the name of its executed notebook, and the digest of its outputs."""
    files = {output.path: output.sha256 for output in step.outputs if output.path != step.output}
    return Path(step.output).stem, digest_of_list(files)


def there(step: StepRecord, run: Path, digests: Digests) -> dict[str, str | None]:
    """Return the digests of a step's outputs as they are now; None of one that is gone."""
    found = {output.path: digests.of(run / output.path) for output in step.outputs}
    return {path: None if digest is None else digest.sha256 for path, digest in found.items()}


def what_is_there(run: Path) -> dict[str, str]:
    """Return the files of a run, and the folders that count as one, each with a stamp that changes when it does."""
    return {path.relative_to(run).as_posix(): _stamp(path) for path in _outputs(run)}


def claim(
    step: StepRecord, steps: list[StepRecord], run: Path, before: Mapping[str, str], digests: Digests
) -> list[OutputRecord]:
    """Give a step what it wrote; what belonged to another step, and was changed, is no longer the other's.

    Parameters
    ----------
    step : StepRecord
        The step that has ended.
    steps : list of StepRecord
        All steps.
    run : pathlib.Path
        Folder of the run.
    before : mapping of str to str
        What was there before the step.
    digests : Digests
        To find what is in the files.

    Returns
    -------
    list of OutputRecord
        What belongs to the step now: also what it wrote an earlier time, and left as it is.
    """
    now = what_is_there(run)
    kept = {output.path for output in step.outputs}
    own = [path for path in now if path in kept or before.get(path) != now[path]]
    for other in steps:
        if other is not step:
            other.outputs = [output for output in other.outputs if output.path not in own]
    found = {path: digests.of(run / path) for path in own}
    return [OutputRecord(path=path, **vars(digest)) for path, digest in found.items() if digest is not None]


def _outputs(run: Path) -> Iterator[Path]:
    """Yield files, Zarrs, and what lies two levels deep, such as the images of a simulated export."""
    for entry in sorted(run.iterdir()):
        if is_hidden(entry.name) or entry.name == RECORD.where:
            continue
        if entry.is_dir() and entry.suffix != ".zarr":
            yield from (path for path in sorted(entry.iterdir()) if not is_hidden(path.name))
        else:
            yield entry


def _stamp(path: Path) -> str:
    if not path.is_dir():
        return stamp(path.stat())
    lines = (f"{name} {stamp(file.stat())}" for name, file in walk(path))
    return hashlib.sha256("\n".join(sorted(lines)).encode(errors="surrogateescape")).hexdigest()


def _from(run: Path, path: Path) -> str:
    return path.relative_to(run).as_posix() if run in (path, *path.parents) else str(path)
