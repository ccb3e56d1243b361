"""A run as a standard research object: ``ro-crate-metadata.json``, which repositories and workflow hubs read.

It says in the terms of the Process Run Crate (https://w3id.org/ro/wfrun/process/0.5) what ``run.json`` says: each step
is an action, with the files that went into it and came out of it.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rocrate.model import ContextEntity, Entity, File, SoftwareApplication
from rocrate.model.dataset import Dataset
from rocrate.rocrate import ROCrate

from hcskit.files import write_text
from hcskit.results import RECORD, InputRecord, OutputRecord, RunRecord, StepRecord

__all__ = ["write_crate"]

_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_FORMAT = "1.1"  # of RO-Crate: the one that the profile builds on
_HOME = "https://github.com/hcskit/hcskit"
_STATUS = {"completed": "CompletedActionStatus", "running": "ActiveActionStatus"}
_MEDIA = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".yaml": "application/yaml",
}


def write_crate(record: RunRecord, run: Path) -> None:
    """Describe a run as a research object, in its folder.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    crate = ROCrate(version=_FORMAT)
    crate.name, crate.description = run.name, record.description or f"A run of the pipeline {record.pipeline}"
    crate.datePublished = datetime.fromisoformat(record.finished or record.started)
    profile = {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    crate.root_dataset["conformsTo"] = crate.add(ContextEntity(crate, _PROFILE, properties=profile))
    crate.root_dataset["license"] = "All rights are with the owner of the data, unless they say otherwise."
    program = {"name": "hcskit", "url": _HOME, "softwareVersion": record.versions.get("hcskit", "unknown")}
    hcskit = crate.add(SoftwareApplication(crate, _HOME, properties=program))
    crate.add(File(crate, None, RECORD.where, properties={"name": RECORD.meaning, "encodingFormat": _MEDIA[".json"]}))
    for step in record.steps:
        if step.started is not None:
            crate.root_dataset.append_to("mentions", crate.add(_action(crate, step, run, hcskit)))
    write_text(run / crate.metadata.id, json.dumps(crate.metadata.generate(), indent=1, ensure_ascii=False))


def _action(crate: ROCrate, step: StepRecord, run: Path, program: Entity) -> Entity:
    began = datetime.fromisoformat(str(step.started))
    properties: dict[str, Any] = {
        "@type": "CreateAction",
        "name": f"Step {step.name}",
        "description": f"The notebook {Path(step.notebook).name}, executed with the given parameters",
        "startTime": began.isoformat(),
        "endTime": (began + timedelta(seconds=step.seconds or 0.0)).isoformat(timespec="seconds"),
        "actionStatus": f"http://schema.org/{_STATUS.get(step.status, 'FailedActionStatus')}",
    }
    if step.error:
        properties["error"] = step.error
    action = ContextEntity(crate, f"#step-{Path(step.output).stem}", properties=properties)
    action["instrument"] = program
    given = [_parameter(crate, step, name, value) for name, value in step.parameters.items()]
    action["object"] = [*(_input(crate, one, run) for one in step.inputs), *given]
    action["result"] = [_output(crate, one, run) for one in step.outputs]
    return action


def _parameter(crate: ROCrate, step: StepRecord, name: str, value: Any) -> Entity:
    properties = {
        "@type": "PropertyValue",
        "name": name,
        "value": ", ".join(value) if isinstance(value, list) else str(value),
    }
    return crate.add(ContextEntity(crate, f"#{Path(step.output).stem}-{name}", properties=properties))


def _input(crate: ROCrate, one: InputRecord, run: Path) -> Entity:
    """Describe an input; one outside the run is named by its address, as only its content can be known."""
    place = Path(one.path).as_uri() if Path(one.path).is_absolute() else one.path
    return _data(crate, place, one, is_file=(run / one.path).is_file())


def _output(crate: ROCrate, one: OutputRecord, run: Path) -> Entity:
    return _data(crate, one.path, one, is_file=(run / one.path).is_file())


def _data(crate: ROCrate, place: str, one: InputRecord | OutputRecord, *, is_file: bool) -> Entity:
    properties: dict[str, Any] = {"name": Path(one.path).name, "sha256": one.sha256, "contentSize": str(one.bytes)}
    if is_file and (media := _MEDIA.get(Path(one.path).suffix)):
        properties["encodingFormat"] = media
    where: dict[str, Any] = {"source": place} if Path(one.path).is_absolute() else {"dest_path": place}
    entity = (File if is_file else Dataset)(crate, **where, properties=properties)
    return crate.dereference(entity.id) or crate.add(entity)
