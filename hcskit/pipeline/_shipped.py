"""Files that ship with hcskit to be run and edited: notebooks, pipelines, recipes, and a cluster file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from hcskit.errors import InputError
from hcskit.files import make_folder, replacing

__all__ = ["copy_shipped", "shipped"]


def shipped() -> Path:
    """Return the folder of ``notebooks/`` and ``pipelines/``: the package's own, or a checkout's."""
    room = Path(str(files("hcskit.pipeline")))
    packaged = room / "shipped"  # the build copies them there; an editable installation has none
    return packaged if packaged.is_dir() else room.parents[1]


def copy_shipped(folder: str | Path) -> tuple[list[Path], list[Path]]:
    """Copy the notebooks, pipelines, recipes and cluster file into a folder, for a lab to edit.

    Parameters
    ----------
    folder : path-like
        Destination; created if needed. Existing files are kept.

    Returns
    -------
    written, kept : list of pathlib.Path
        Files that were copied, and files that were there already.

    Raises
    ------
    InputError
        If `folder` is a file.
    StoreError
        If a file cannot be written; files written before it are kept.
    """
    root = Path(folder)
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} is a file; name a folder, a new one or one to complete")
    written: list[Path] = []
    kept: list[Path] = []
    for source in sorted([*shipped().glob("notebooks/*.ipynb"), *shipped().glob("pipelines/**/*.yaml")]):
        target = root / source.relative_to(shipped())
        if target.exists():
            kept.append(target)
            continue
        make_folder(target.parent)
        with replacing(target) as partial:
            partial.write_bytes(source.read_bytes())
        written.append(target)
    return written, kept
