"""Why a step must be done: what it was made from, or what it made, is not what it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hcskit.errors import InputError
from hcskit.results import InputRecord, StepRecord, spell

__all__ = ["Choice", "pair", "why"]


@dataclass(frozen=True)
class Choice:
    """Which steps are wanted, by name.

    Attributes
    ----------
    force : collection of str
        Steps to do though nothing has changed.
    first : str, optional
        A step to do, and all after it, though nothing has changed.
    last : str, optional
        The last step to do.
    """

    force: Collection[str] = ()
    first: str | None = None
    last: str | None = None

    def check(self, names: Sequence[str]) -> None:
        """Compare with the steps of a pipeline.

        Raises
        ------
        InputError
            If it has no step of a name, or the last step comes before another that is wanted.
        """
        wanted = [name for name in (*self.force, self.first, self.last) if name is not None]
        if unknown := [name for name in wanted if name not in names]:
            raise InputError(f"the pipeline has no step {', '.join(unknown)}; it has {', '.join(names)}")
        if self.last is not None:
            after = [name for name in wanted if names.index(name) > self._end(names)]
            if after:
                raise InputError(f"the step {after[0]} comes after {self.last}, which is to be the last")

    def forced(self, number: int, names: Sequence[str]) -> str:
        """Say why a step is done though nothing has changed, if it is."""
        if names[number] in self.force:
            return "asked for (--force)"
        if self.first is not None and number >= names.index(self.first):
            return f"asked for (--from {self.first})"
        return ""

    def wanted(self, names: Sequence[str]) -> int:
        """Return the number of steps up to the last that is wanted."""
        return self._end(names) + 1

    def _end(self, names: Sequence[str]) -> int:
        return len(names) - 1 if self.last is None else len(names) - 1 - names[::-1].index(self.last)


def pair(names: Sequence[str], before: Sequence[StepRecord]) -> list[StepRecord | None]:
    """Return the earlier record of each step, by its name; of steps with one name, in their order.

    Steps that were added to a pipeline, or taken from it, do not matter to the others' records.
    """
    left = list(before)
    found: list[StepRecord | None] = []
    for name in names:
        step = next((step for step in left if step.name == name), None)
        if step is not None:
            left.remove(step)
        found.append(step)
    return found


def why(
    before: StepRecord, now: StepRecord, there: Mapping[str, str | None], changes: Callable[[str, str], str]
) -> str:
    """Say why a step must be done again; empty where nothing has changed.

    Parameters
    ----------
    before : StepRecord
        The step as it was done.
    now : StepRecord
        What it would be made from now.
    there : mapping of str to str or None
        Digests of its outputs as they are now.
    changes : callable
        Says which files differ between two folders, given by their digests.
    """
    if not before.is_whole:
        return {"failed": "it failed", "pending": "it was not done"}.get(before.status, "it was stopped")
    faults = (
        *_software(before, now),
        *_parameters(before, now, changes),
        *_reads(before, now),
        *_outputs(before, there),
    )
    return f"{faults[0]}; and {len(faults) - 1} more" if len(faults) > 2 else "; ".join(faults)


def _software(before: StepRecord, now: StepRecord) -> Iterator[str]:
    if before.notebook_sha256 != now.notebook_sha256:
        yield "its notebook changed"
    if before.code != now.code:
        yield "hcskit's code changed"
    for name in sorted(before.versions.keys() | now.versions.keys()):
        old, new = before.versions.get(name, "absent"), now.versions.get(name, "absent")
        if old != new and before.versions:
            yield f"{name} {old} → {new}"


def _parameters(before: StepRecord, now: StepRecord, changes: Callable[[str, str], str]) -> Iterator[str]:
    old, new = ({source.parameter: source for source in step.inputs} for step in (before, now))
    for name in sorted(before.parameters.keys() | now.parameters.keys()):
        if name in old and name in new:
            yield from _content(name, old[name], new[name], changes)
        elif name in old and before.parameters[name] == now.parameters.get(name):
            yield f"{name}: {old[name].path} is gone"
        elif name in new and before.parameters.get(name) == now.parameters[name]:
            yield f"{name}: {new[name].path} is there now"
        elif name not in before.parameters or name not in now.parameters:
            yield f"parameter {name} is {'new' if name in now.parameters else 'gone'}"
        elif _text(before.parameters[name]) != _text(now.parameters[name]):
            yield f"parameter {name}: {_text(before.parameters[name])} → {_text(now.parameters[name])}"


def _content(name: str, old: InputRecord, new: InputRecord, changes: Callable[[str, str], str]) -> Iterator[str]:
    if old.sha256 != new.sha256:
        yield f"{name}: {changes(old.sha256, new.sha256)}"


def _reads(before: StepRecord, now: StepRecord) -> Iterator[str]:
    for name in sorted(before.reads.keys() | now.reads.keys()):
        if before.reads.get(name) != now.reads.get(name):
            yield f"{name} wrote something else" if name in now.reads else f"the step {name} is gone"


def _outputs(before: StepRecord, there: Mapping[str, str | None]) -> Iterator[str]:
    for output in before.outputs:
        now = there.get(output.path)
        if now != output.sha256:
            yield f"output {output.path} {'is gone' if now is None else 'changed'}"


def _text(value: Any) -> str:
    spelled = spell(value)
    return str(value) if isinstance(spelled, dict) else json.dumps(spelled, ensure_ascii=False)
