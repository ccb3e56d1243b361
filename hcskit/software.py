"""What computes: the versions of the libraries that numbers come from, and the content of hcskit's own code."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from hcskit.inputs import file_sha256

__all__ = ["batch_job", "code_digest", "commit", "report", "versions"]

#: Libraries that results depend on.
_LIBRARIES = (
    "hcskit",
    "dask",
    "holoviews",
    "imagecodecs",
    "keras",
    "numpy",
    "pandas",
    "papermill",
    "pillow",
    "pyarrow",
    "scipy",
    "tensorflow",
    "tifffile",
    "xarray",
    "zarr",
)
_OURS = "hcskit."
_SKIPPED = frozenset({"__pycache__", "shipped"})  # what ships to be run is known by itself


def versions() -> dict[str, str]:
    """Return the versions of Python, of the libraries that results depend on, and of the packages that extend hcskit.

    Examples
    --------
    >>> versions()["python"] == platform.python_version()
    True
    """
    names = [*_LIBRARIES, *sorted({name for name, _ in _extensions()} - set(_LIBRARIES))]
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Return the SHA-256 of the code of hcskit and of the packages that extend it.

    A version does not tell them apart while somebody works on them.
    """
    digest = hashlib.sha256()
    for package in sorted({"hcskit"} | {package for _, package in _extensions()}):
        spec = find_spec(package)
        for place in sorted(spec.submodule_search_locations or [str(spec.origin)]) if spec else ():
            for file in _files(Path(place)):
                name = file.relative_to(place).as_posix()
                digest.update(f"{package} {name} {file_sha256(file)}\n".encode())
    return digest.hexdigest()


def report() -> str:
    """Describe this process, as JSON: its Python, the versions, and the most memory that it has held, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return json.dumps({"executable": sys.executable, "versions": versions(), "peak_memory_bytes": peak})


@lru_cache(maxsize=1)
def _extensions() -> set[tuple[str, str]]:
    """Return the distributions that bring parts for hcskit, each with the package that they are in."""
    return {
        (distribution.metadata["Name"], point.module.partition(".")[0])
        for distribution in metadata.distributions()
        for point in distribution.entry_points
        if point.group.startswith(_OURS) and distribution.metadata["Name"] != "hcskit"
    }


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    files = (file for file in place.rglob("*") if not _SKIPPED.intersection(file.relative_to(place).parts))
    return sorted(file for file in files if file.is_file() and not file.name.startswith("."))


def commit(folder: Path) -> str | None:
    """Return the commit of the repository that a folder is in, with ``-dirty`` where files were changed since."""
    # Not fsmonitor: it is a command that the repository names.
    options = ["-c", "core.fsmonitor=false", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(  # noqa: S603 - a fixed command
            ["git", *options],  # noqa: S607 - whichever git the user has
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


def batch_job() -> str | None:
    """Return the job of a batch system that this process is part of, such as ``Slurm 1234``."""
    kinds = {"Slurm": "SLURM_JOB_ID", "PBS": "PBS_JOBID", "LSF": "LSB_JOBID", "Grid Engine": "JOB_ID"}
    return next((f"{kind} {os.environ[name]}" for kind, name in kinds.items() if os.environ.get(name)), None)
