"""A function called in a process of its own, which leaves nothing behind in this one."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from hcskit.errors import HcskitError, RunError
from hcskit.pipeline._forks import CAN_FORK, ask_fork

__all__ = ["answer", "call_apart"]

P = ParamSpec("P")
R = TypeVar("R")

# Not multiprocessing: it would run the user's script again, if that is not guarded.
_CHILD = f"import sys; from {__name__} import answer; sys.stdout.buffer.write(answer(sys.stdin.buffer.read()))"


def call_apart(function: Callable[P, R], *arguments: P.args, **options: P.kwargs) -> R:
    """Call a function in a process that has the libraries of a network loaded, and return what it returns.

    Where processes can be forked, that takes tenths of a second besides the call; the first time, also what the steps
    that follow need not wait for any more. Elsewhere it is a new process of this Python.

    Parameters
    ----------
    function : callable
        One that a module holds; its arguments and its result are pickled.

    Raises
    ------
    HcskitError
        What the function raised.
    RunError
        If it raised anything else, or was killed.
    """
    request = pickle.dumps((function, arguments, options))
    told = ask_fork(__name__, request) if CAN_FORK else _ask_new(request)
    if not told:
        raise RunError(f"the check {function.__name__} failed: its process was killed, perhaps for lack of memory")
    result: R | HcskitError = pickle.loads(told)  # noqa: S301 - from our own process
    if isinstance(result, HcskitError):
        raise result
    return result


def answer(request: bytes) -> bytes:
    """Answer, in the other process."""
    # What a library prints must not be taken for the answer.
    out, sys.stdout = sys.stdout, sys.stderr
    function, arguments, options = pickle.loads(request)  # noqa: S301 - from our own process
    try:
        result = function(*arguments, **options)
    except HcskitError as error:
        result = error
    except Exception as error:  # noqa: BLE001 - told over there
        result = RunError(f"the check {function.__name__} failed: {type(error).__name__}: {error}")
    finally:
        sys.stdout = out
    return pickle.dumps(result)


def _ask_new(request: bytes) -> bytes:
    done = subprocess.run(  # noqa: S603 - this Python, and our own code
        [sys.executable, "-c", _CHILD], input=request, capture_output=True, check=False
    )
    return done.stdout
