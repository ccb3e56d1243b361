"""A function called in a process of its own, which leaves nothing behind in this one."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from hcskit.errors import HcskitError, RunError

__all__ = ["call_apart"]

P = ParamSpec("P")
R = TypeVar("R")

# Not multiprocessing: it would run the user's script again, if that is not guarded.
_CHILD = "from hcskit.pipeline._apart import answer; answer()"


def call_apart(function: Callable[P, R], *arguments: P.args, **options: P.kwargs) -> R:
    """Call a function in a new process of this Python, and return what it returns.

    Parameters
    ----------
    function : callable
        One that a module holds; its arguments and its result are pickled.

    Raises
    ------
    HcskitError
        What the function raised.
    RunError
        If it raised anything else; the message has the last line of its traceback.
    """
    done = subprocess.run(  # noqa: S603 - this Python, and our own code
        [sys.executable, "-c", _CHILD],
        input=pickle.dumps((function, arguments, options)),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise RunError(f"the check {function.__name__} failed: {lines[-1]}")
    result: R | HcskitError = pickle.loads(done.stdout)  # noqa: S301 - from our own process
    if isinstance(result, HcskitError):
        raise result
    return result


def answer() -> None:
    """Answer, in the new process."""
    # What a library prints must not be taken for the answer.
    out, sys.stdout = sys.stdout, sys.stderr
    function, arguments, options = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own process
    try:
        result = function(*arguments, **options)
    except HcskitError as error:
        result = error
    out.buffer.write(pickle.dumps(result))
    out.buffer.flush()
