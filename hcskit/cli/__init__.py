"""The ``hcskit`` command: parses, calls one function, prints.

Exit codes: 0 done; 1 something failed; 2 the input is at fault; 3 a plate is unlike those that the
network learned from; 4 done, but for plates that were set aside; 130 stopped with Ctrl-C.
"""

# Importing a module of commands adds them.
from hcskit.cli import (  # noqa: F401
    _app,
    _networks,
    _plan,
    _plates,
    _queue,
    _runs,
    _schedule,
    _screens,
    _watch,
)
from hcskit.cli._main import main

__all__ = ["main"]
