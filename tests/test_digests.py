"""Digests of files and folders: what counts as a change, and that the cache never hides one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hcskit.digests import Digests
from hcskit.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.tif").write_bytes(b"aaaa")
    (folder / "sub" / "b c.tif").write_bytes(b"bb")
    return folder


def sha256(digests: Digests, path: Path) -> str:
    digest = digests.of(path, remember=True)
    assert digest is not None
    return digest.sha256


def test_the_digest_of_a_folder_is_that_of_what_sha256sum_lists(folder: Path) -> None:
    listed = subprocess.run(
        ["sh", "-c", "find . -type f -printf '%P\\0' | sort -z | xargs -0 sha256sum"],
        cwd=folder,
        capture_output=True,
        check=True,
    ).stdout
    found = Digests().of(folder)
    assert found is not None
    assert (found.sha256, found.files, found.bytes) == (hashlib.sha256(listed).hexdigest(), 2, 6)


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "same size": (lambda folder: (folder / "a.tif").write_bytes(b"aaab"), "1 file changed (a.tif)"),
    "renamed": (
        lambda folder: (folder / "a.tif").rename(folder / "c.tif"),
        "1 file new (c.tif), 1 file gone (a.tif)",
    ),
    "added": (lambda folder: (folder / "sub" / "d.tif").touch(), "1 file new (sub/d.tif)"),
    "removed": (lambda folder: (folder / "sub" / "b c.tif").unlink(), "1 file gone (sub/b c.tif)"),
    "Zarr 2": (lambda folder: (folder / ".zarray").touch(), "1 file new (.zarray)"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_changed_is_found_and_named_with_the_cache_and_without(
    folder: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hcskit.digests._TICK", 0)  # else these files are too fresh to be kept
    change, told = CHANGES[kind]
    digests = Digests(tmp_path / "cache")
    before = sha256(digests, folder)
    digests.save()
    assert len(json.loads((tmp_path / "cache").read_text(encoding="utf-8"))["files"]) == 2
    times = (folder / "a.tif").stat().st_atime_ns, (folder / "a.tif").stat().st_mtime_ns
    change(folder)
    if kind == "same size":
        os.utime(folder / "a.tif", ns=times)  # as rsync --times would
    later = Digests(tmp_path / "cache")
    now = sha256(later, folder)
    assert now == sha256(Digests(), folder) != before
    assert later.changes(before, now) == told
    assert Digests().changes(before, now) == "changed"  # without the cache, it is not known what


def test_what_does_not_count(folder: Path) -> None:
    before = sha256(Digests(), folder)
    (folder / ".lock").touch()
    (folder / ".partial-A01").mkdir()
    (folder / ".partial-A01" / "x").touch()
    os.mkfifo(folder / "pipe.tif")  # would hang if it were read
    (folder / "back").symlink_to(folder)
    assert sha256(Digests(), folder) == before
    assert Digests().of(folder / "nowhere") is None
    own = Digests().of(folder, leave_out=folder / "sub")
    assert own is not None
    assert own.files == 1


def test_a_folder_that_moves_is_the_same(folder: Path, tmp_path: Path) -> None:
    before = sha256(Digests(), folder)
    assert sha256(Digests(), folder.rename(tmp_path / "elsewhere")) == before
    shutil.copytree(tmp_path / "elsewhere", tmp_path / "copy")
    assert sha256(Digests(), tmp_path / "copy") == before


def test_a_file_that_is_known_is_not_read_again_but_a_fresh_one_is(folder: Path, tmp_path: Path) -> None:
    fresh = Digests(tmp_path / "cache")
    before = sha256(fresh, folder / "a.tif")  # changed a moment ago: its time of change cannot be set
    fresh.save()
    assert not (tmp_path / "cache").exists()
    status = (folder / "a.tif").stat()
    key = f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"
    (tmp_path / "cache").write_text(json.dumps({"files": {key: "0" * 64}, "folders": {}}), encoding="utf-8")
    assert sha256(Digests(tmp_path / "cache"), folder / "a.tif") == "0" * 64
    for damaged in ("", "[]", "{", '{"files": 3}'):
        (tmp_path / "cache").write_text(damaged, encoding="utf-8")
        assert sha256(Digests(tmp_path / "cache"), folder / "a.tif") == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "a.tif").chmod(0)
    with pytest.raises(InputError, match=r"a\.tif cannot be read: Permission denied"):
        Digests().of(folder)


@pytest.mark.parametrize("tick", [0, 2_000_000_000])  # files that are old enough to be known by their times, or fresh
def test_what_changes_between_a_glance_and_its_digest_is_noticed(
    tick: int, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hcskit.digests._TICK", tick)
    said: list[str] = []
    digests = Digests(say=said.append)
    before = digests.glance(folder)
    assert (before.digest is None) == (tick == 0)
    assert not digests.changed_since(before, folder, digests.of(folder))
    assert said == []
    for change in ("same size", "renamed", "added", "removed"):
        shutil.copytree(folder, tmp_path / change)
        seen = digests.glance(tmp_path / change)
        CHANGES[change][0](tmp_path / change)
        assert digests.changed_since(seen, tmp_path / change, digests.of(tmp_path / change)), change
        assert said.pop() == f"{tmp_path / change} has changed while it was read; the next run reads it again"
    nothing = digests.glance(tmp_path / "nowhere")
    assert not digests.changed_since(nothing, tmp_path / "nowhere", None)


def test_a_line_is_said_before_much_is_read_and_none_before_what_is_known(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hcskit.digests._TICK", 0)
    monkeypatch.setattr("hcskit.digests._LARGE", 5)
    said: list[str] = []
    digests, other = Digests(tmp_path / "cache", said.append), Digests(tmp_path / "cache", said.append)
    digests.of(folder)
    digests.of(folder)
    assert said == [f"reading 0 GB in {folder}, to know it again"]
    digests.save()
    other.reload()  # another process has read it
    other.of(folder)
    assert len(said) == 1
