"""The lab of the tests of pipelines."""

from tests.pipeline.conftest import lab

__all__ = ["lab"]
