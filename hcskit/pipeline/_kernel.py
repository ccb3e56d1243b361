"""The process of a step: a kernel of this Python, reached through a folder that only the user can open."""

from __future__ import annotations

import ast
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TextIO

import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.execute import ERROR_MARKER_TAG
from traitlets.config import Config

from hcskit.errors import RunError
from hcskit.pipeline._forks import CAN_FORK, ForkedKernel

__all__ = ["KernelReport", "execute", "kernel_config"]

_ENGINE = "hcskit"  # and, in the metadata of a notebook, what it needs
_REPORT = "hcskit_report"
_LOG = logging.getLogger("papermill")
_ARGV = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
_SOCKET = "kernel-5"  # jupyter's name of the last of five
_LONGEST = 100  # bytes of a socket's path: 107 on Linux, 103 on macOS
_SHORT = ("/tmp", "/var/tmp")  # noqa: S108 - a private folder is made there
_ASK = "__import__('hcskit.software', fromlist=['report']).report()"
_START = 300  # s
_ADDED = frozenset({"injected-parameters", ERROR_MARKER_TAG})  # tags of cells that papermill adds


@dataclass(frozen=True)
class KernelReport:
    """What a kernel said of itself, after the last cell."""

    executable: str
    versions: dict[str, str]
    peak_memory_bytes: int


