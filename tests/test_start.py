"""The front door opens at once: nothing that takes seconds to load is loaded before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"dask", "holoviews", "numpy", "pandas", "papermill", "tensorflow", "xarray", "zarr"}


@pytest.mark.parametrize(
    "code",
    [
        "import hcskit",
        "import hcskit; names = dir(hcskit); assert 'open_screen' in names, names",
        "from hcskit.cli import main; main(['--help'], standalone_mode=False)",
        "from hcskit.cli import main; main(['--version'], standalone_mode=False)",
        "from hcskit.cli import main; main(['run', '--help'], standalone_mode=False)",
    ],
)
def test_it_loads_no_library(code: str) -> None:
    code += f"\nimport sys; loaded = {HEAVY} & sys.modules.keys(); assert not loaded, loaded"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_lists_the_commands() -> None:
    code = "from hcskit.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    for command in ("run", "new", "import", "train", "predict", "simulate"):
        assert f"\n  {command} " in done.stdout
