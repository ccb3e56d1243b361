"""plate.hcs is there whichever of hcskit and xarray is imported first, and whoever looks for xarray in between."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "import hcskit\nimport xarray",
        "import xarray\nimport hcskit",
        "import hcskit\nfrom importlib.util import find_spec\nassert find_spec('xarray')\nimport xarray",
        "import hcskit\nfrom xarray import Dataset",
    ],
)
def test_plates_have_their_accessor(code: str) -> None:
    code += "\nimport sys; assert hasattr(sys.modules['xarray'].Dataset, 'hcs')"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
