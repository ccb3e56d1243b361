"""Runs code in forks of one process that has loaded hcskit once, each with faults of its own; see `conftest.py`."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import traceback
from typing import Any


def run(code: str, said: str) -> int:
    """Run code as the command line runs a verb: an error of ours in one sentence; returns the exit status."""
    from hcskit.errors import HcskitError

    output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        exec(code, {"__name__": "step"})  # noqa: S102 (the test's own)
    except HcskitError as error:
        print(f"Error: {error}", flush=True)
        return 1
    except BaseException:  # noqa: BLE001 (told to the test)
        traceback.print_exc()
        return 2
    return 0


def serve(shim: Any) -> None:
    """Fork for each request on standard input, and answer how that ended."""
    for line in sys.stdin:
        request = json.loads(line)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.environ.update(request["faults"])
            shim.faults_arm()
            status = run(request["code"], request["said"])
            sys.stdout.flush()
            sys.stderr.flush()
            counted = {call: shim.faults_counted(call.encode()) for call in request["faults"]["FAULTS_CALLS"].split()}
            os.write(write, json.dumps(counted).encode())
            os._exit(status)
        os.close(write)
        with os.fdopen(read) as pipe:
            counted = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps({"status": status, "counted": json.loads(counted or "{}")}), flush=True)


if __name__ == "__main__":
    for module in sys.argv[1:]:
        __import__(module)
    print("ready", flush=True)
    serve(ctypes.CDLL(None))
