"""The record of a run follows its published schema, and the run is a research object that a validator accepts."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
import requests_cache
from requests_cache.models import CachedRequest, CachedResponse
from rocrate.rocrate import ROCrate
from rocrate_validator.models import Severity
from rocrate_validator.services import ValidationSettings, validate

from hcskit.errors import RunError
from hcskit.pipeline import run_pipeline
from hcskit.results import run_schema

# rdflib says it of pyshacl, which the validator uses.
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")

ROOT = Path(__file__).resolve().parents[2]
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
WRITE = """Path("results").mkdir(exist_ok=True)
Path("results", "a table.csv").write_text("well")
Path("P1.zarr").mkdir(exist_ok=True)
Path("P1.zarr", "zarr.json").write_text("{}")
if fails:
    raise ValueError('"</script>')"""
PARAMETERS = """from pathlib import Path

run: Path = Path("run")
source: Path = Path("source")
limit: float = 0.0
fails: bool = False
"""


@pytest.fixture
def faults(tmp_path: Path) -> Any:
    """Validate a research object without a network: the terms of RO-Crate come with the package rocrate."""
    cache = tmp_path / "cache"
    with requests_cache.CachedSession(str(cache), expire_after=-1) as session:
        request = requests.Request("GET", CONTEXT, headers=session.headers).prepare()
        session.cache.responses[session.cache.create_key(request)] = CachedResponse(
            status_code=200,
            url=CONTEXT,
            content=files("rocrate").joinpath("data/ro-crate.jsonld").read_bytes(),
            headers={"Content-Type": "application/ld+json"},
            request=CachedRequest.from_request(request),
        )

    def faults(run: Path) -> list[str]:
        settings = ValidationSettings(
            rocrate_uri=str(run),
            profile_identifier="process-run-crate-0.5",
            requirement_severity=Severity.REQUIRED,
            offline=True,
            cache_path=cache,
        )
        return [str(issue.message) for issue in validate(settings).get_issues()]

    return faults


@pytest.mark.slow
def test_a_run_is_a_research_object_with_a_record_that_follows_the_schema(
    lab: Any, faults: Any, tmp_path: Path
) -> None:
    source, out = tmp_path / 'my "images" µ', tmp_path / "run"
    source.mkdir()
    (source / "a.tif").write_bytes(b"123")
    step = lab.notebook("01_write", WRITE, parameters=PARAMETERS)
    record = run_pipeline(lab.pipeline(step), {"source": source, "limit": "-inf"}, out, say=lambda _: None)

    content = json.loads((out / "run.json").read_text(encoding="utf-8"))
    jsonschema.validate(content, json.loads(run_schema()), cls=jsonschema.Draft202012Validator)
    assert record.steps[0].peak_memory_bytes > 10_000_000
    with pytest.raises(jsonschema.ValidationError, match="'status'"):
        jsonschema.validate(content | {"steps": [{**content["steps"][0], "status": "done"}]}, json.loads(run_schema()))

    assert faults(out) == []
    crate = ROCrate(out)
    action = crate.dereference("#step-01_write")
    assert action["actionStatus"] == "http://schema.org/CompletedActionStatus"
    assert {entity.id for entity in action["result"]} == {
        "notebooks/01_write.ipynb",
        "results/a%20table.csv",
        "P1.zarr/",
    }
    given = {entity["name"]: entity.get("value") for entity in action["object"]}
    assert given["limit"] == "-inf"
    (images,) = (entity for entity in action["object"] if entity.type == "Dataset")
    assert (images.id, images["sha256"]) == (f"{source.as_uri()}/", record.inputs[0].sha256)

    metadata = out / "ro-crate-metadata.json"
    broken = metadata.read_text(encoding="utf-8").replace('"instrument"', '"alternateName"')
    metadata.write_text(broken, encoding="utf-8")
    assert any("MUST have an instrument" in fault for fault in faults(out))


@pytest.mark.slow
def test_a_run_that_failed_is_a_research_object_that_says_so(lab: Any, faults: Any, tmp_path: Path) -> None:
    step = lab.notebook("01_write", WRITE, parameters=PARAMETERS)
    with pytest.raises(RunError):
        run_pipeline(lab.pipeline(step), {"fails": "yes", "source": tmp_path}, tmp_path / "run", say=lambda _: None)
    assert faults(tmp_path / "run") == []
    action = ROCrate(tmp_path / "run").dereference("#step-01_write")
    assert action["actionStatus"] == "http://schema.org/FailedActionStatus"
    assert 'ValueError: "</script>' in action["error"]


def test_the_published_schema_is_that_of_the_record() -> None:
    published = (ROOT / "docs" / "run.schema.json").read_text(encoding="utf-8")
    assert published == run_schema(), "python -m hcskit.results run.schema.json > docs/run.schema.json"
    jsonschema.Draft202012Validator.check_schema(json.loads(published))
