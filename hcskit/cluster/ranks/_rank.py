"""One rank: a process that calls one function, and ends when its starter does.

``python -m hcskit.cluster.ranks._rank FD`` reads ``module:function`` and its arguments as a line of JSON from
standard input. As long as its process is not frozen, it writes an empty line into FD every second. What the function
raises is pickled into FD, after a line of JSON with the name of the library it comes from, and its traceback for the
rank's file.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import pickle
import signal
import sys
import threading
import time
import traceback

from hcskit.errors import InputError

_LONGEST, _TOLD = 8000, 2000  # Dask keeps errors of up to 10,000 bytes (distributed.admin.max-error-length)
_BEAT = 1.0  # seconds
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    """Run the rank."""
    report, reporting = int(sys.argv[1]), threading.Lock()
    # A frozen process cannot end itself; the kernel can.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_beat, args=(report, reporting), daemon=True).start()
    task = json.loads(sys.stdin.readline())
    module, _, function = task["target"].partition(":")
    try:
        getattr(importlib.import_module(module), function)(**task["arguments"])
    except BaseException as error:  # noqa: BLE001 - it goes on to the user
        # Not printed: what is printed is shown to the user, who gets the error itself. Invalid input is one line.
        told = "".join(traceback.format_exception(error, limit=0 if isinstance(error, InputError) else None))
        about = {"library": type(error).__module__.partition(".")[0], "traceback": told}
        sys.stdout.flush()
        with reporting, os.fdopen(report, "wb") as pipe:
            pipe.write(json.dumps(about).encode() + b"\n" + _pickled(error))
        os._exit(1)  # Horovod would wait for the other ranks


def _beat(report: int, reporting: threading.Lock) -> None:
    """Show that the process lives; end it if its starter has ended before the kernel was asked to watch."""
    while True:
        with reporting:
            try:
                os.write(report, b"\n")
            except BrokenPipeError:
                os._exit(1)
        time.sleep(_BEAT)


def _pickled(error: BaseException) -> bytes:
    """Pickle the error itself, or its message if it cannot be unpickled or is too long for Dask."""
    error.__cause__ = error.__context__ = error.__traceback__ = None  # they are in the log
    try:
        data = pickle.dumps(error)
        pickle.loads(data)  # noqa: S301 - our own
    except Exception:  # noqa: BLE001
        data = b""
    return data if 0 < len(data) < _LONGEST else pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"[:_TOLD]))


if __name__ == "__main__":
    main()
