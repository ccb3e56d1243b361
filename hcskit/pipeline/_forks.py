"""Kernels that start in tenths of a second: they are forked from a process that has loaded the libraries (Linux)."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TextIO, cast

from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from hcskit.errors import RunError

__all__ = ["CAN_FORK", "ForkedKernel", "ask_fork"]

#: Whether this system has what is needed; elsewhere each kernel is a new Python.
CAN_FORK = hasattr(os, "pidfd_open") and hasattr(os, "memfd_create")

_COMMON = ("ipykernel.kernelapp", "hcskit.actions", "hcskit.views", "hcskit.reporting", "holoviews", "bokeh.plotting")
_NETWORK = ("hcskit.models.backend",)


class _Process:
    """A process that is not a child of this one, with the interface of `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid, self._descriptor = pid, descriptor
        self.returncode: int | None = None

    def __del__(self) -> None:
        os.close(self._descriptor)

    def poll(self) -> int | None:
        if self.returncode is None and self._ended(0):
            self.returncode = 1  # how it ended is known to its parent only
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        self._ended(timeout)
        return self.poll()

    def send_signal(self, number: int) -> None:
        signal.pidfd_send_signal(self._descriptor, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def _ended(self, timeout: float | None) -> bool:
        return bool(select.select([self._descriptor], [], [], timeout)[0])


class _Server:
    """The other end of a fork server (`hcskit.pipeline._forkserver`)."""

    def __init__(self, ours: socket.socket, process: Any) -> None:
        self._socket, self._process = ours, process
        self._lock = threading.Lock()
        atexit.register(self.close)

    def fork(self, modules: Sequence[str]) -> _Server:
        """Return a server with further modules."""
        ours, its = socket.socketpair()
        with its, ExitStack() as failed:
            failed.callback(ours.close)
            server = _Server(ours, self._ask({"modules": modules}, its.fileno()))
            failed.pop_all()
        return server

    def start_kernel(
        self, arguments: Sequence[str], environment: Mapping[str, str], folder: str, stderr: TextIO
    ) -> _Process:
        request = {"arguments": arguments, "environment": dict(environment), "folder": folder}
        return self._ask(request, stderr.fileno())

    def start_answer(self, module: str, place: socket.socket) -> _Process:
        request = {"module": module, "environment": dict(os.environ), "folder": str(Path.cwd())}
        return self._ask(request, place.fileno())

    @property
    def is_there(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        self._socket.close()
        self._process.wait()

    def _ask(self, request: Mapping[str, Any], given: int) -> _Process:
        with self._lock, os.fdopen(os.memfd_create("request"), "w+", encoding="utf-8") as file:
            json.dump(request, file)
            file.seek(0)
            try:
                socket.send_fds(self._socket, [b"?"], [file.fileno(), given])
                pid, descriptors, _, _ = socket.recv_fds(self._socket, 32, 1)
            except OSError:
                pid, descriptors = b"", []
        if not pid:
            raise RunError("the process that starts the steps has ended; see above, and give the command again")
        return _Process(int(pid), descriptors[0])


def _server(modules: Sequence[str]) -> _Server:
    """Start a server as a process of its own."""
    ours, its = socket.socketpair()
    command = [sys.executable, "-P", str(Path(__file__).with_name("_forkserver.py")), *modules]
    with its:
        process = subprocess.Popen(  # noqa: S603 - our own script
            command, stdin=its.fileno(), start_new_session=True
        )
    return _Server(ours, process)


class _Servers:
    """The servers of this process: one for all kernels, and one with TensorFlow, forked from it when it is needed."""

    def __init__(self) -> None:
        self._running: dict[bool, _Server] = {}
        self._lock = threading.RLock()

    def get(self, network: bool) -> _Server:
        with self._lock:
            server = self._running.get(network)
            if server is None or not server.is_there:
                server = self.get(False).fork(_NETWORK) if network else _server(_COMMON)
                self._running[network] = server
            return server


_SERVERS = _Servers()


def ask_fork(module: str, request: bytes) -> bytes:
    """Return what the function ``answer`` of a module returns in a fork with TensorFlow; nothing if that is killed."""
    ours, its = socket.socketpair()
    with ours:
        with its:
            _SERVERS.get(True).start_answer(module, its)
        with suppress(ConnectionError):
            ours.sendall(request)
            ours.shutdown(socket.SHUT_WR)
            with ours.makefile("rb") as file:
                return file.read()
    return b""


class ForkedKernel(LocalProvisioner):
    """Starts a kernel by a fork.

    Attributes
    ----------
    uses_network : bool
        The kernel is to have TensorFlow loaded; otherwise it can load it itself.
    """

    uses_network = False

    async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
        server = _SERVERS.get(self.uses_network)
        folder = options.get("cwd") or str(Path.cwd())
        kernel = server.start_kernel(cmd[2:], options["env"], folder, options["stderr"])
        self.process = cast("Any", kernel)  # it has what is used of a `subprocess.Popen`
        self.pid = self.pgid = kernel.pid
        return self.connection_info
