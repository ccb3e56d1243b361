"""What must hold before ranks start: the same software everywhere, a folder that all see, a network between them."""

from __future__ import annotations

import importlib.metadata
import platform
import secrets
from pathlib import Path

from distributed import Client

from hcskit.cluster._config import ClusterConfig
from hcskit.cluster._workers import ask
from hcskit.errors import InputError, MismatchError
from hcskit.files import write_text
from hcskit.parallel import interface_in

__all__ = ["check_versions", "check_workers", "meeting_place", "versions"]

_LIBRARIES = ("hcskit", "tensorflow", "keras", "numpy")


def check_workers(client: Client, addresses: list[str], folder: Path) -> None:
    """Refuse workers that would train a different network, or write it elsewhere.

    Raises
    ------
    InputError
        If a worker has other versions than this process, or does not see the folder.
    StoreError
        If nothing can be written into the folder.
    WorkerLostError
        If a worker is gone.
    """
    here = versions()
    for address, there in ask(client, addresses, versions).items():
        check_versions(address, there, here)
    token = folder / f".token-{secrets.token_hex(8)}"
    write_text(token, "")
    try:
        seen = ask(client, addresses, sees, str(token))
    finally:
        token.unlink()
    blind = [address for address in addresses if not seen[address]]
    if blind:
        raise InputError(
            f"{len(blind)} of {len(addresses)} workers ({', '.join(blind)}) do not see {folder}; choose a folder on a "
            "file system that all nodes share"
        )


def meeting_place(config: ClusterConfig) -> tuple[str, str]:
    """Return this machine's address on the network between the workers, and their network interface as it is given.

    Raises
    ------
    InputError
        If the cluster's file does not name an interface that this machine has.
    """
    if config.kind == "local" or config.workers * config.ranks_per_worker == 1:
        return "127.0.0.1", "lo"
    try:
        if config.interface is None:
            raise InputError("none is given")
        return interface_in(config.driver_interface or config.interface)[1], config.interface
    except InputError as error:
        raise InputError(
            f"ranks on several nodes need the network interface between them: {error} (interface in the cluster's "
            "file: its name, or the network's address, such as 10.20.0.0/16, if the name differs; or "
            "driver_interface, if only the name here is another one)"
        ) from None


def check_versions(worker: str, there: dict[str, str], here: dict[str, str]) -> None:
    """Refuse a worker whose software would give a different result; raises `MismatchError`."""
    others = [f"{name} {there[name]} (here {here[name]})" for name in here if there[name] != here[name]]
    if others:
        raise MismatchError(
            f"the worker {worker} has {', '.join(others)}; give it the same environment as the driver's"
        )


def versions() -> dict[str, str]:
    """Return the version of Python, and of each library that affects the result."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in _LIBRARIES}


def sees(path: str) -> bool:
    """Return whether a file exists and is visible from here."""
    try:
        return Path(path).exists()
    except OSError:
        return False
