"""Two processes in one folder: the second is refused and told who is there; locks that do not hold are not trusted."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hcskit.errors import StoreError
from hcskit.locks import locked
from tests.faults.conftest import Faulty, Steps

HOLD = """
import sys
from hcskit.locks import locked
with locked(sys.argv[1]):
    print(flush=True)
    sys.stdin.read()"""
#: What flock says, and what is told; 0: it grants every lock to everyone.
LOCKS = {errno.ENOSYS: "not implemented", errno.ENOLCK: "No locks", 0: "a second lock was granted"}


def test_a_lock_holds_in_one_process_too_and_ends_with_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path), pytest.raises(StoreError, match=f"process {os.getpid()} on "), locked(tmp_path):
            pass


def test_who_holds_a_folder_is_named_however_often_others_try(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        told = rf"is being written by process {holder.pid} on {socket.gethostname()} since 20\d\d-.* UTC; wait"
        for _ in range(2):
            with pytest.raises(StoreError, match=told), locked(tmp_path):
                pass
        holder.kill()
        holder.communicate()
        with locked(tmp_path):  # the system has released it
            pass


@pytest.mark.slow
@pytest.mark.parametrize("number", LOCKS)
def test_a_file_system_without_locks_is_told_and_not_trusted(
    tmp_path: Path, light: Faulty, steps: Steps, number: int
) -> None:
    run = f"from hcskit.locks import locked\nwith locked({str(tmp_path)!r}):\n    print('not reached')"
    for code in (run, steps.code("import", tmp_path)):
        done = light.run(code, tmp_path, calls="flock", at=1, until=9, errno=number)
        assert done.status == 1, done
        assert "has no locks" in done.said
        assert LOCKS[number] in done.said
        assert "not reached" not in done.said
    assert not list(tmp_path.glob("*.zarr"))
