"""A process that has loaded the libraries, and forks a kernel whenever it is asked to.

`hcskit.pipeline._forks` starts it as a program, with the names of the modules to load, and a socket as its standard
input. A request is a file that holds JSON, sent through the socket with what the new process is to have: for a kernel
its standard error; for another server, which loads further modules, or for a function that is called, a socket of its
own. The answer is the process id, and a file descriptor of the process by which it can be watched and signalled without
a race. When the socket closes, the server ends, and its kernels with it.

A fork takes along only the thread that forks, so no module that is loaded here may leave a thread behind that it needs
later. TensorFlow is imported, not initialised: each kernel does that for itself.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
import tempfile
from typing import Any

__all__ = ["main"]


def main() -> None:
    """Serve what comes through standard input."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # kernels that have ended leave no zombies
    server = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    _serve(server, sys.argv[1:])


def _serve(descriptor: int, modules: list[str]) -> None:
    server = socket.socket(fileno=descriptor)
    for module in modules:
        importlib.import_module(module)
        if module == "hcskit.models.backend":
            sys.modules[module].import_quietly()
    gc.freeze()  # so that a kernel's garbage collector does not touch, and so copy, what all of them share
    while True:
        message, descriptors, _, _ = socket.recv_fds(server, 1, 2)
        if not message:
            return
        file, given = descriptors
        with os.fdopen(file, encoding="utf-8") as text:
            request = json.load(text)
        if (pid := os.fork()) == 0:
            server.close()
            if "modules" in request:
                _serve(given, **request)
            elif "module" in request:
                _answer(given, **request)
            else:
                _become_kernel(given, **request)
            return
        process = os.pidfd_open(pid)
        socket.send_fds(server, [str(pid).encode()], [process])
        os.close(process)
        os.close(given)


def _become_kernel(stderr: int, arguments: list[str], environment: dict[str, str], folder: str) -> None:
    """Run a kernel in this process, as if a command had started it."""
    _settle(environment, folder)
    os.dup2(stderr, 2)
    sys.argv = [*arguments, f"--IPKernelApp.parent_handle={os.getppid()}"]  # a kernel ends when its server does
    kernelapp = importlib.import_module("ipykernel.kernelapp")
    kernelapp.launch_new_instance()


def _answer(place: int, module: str, environment: dict[str, str], folder: str) -> None:
    """Answer what comes through a socket, by the function of a module."""
    _settle(environment, folder)
    os.dup2(0, 2)
    with socket.socket(fileno=place) as asked:
        with asked.makefile("rb") as file:
            request = file.read()
        asked.sendall(importlib.import_module(module).answer(request))


def _settle(environment: dict[str, str], folder: str) -> None:
    """Make this process what a command would have started."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.dup2(0, 1)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    _refresh(sys.modules)


def _refresh(loaded: dict[str, Any]) -> None:
    """Renew what libraries took from the environment, or drew at random, when they were loaded."""
    tempfile.tempdir = None
    if "numpy" in loaded:
        loaded["numpy"].random.seed()
    if "dask" in loaded:
        loaded["dask"].config.refresh()


if __name__ == "__main__":
    main()
