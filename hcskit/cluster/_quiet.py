"""Where Dask's own log goes: into a file, not between the lines that a user reads."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from distributed import Client, Worker, WorkerPlugin

__all__ = ["quiet", "quiet_workers"]

_ROOTS = ("distributed", "tornado", "bokeh", "asyncio")
_FORMAT = "%(asctime)s %(process)d %(name)s %(levelname)s %(message)s"


@contextmanager
def quiet(log: Path | None) -> Iterator[None]:
    """Write the warnings and errors of Dask and Tornado into a file instead of the terminal; nowhere without a file.

    The file is made when there is something to write.
    """
    before = [(logger, logger.handlers, logger.propagate) for logger in _loggers()]
    handler = _divert(log)
    try:
        yield
    finally:
        for logger, handlers, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate
        handler.close()


def quiet_workers(client: Client, log: Path | None) -> None:
    """Do the same in the workers of this machine, which share its terminal."""
    client.register_plugin(_Quiet(log))


class _Quiet(WorkerPlugin):
    name = "quiet"

    def __init__(self, log: Path | None) -> None:
        self.log = log

    def setup(self, worker: Worker) -> None:  # noqa: ARG002 - Dask's signature
        """Set the loggers of the worker's process."""
        _divert(self.log)


class _LogFile(logging.FileHandler):
    """Loses a line rather than disturb the work, where the disk is full."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Print nothing."""


def _divert(log: Path | None) -> logging.Handler:
    handler: logging.Handler = logging.NullHandler()
    if log is not None:
        handler = _LogFile(log, encoding="utf-8", delay=True)
        handler.setFormatter(logging.Formatter(_FORMAT))
        handler.setLevel(logging.WARNING)
    for logger in _loggers():
        logger.handlers, logger.propagate = [handler] if logger.name in _ROOTS else [], logger.name not in _ROOTS
    return handler


def _loggers() -> list[logging.Logger]:
    """List the libraries' loggers: the roots, and those below that have handlers of their own."""
    below = [
        logger
        for name, logger in logging.root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger) and logger.handlers and name.partition(".")[0] in _ROOTS
    ]
    return [*map(logging.getLogger, _ROOTS), *(logger for logger in below if logger.name not in _ROOTS)]
