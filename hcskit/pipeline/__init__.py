"""Pipelines: notebooks executed in order by papermill, and the record of what was done."""

from hcskit.later import put_off

# jsonschema imports it where it is installed, as with JupyterLab. It takes two seconds, and is not used in notebooks.
with put_off("rfc3987_syntax"):
    import nbformat as nbformat

from hcskit.pipeline._find import list_pipelines
from hcskit.pipeline._measure import measure_machine
from hcskit.pipeline._notebook import StepNotebook, named_paths
from hcskit.pipeline._run import run_pipeline
from hcskit.pipeline._shipped import copy_shipped
from hcskit.pipeline._spec import Pipeline
from hcskit.pipeline._submit import cancel, log_of, status, submit
from hcskit.results import RunRecord, StepRecord

__all__ = [
    "Pipeline",
    "RunRecord",
    "StepNotebook",
    "StepRecord",
    "cancel",
    "copy_shipped",
    "list_pipelines",
    "log_of",
    "measure_machine",
    "named_paths",
    "run_pipeline",
    "status",
    "submit",
]
