"""What Keras and TensorFlow have to say when they are loaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_nothing_is_said_when_networks_are_loaded() -> None:
    quiet = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    code = "from hcskit.models.backend import keras"
    done = subprocess.run([sys.executable, "-c", code], env=quiet, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
