"""The JSON schema of ``run.json``: ``python -m hcskit.results run.schema.json`` prints docs/run.schema.json."""

from __future__ import annotations

import json

from hcskit.results._record import RunRecord

__all__ = ["run_schema"]


def run_schema() -> str:
    """Return the JSON schema of a run's record, as JSON."""
    schema = RunRecord.model_json_schema(mode="serialization")
    content = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
