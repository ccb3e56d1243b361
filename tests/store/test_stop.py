"""Imports that are stopped lose nothing and resume: real processes, signals and full disks; see also tests/faults."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hcskit.actions import import_plates
from hcskit.digests import CACHE
from hcskit.errors import StoreError
from hcskit.readers import read_folder
from hcskit.store import open_plate, open_screen

WELLS = [f"{row}{column:02d}" for row in "ABCDEFGH" for column in range(1, 13)]
SCRIPT = """
import sys
from hcskit.platemap import read_plate_map
from hcskit.readers import read_folder
from hcskit.actions import import_plates
import_plates(read_folder(sys.argv[1]), sys.argv[2], read_plate_map(sys.argv[3]), progress=False)
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory, export, treated) -> Path:
    """An export of 96 wells full of noise, its plate map, and its undisturbed import."""
    folder = tmp_path_factory.mktemp("source")
    rng = np.random.default_rng(0)
    images = {(well, 1, "DNA"): rng.integers(0, 65536, (64, 64)).astype(np.uint16) for well in WELLS}
    export(folder / "images", images)
    treated(WELLS).to_csv(folder / "map.csv")
    import_plates(read_folder(folder / "images"), folder / "undisturbed", treated(WELLS), progress=False)
    return folder


def start(source: Path, screen: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(source / "images"), str(screen), str(source / "map.csv")]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wells(screen: Path) -> int:
    return len(list(screen.glob("P1.zarr/[A-H]/*/zarr.json")))


def wait_for(screen: Path, number: int, process: subprocess.Popen[str]) -> None:
    """Until so many wells are there, and a random moment longer."""
    while wells(screen) < number and process.poll() is None:
        time.sleep(0.001)
    time.sleep(np.random.default_rng().uniform(0, 0.01))


def contents(screen: Path) -> dict[str, bytes]:
    """All files but hidden ones, such as the lock."""
    files = [path for path in screen.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {str(path.relative_to(screen)): path.read_bytes() for path in files}


def assert_undisturbed(screen: Path, source: Path) -> None:
    assert contents(screen) == contents(source / "undisturbed")
    hidden = {path.name for path in screen.rglob(".*")}
    assert hidden - {CACHE} == {".P1.zarr.lock", ".P1.zarr.writers"}


def finish(source: Path, screen: Path, table: pd.DataFrame) -> None:
    import_plates(read_folder(source / "images"), screen, table, progress=False)
    assert_undisturbed(screen, source)


@pytest.mark.slow
def test_ctrl_c_leaves_whole_wells_and_goes_on(tmp_path: Path, source: Path, treated) -> None:
    process = start(source, tmp_path)
    wait_for(tmp_path, 5, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in errors
    assert process.returncode == -signal.SIGINT
    assert not list(tmp_path.glob("P1.zarr/.partial-*"))
    assert 5 <= wells(tmp_path) < 96
    with pytest.raises(StoreError, match="was not finished"):
        open_screen(tmp_path)
    finish(source, tmp_path, treated(WELLS))


@pytest.mark.slow
def test_stopped_before_anything_was_written(tmp_path: Path, source: Path, treated) -> None:
    plate = tmp_path / "P1.zarr"
    (plate / ".partial-A01-4711" / "1").mkdir(parents=True)
    import_plates(read_folder(source / "images"), tmp_path, treated(WELLS), progress=False)
    assert_undisturbed(tmp_path, source)


@pytest.mark.slow
def test_an_import_that_hangs_does_not_stop_another_of_the_same_plate(tmp_path: Path, source: Path, treated) -> None:
    first = start(source, tmp_path)
    wait_for(tmp_path, 1, first)
    first.send_signal(signal.SIGSTOP)
    import_plates(read_folder(source / "images"), tmp_path, treated(WELLS), progress=False)
    assert open_plate(tmp_path / "P1.zarr").sizes["well"] == 96
    first.send_signal(signal.SIGCONT)
    _, errors = first.communicate(timeout=60)
    assert first.returncode == 0, errors
    assert_undisturbed(tmp_path, source)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte, which only root can make."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "hcskit-test", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small file system; the limit on file sizes is tested instead")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_keeps_the_whole_wells_and_goes_on_when_there_is_room(
    small_disk: Path, source: Path, treated
) -> None:
    index, table = read_folder(source / "images"), treated(WELLS)
    for _ in range(2):  # the second try changes nothing, and says the same
        with pytest.raises(StoreError, match=r"plate P1 could not be written to .*: the disk is full; the wells that"):
            import_plates(index, small_disk, table, progress=False)
        assert not list(small_disk.glob("P1.zarr/.partial-*"))
    kept = {path: path.stat().st_mtime_ns for path in small_disk.glob("P1.zarr/[A-H]/*/zarr.json")}
    assert 0 < wells(small_disk) < 96
    with pytest.raises(StoreError, match="was not finished"):
        open_plate(small_disk / "P1.zarr")
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    import_plates(index, small_disk, table, progress=False)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert_undisturbed(small_disk, source)


@pytest.mark.slow
def test_a_disk_without_room_for_the_first_file_is_no_obstacle_later(small_disk: Path, source: Path, treated) -> None:
    with pytest.raises(OSError, match="No space"):
        (small_disk / "filler").write_bytes(bytes(2**20))
    index, table = read_folder(source / "images"), treated(WELLS)
    with pytest.raises(StoreError, match="the disk is full"):
        import_plates(index, small_disk, table, progress=False)
    (small_disk / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    import_plates(index, small_disk, table, progress=False)
    assert_undisturbed(small_disk, source)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder in which nobody may write: root by a read-only mount, others by permissions."""
    folder = tmp_path / "locked"
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(0o500)
        yield folder
        folder.chmod(0o700)
        return
    command = ["mount", "-t", "tmpfs", "-o", "ro", "hcskit-test", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("root may write everywhere here, and may not mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_folder_is_a_store_error(read_only: Path, source: Path, treated) -> None:
    with pytest.raises(StoreError, match=r"plate P1 could not be written to .*(Read-only|Permission)"):
        import_plates(read_folder(source / "images"), read_only, treated(WELLS), progress=False)
    assert not list(read_only.iterdir())
