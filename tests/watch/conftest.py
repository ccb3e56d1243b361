"""The lab of the tests of pipelines."""

from tests.cluster.conftest import until
from tests.pipeline.conftest import lab

__all__ = ["lab", "until"]
