"""The ``hcskit`` command: parses, calls one function, prints.

Exit codes: 0 done; 1 something failed; 2 the input is at fault; 3 a plate is unlike those that the
network learned from; 4 done, but for plates that were set aside; 130 stopped with Ctrl-C.
"""

from hcskit.cli import _app, _networks, _plates, _runs, _schedule, _screens, _watch  # noqa: F401  # they add their commands
from hcskit.cli._main import main

__all__ = ["main"]