def execute(
    notebook: Path,
    output: Path,
    parameters: Mapping[str, Any],
    run: Path,
    progress: TextIO | None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> KernelReport:
    """Execute a notebook to its end.

    Parameters
    ----------
    notebook, output : pathlib.Path
        The notebook, and where to write its executed copy, cell by cell.
    parameters : mapping
        Values for its parameters cell.
    run : pathlib.Path
        Its working directory.
    progress : file, optional
        Where its progress bars go, besides into `output`.
    environment : mapping of str to str
        Environment variables that it gets besides those of this process.

    Raises
    ------
    papermill.PapermillExecutionError
        If a cell raises.
    RunError
        If the kernel does not start, is killed, or ends before the last cell has run.
    """
    # Papermill's regular expression for parameters does not match `X | None`; ours are checked already. And what goes
    # wrong is told by the errors below.
    _LOG.setLevel(logging.CRITICAL)
    with _private_folder() as (private, config), Path(private, "stderr").open("w+", encoding="utf-8") as stderr:
        try:
            executed = papermill.execute_notebook(
                _unformatted(notebook),
                _unformatted(output),
                parameters=parameters,
                engine_name=_ENGINE,
                cwd=str(run),
                progress_bar=False,
                kernel_name="python3",
                language="python",
                config=config,
                stderr_file=progress,
                start_timeout=_START,
                request_save_on_cell_execute=True,
                kernel_stderr=stderr,
                kernel_environment={**os.environ, **environment},
            )
        except DeadKernelError as error:
            raise RunError(
                f"its process was killed, perhaps for lack of memory{_last_line(stderr)} (its progress is in "
                f"{output}); the same command resumes at this step"
            ) from error
        except _NoKernelError as error:
            command = f"{sys.executable} -m ipykernel_launcher"
            raise RunError(f"its Python ended at once{_last_line(stderr)}; try the command {command}") from error
    said = executed.metadata.get(_REPORT)
    if said is None:
        number = next(n for n, cell in enumerate(executed.cells) if cell.metadata.papermill.get("exception"))
        raise RunError(
            f"it was ended by {cell_name(executed, number)} before the last cell had run: sys.exit does that; raise an "
            f"error, or let the cells run to the end (its progress is in {output})"
        )
    return KernelReport(**said)


def cell_name(notebook: Any, index: int) -> str:
    """Name a cell as the author of the notebook counts them: papermill adds some of its own."""
    before = notebook.cells[: index + 1]
    return f"cell {sum(_ADDED.isdisjoint(cell.metadata.get('tags', [])) for cell in before)}"


def kernel_config(private: str) -> dict[str, Any]:
    """Return how to reach a kernel: through sockets in a private folder, or on loopback where their path is too long.

    The path of a socket has room for some 100 characters. On loopback, the key of the connection protects the kernel;
    it is in the private folder.

    Examples
    --------
    >>> kernel_config("/tmp/x")["transport"], "transport" in kernel_config("/scratch/" + "x" * 100)
    ('ipc', False)
    """
    file = {"connection_file": f"{private}/kernel.json"}
    if len(f"{private}/{_SOCKET}".encode()) > _LONGEST:
        return file
    return file | {"transport": "ipc", "ip": f"{private}/kernel"}


class _NoKernelError(Exception):
    """A kernel did not start."""


class _ThisPython(AsyncKernelManager):
    """Starts this Python, whatever the kernelspecs of the user name."""

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(argv=_ARGV, language="python", display_name="Python 3")


class _Client(PapermillNotebookClient):  # type: ignore[misc] # papermill has no types
    """Starts the kernel, and asks it about itself once the last cell has run."""

    def __init__(
        self, manager: Any, *, kernel_stderr: TextIO, kernel_environment: dict[str, str], **options: Any
    ) -> None:
        super().__init__(manager, kernel_manager_class=_ThisPython, **options)
        self._stderr, self._environment = kernel_stderr, kernel_environment

    def create_kernel_manager(self) -> Any:
        manager = super().create_kernel_manager()
        if CAN_FORK:
            manager.provisioner = ForkedKernel(kernel_id="", kernel_spec=manager.kernel_spec, parent=manager)
            manager.provisioner.uses_network = self.nb.metadata.get(_ENGINE, {}).get("uses_network", False)
        return manager

    def start_new_kernel_client(self) -> Any:
        try:
            return super().start_new_kernel_client()
        except RunError:
            raise
        except RuntimeError as error:
            raise _NoKernelError from error

    def execute(self, **options: Any) -> Any:
        return super().execute(stderr=self._stderr, env=self._environment, **options)

    def papermill_execute_cells(self) -> None:
        super().papermill_execute_cells()
        if any(cell.metadata.papermill.get("exception") for cell in self.nb.cells):
            return
        asked = self.kc.execute("", silent=True, store_history=False, user_expressions={_REPORT: _ASK})
        answer = self.wait_for_reply(asked)["content"]["user_expressions"][_REPORT]
        self.nb.metadata[_REPORT] = json.loads(ast.literal_eval(answer["data"]["text/plain"]))


class _Engine(NBClientEngine):  # type: ignore[misc] # papermill has no types
    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> Any:
        known = {name: value for name, value in options.items() if name not in ("input_path", "start_timeout")}
        timeout = options["start_timeout"]
        return _Client(nb_man, kernel_name=kernel_name, startup_timeout=timeout, log=_LOG, **known).execute()


papermill_engines.register(_ENGINE, _Engine)


@contextmanager
def _private_folder() -> Iterator[tuple[str, Config]]:
    """Make a folder that only the user can open, with a short path if there is room for one."""
    parents = [tempfile.gettempdir(), *_SHORT]
    short = (place for place in parents if "transport" in kernel_config(f"{place}/hcskit-12345678"))
    place = next((place for place in short if Path(place).is_dir()), parents[0])
    with tempfile.TemporaryDirectory(prefix="hcskit-", dir=place) as private:
        # A kernel that is stopped within a cell reports its closed sockets, which is expected. The user's own settings
        # of IPython, and what she runs whenever it starts, are not part of a step.
        Path(private, "ipython").mkdir()
        arguments = ["--IPKernelApp.log_level=50", f"--ipython-dir={private}/ipython"]
        client = {"NotebookClient": {"extra_arguments": arguments}}
        yield private, Config({"KernelManager": kernel_config(private), **client})


def _unformatted(path: Path) -> str:
    """Quote braces: papermill fills them in with parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _last_line(stderr: TextIO) -> str:
    stderr.seek(0)
    lines = stderr.read().strip().splitlines()
    return f": {lines[-1]}" if lines else ""
