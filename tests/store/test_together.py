"""Many hands on one plate: processes that import different wells, the same wells, and workers of a Dask cluster."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from distributed import get_task_stream

from hcskit.actions import import_plates
from hcskit.cluster import Cluster, ClusterConfig, open_cluster
from hcskit.errors import InputError, ReaderError, StoreError
from hcskit.readers import read_folder
from hcskit.store import open_plate

WELLS = [f"{row}{column:02d}" for row in "ABCDEFGH" for column in range(1, 7)]
SCRIPT = """
import sys
from hcskit.readers import read_folder
from hcskit.actions import import_plates
source, own, share, same = sys.argv[1:]
for screen, wells in ((own, share.split(",")), (same, None)):
    print("ready", flush=True)
    sys.stdin.readline()
    import_plates(read_folder(source), screen, wells=wells, say=lambda _: None, progress=False)
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory, export) -> Path:
    folder = tmp_path_factory.mktemp("source")
    rng = np.random.default_rng(0)
    images = {(well, 1, "DNA"): rng.integers(0, 65536, (64, 64)).astype(np.uint16) for well in WELLS}
    export(folder / "images", images)
    import_plates(read_folder(folder / "images"), folder / "undisturbed", progress=False)
    return folder


def contents(screen: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(screen)): path.read_bytes()
        for path in screen.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.mark.slow
def test_processes_that_import_at_once_make_one_plate(tmp_path: Path, source: Path) -> None:
    own, same = tmp_path / "own", tmp_path / "same"  # of the first plate each imports its share, of the other one all
    command = [sys.executable, "-c", SCRIPT, str(source / "images"), str(own)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    shares = [",".join(WELLS[start : start + 16]) for start in (0, 16, 32)]
    processes = [subprocess.Popen([*command, share, str(same)], text=True, **pipes) for share in shares]
    for _ in (own, same):
        for process in processes:
            assert process.stdout.readline() == "ready\n", process.communicate()[1]
        for process in processes:  # all are ready: now together
            process.stdin.write("go\n")
            process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    for screen in (own, same):
        assert contents(screen) == contents(source / "undisturbed")


@pytest.mark.slow
def test_a_plate_is_complete_when_its_last_well_is_there(tmp_path: Path, source: Path) -> None:
    found = read_folder(source / "images")
    import_plates(found, tmp_path, wells=WELLS[1:], progress=False)
    with pytest.raises(StoreError, match="was not finished"):
        open_plate(tmp_path / "P1.zarr")
    with pytest.raises(InputError, match="plate P1 has no images of well H12, P24"):
        import_plates(found, tmp_path, wells=["A1", "H12", "P24"], progress=False)
    import_plates(found, tmp_path, wells=["A1"], progress=False)
    assert contents(tmp_path) == contents(source / "undisturbed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two workers, each a process."""
    with open_cluster(ClusterConfig(workers=2, cores=1)) as cluster:
        yield cluster


@pytest.mark.slow
def test_import_on_a_dask_cluster(tmp_path: Path, source: Path, cluster: Cluster) -> None:
    with get_task_stream(cluster.client) as stream:
        import_plates(source / "images", tmp_path, cluster=cluster, progress=False)
    assert {task["worker"] for task in stream.data} == set(cluster.client.scheduler_info()["workers"])
    assert contents(tmp_path) == contents(source / "undisturbed")


@pytest.mark.slow
def test_what_a_worker_finds_wrong_reaches_the_user(tmp_path: Path, export, cluster: Cluster) -> None:
    folder = export(tmp_path / "images", [(well, 1, "DNA") for well in WELLS], compression="zlib")
    bad = folder / "P1_C03_f01_DNA.tif"
    bad.write_bytes(bad.read_bytes()[:8] + bytes(40) + bad.read_bytes()[48:])
    with pytest.raises(ReaderError, match=r"P1_C03_f01_DNA\.tif"):
        import_plates(folder, tmp_path, cluster=cluster, progress=False)
