"""What a ``.keras`` file may ask Keras to make: layers of Keras and of registered classes, and nothing that is code."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hcskit.errors import InputError
from hcskit.models import backend

__all__ = ["check_archive"]

_MOST_CONFIG = 64_000_000  # bytes; that of the largest network is under 1 MB
_CODE = frozenset({"Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer", "__lambda__"})


def check_archive(path: Path) -> None:
    """Look at a model file before Keras does.

    Raises
    ------
    InputError
        If it is damaged, or has a part that is code or is of a module that is neither Keras nor registered.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = archive.getinfo("config.json").file_size
            if size > _MOST_CONFIG:
                raise ValueError(f"its config.json has {size:,} bytes, expected {_MOST_CONFIG:,} at most")
            config = json.loads(archive.read("config.json"))
        strange = next(_strange(config), None)
    except (zipfile.BadZipFile, EOFError, KeyError, OSError, RecursionError, RuntimeError, ValueError) as error:
        raise InputError(f"{path} is not a whole model file: {error}; copy it again") from error
    if strange is not None:
        raise InputError(
            f"{path} is not loaded: it has a {strange}, which would run code that is not hcskit's; use a model whose "
            "layers are Keras's own, or of a network that is installed"
        )


def _strange(config: Any) -> Iterator[str]:
    """Yield the parts of a configuration that would run code."""
    if isinstance(config, list):
        for part in config:
            yield from _strange(part)
    if isinstance(config, dict):
        name, module = config.get("class_name"), config.get("module")
        if name in _CODE:
            yield f"layer {name}"
        elif name is not None and module is not None and not _is_known(str(module), config.get("registered_name")):
            yield f"part {name} of the module {module}"
        for part in config.values():
            yield from _strange(part)


def _is_known(module: str, registered: object) -> bool:
    is_keras = module in ("keras", "builtins") or module.startswith("keras.")
    return is_keras or (
        registered is not None and backend.keras.saving.get_registered_object(str(registered)) is not None
    )
