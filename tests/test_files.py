"""Files and folders that take the place of others, and what killed processes leave beside them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hcskit.errors import InputError, StoreError
from hcskit.files import make_folder, replacing, replacing_all, write_text

KILLED = """
import os, signal, sys
from hcskit.files import replacing
with replacing(sys.argv[1]) as partial:
    partial.write_text("half")
    if sys.argv[2] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    print(partial.name, flush=True)
    sys.stdin.read()"""


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.glob(".*")]


def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    command = [sys.executable, "-c", KILLED, path]
    subprocess.run([*command, "die"], check=False)
    (tmp_path / ".table-of-another-kind.csv").touch()
    assert len(hidden(tmp_path)) == 2
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, "live"], stdin=pipe, stdout=pipe, text=True) as other:
        partial = other.stdout.readline().strip()
        write_text(path, "whole")
        assert sorted(hidden(tmp_path)) == sorted([partial, ".table-of-another-kind.csv"])
        other.communicate()
    assert path.read_text() == "half"  # the last one wins, as a whole
    assert hidden(tmp_path) == [".table-of-another-kind.csv"]


def test_a_folder_that_is_replaced_comes_back_if_the_new_one_cannot_be_moved(tmp_path: Path) -> None:
    target = tmp_path / "light.zarr"
    for number in (1, 2):
        with replacing(target) as partial:
            partial.mkdir()
            (partial / f"{number}").touch()
    assert [path.name for path in target.iterdir()] == ["2"]
    with pytest.raises(StoreError, match=r"light\.zarr could not be written: No such file"), replacing(target):
        pass  # nothing was written
    assert [path.name for path in target.iterdir()] == ["2"]
    assert hidden(tmp_path) == []


def test_none_of_several_files_is_moved_before_all_are_written(tmp_path: Path) -> None:
    pair = tmp_path / "a.csv", tmp_path / "b.csv"
    with pytest.raises(StoreError, match="No such file"), replacing_all(*pair) as (first, _):
        first.touch()
    assert list(tmp_path.iterdir()) == []


def test_an_error_that_is_not_the_disks_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^wrong$"), replacing(tmp_path / "a.csv"):
        raise InputError("wrong")


def test_a_file_in_the_way_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="could not be written: Not a directory"):
        make_folder(tmp_path / "file" / "new")
