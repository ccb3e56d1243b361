"""A lab, as the tests of pipelines have it."""

from tests.pipeline.conftest import lab

__all__ = ["lab"]
