"""The lab of the tests of pipelines."""

from tests.pipeline.conftest import hcskit, lab

__all__ = ["hcskit", "lab"]
