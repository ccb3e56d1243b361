"""Training in workers of Dask on this machine: the same network, and what becomes of it when something dies."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import dask
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from distributed.comm import CommClosedError, connect
from distributed.security import Security
from PIL import Image

from hcskit.actions import train
from hcskit.cluster import Cluster, ClusterConfig, open_cluster, run_gang, wait_for_workers
from hcskit.cluster._checks import check_workers
from hcskit.cluster._workers import workers_there
from hcskit.errors import InputError, RunError, StoreError
from hcskit.locks import locked
from hcskit.recipe import Recipe

Until = Callable[..., None]
Check = Callable[..., None]
#: Other numbers of ranks round otherwise, and where an activation crosses zero a small network makes more of it.
ROUNDED = 0.05


@pytest.fixture(scope="module")
def undisturbed(screen: Path, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The history of one process."""
    return train(screen, recipe, tmp_path_factory.mktemp("undisturbed"), progress=False).history


def assert_refused(address: str, log: Path, until: Until) -> None:
    """With another cluster's certificate, without any, or unencrypted; whoever asks trusts the scheduler blindly."""

    async def ask(address: str, **arguments: Any) -> None:
        await (await connect(address, timeout=10, **arguments)).close()

    other, none = Security.temporary().get_connection_args("client")["ssl_context"], ssl.create_default_context()
    for context in (other, none):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with pytest.raises(CommClosedError):
            asyncio.run(ask(address, ssl_context=context))
    with pytest.raises(CommClosedError):
        asyncio.run(ask(address.replace("tls", "tcp")))
    reasons = ("CERTIFICATE_VERIFY_FAILED", "PEER_DID_NOT_RETURN_A_CERTIFICATE", "WRONG_VERSION_NUMBER")
    until(lambda: all(reason in log.read_text() for reason in reasons))


@pytest.mark.slow
def test_a_training_goes_on_when_a_worker_comes_late_or_is_lost(
    training: Any, assert_undisturbed: Check, until: Until
) -> None:
    with open_cluster(ClusterConfig(workers=1, cores=1)) as small:
        training.start(Cluster(small.client, ClusterConfig(workers=2, begin_with=1, begin_after=0)))
        alone = training.freeze(until)
        small.client.cluster.scale(2)
        until(lambda: len(small.client.nthreads()) == 2)
        for rank in training.ranks():
            rank.resume()
        until(lambda: "training with 2 ranks on 2 workers" in training.said, 300)
        done = training.freeze(until, after=training.epochs + 1)
        rank = training.ranks()[0]
        rank.parent().kill()  # the worker; its nanny starts another one
        rank.resume()  # it can only end itself when it is awake
        assert_undisturbed(training.result(), ROUNDED)
    late, told = (line for line in training.said if "resuming" in line)
    assert re.fullmatch(r"more workers are there; resuming after epoch \d+", late)
    assert alone < int(late.rpartition(" ")[2]) < done
    assert told.endswith(f"was lost during training; resuming after epoch {done}")
    assert Path(told.partition("(output in ")[2].partition(")")[0]).exists()
    one, two = "training with 1 rank on 1 worker", "training with 2 ranks on 2 workers"
    assert training.said == [one, late, two, told, two]  # and no rank's traceback
    assert not training.ranks()


@pytest.mark.slow
def test_a_frozen_rank_is_replaced_and_a_killed_one_ends_all(
    training: Any, assert_undisturbed: Check, until: Until
) -> None:
    training.start(ClusterConfig(ranks_per_worker=2, rank_timeout=20))
    done = training.freeze(until)
    frozen, other = training.ranks()
    number = frozen.environ()["HOROVOD_RANK"]
    other.resume()
    started = "training with 2 ranks on 1 worker"
    until(lambda: training.said[-1] == started and len(training.said) > 1)
    assert [line for line in training.said if not line.startswith("[")] == [  # Horovod's own words
        started,
        f"rank {number} on {os.uname().nodename} (its output is in {training.out}/logs/rank-{number}.log) "
        f"showed no sign of life for 20 s; resuming after epoch {done}",
        started,
    ]
    assert not frozen.is_running()

    done = training.freeze(until, after=done + 1)
    training.ranks()[1].kill()
    with pytest.raises(RunError, match=r"rank \d on .* \(its output is in .*rank-\d\.log\) ended with signal SIGKILL"):
        training.result()
    assert not training.ranks()
    assert training.epochs == done
    # What was done is kept, and another number of ranks goes on with it.
    again = train(training.screen, training.recipe, training.out, progress=False)
    assert_undisturbed(again.history, ROUNDED)


@pytest.mark.slow
def test_what_a_rank_raises_reaches_the_user(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An image that is found to be unusable only when it is read."""
    for name, width in [("dark/1", 64), ("dark/2", 64), ("bright/1", 64), ("bright/2", 63)]:
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (width, 64)).save(tmp_path / "images" / f"{name}.png")
    recipe = Recipe.model_validate({"data": {"crop": 32}, "model": {"features": 8}, "optimiser": {"batch": 4}})
    with pytest.raises(InputError, match=r"2\.png is 64×63×1 uint8") as caught:
        train(tmp_path / "images", recipe, tmp_path / "model", cluster=ClusterConfig(), progress=False)
    assert any("rank" in note and "rank-" in note for note in caught.value.__notes__)
    said = capfd.readouterr()  # no traceback and none of Dask's words: it is the user who can mend it
    assert "Traceback" not in said.out + said.err
    assert "Compute Failed" not in said.out + said.err


@pytest.mark.slow
def test_a_rank_that_raises_much_does_not_hang(tmp_path: Path) -> None:
    said: list[str] = []
    with open_cluster() as cluster, pytest.raises(RuntimeError, match=r"^ValueError: x{1000,}") as caught:
        run_gang(
            cluster.client,
            "in_rank:fail_at_length",
            {},
            addresses=wait_for_workers(cluster.client, 1, 60.0),
            ranks_per_worker=1,
            logs=tmp_path,
            environment={"PYTHONPATH": str(Path(__file__).parent / "ranks")},
            say=said.append,
        )
    assert f"its output is in {tmp_path}/rank-0.log" in caught.value.__notes__[0]
    log = (tmp_path / "rank-0.log").read_text()
    assert log.startswith("Traceback")
    assert "x" * 1_000_000 in log
    assert not said  # the traceback is in the file alone


@pytest.mark.slow
def test_a_folder_is_trained_in_once_at_a_time(screen: Path, recipe: Recipe, tmp_path: Path) -> None:
    for cluster in (None, ClusterConfig()):
        with locked(tmp_path), pytest.raises(StoreError, match="is being written by process"):
            train(screen, recipe, tmp_path, cluster=cluster, progress=False)


@pytest.mark.slow
def test_ranks_that_would_not_fit_into_memory_are_refused_at_once(screen: Path, tmp_path: Path) -> None:
    config = ClusterConfig(kind="slurm", cores=2, memory="1GB", walltime="1:00", ranks_per_worker=2)
    with pytest.raises(InputError, match="run 1 ranks a worker"):
        train(screen, Recipe.model_validate({"data": {"crop": 32}, "model": {"features": 8}}), tmp_path, cluster=config)


ENDLESS = {
    "model": {"features": 64, "hidden": 64},
    "optimiser": {"epochs": 10**6, "batch": 8},
    "run": {"keep": 10**6},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sections", "ranks", "told"),
    [
        ({"split": {"by": "compound"}}, 1, r"class 'positive_control' has only one compound \(translocation control\)"),
        ({"data": {"crop": 128}}, 1, "crop of 128 pixels is larger than the image, 64×64"),
        ({"data": {"crop": 32, "channels": ["ER"]}}, 1, "the images have no channel ER; they have DNA, GFP"),
        ({}, 5, r"a batch of 8 crops .* cannot be shared by 10 ranks"),
        (ENDLESS, 1, r"model has room for .*B, and the training writes up to .* TiB there"),
    ],
)
def test_what_is_known_before_is_told_before_a_job_is_submitted(
    screen: Path, recipe: Recipe, sections: dict[str, Any], ranks: int, told: str, tmp_path: Path
) -> None:
    job = {"cores": 8, "memory": "64GB", "walltime": "1:00", "interface": "lo", "queue": "nowhere"}
    config = ClusterConfig(kind="slurm", workers=2, ranks_per_worker=ranks, **job)
    how = Recipe.model_validate(recipe.model_dump() | sections)
    with pytest.raises(InputError, match=told):
        train(screen, how, tmp_path / "model", cluster=config, progress=False)


def test_a_folder_that_cannot_be_written_is_named(screen: Path, recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for cluster in (None, ClusterConfig()):
        with pytest.raises(StoreError, match=r"file/model could not be written: Not a directory"):
            train(screen, recipe, tmp_path / "file" / "model", cluster=cluster, progress=False)


@pytest.mark.slow
def test_a_cluster_refuses_strangers_and_other_versions(
    listening: Callable[[], set[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    until: Until,
) -> None:
    logs, tmp_path = tmp_path / "logs", tmp_path / "model"
    tmp_path.mkdir()
    others = listening()  # of this process, by tests before this one
    with open_cluster(ClusterConfig(), logs) as cluster:
        client = cluster.client
        address = client.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        assert_refused(address, logs / "dask.log", until)
        assert "CERTIFICATE" not in capfd.readouterr().err
        assert listening() - others == {"127.0.0.1"} - others
        assert set().union(*client.run(listening).values()) == {"127.0.0.1"}

        workers = wait_for_workers(client, 1, 60)
        check_workers(client, workers, tmp_path)
        assert not list(tmp_path.iterdir())
        other = tmp_path / "numpy-0.1.dist-info"
        other.mkdir()
        (other / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 0.1\n")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(InputError, match=rf"the worker {workers[0]} has numpy [\d.]+ \(here 0\.1\)"):
            check_workers(client, workers, tmp_path)


def pages(port: int, *paths: str) -> list[int]:
    """Ask for pages as another user of this machine can; return the status of each answer."""
    found = []
    for path in paths:
        try:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                found.append(answer.status)
        except HTTPError as error:
            found.append(error.code)
    return found


@pytest.mark.slow
def test_pages_of_a_cluster_open_for_who_knows_their_address_alone() -> None:
    known = ("/", "/status", "/sitemap.json", "/info/main/workers.html", "/metrics", "/health")
    said: list[str] = []
    with open_cluster(ClusterConfig(cores=1, dashboard=True), say=said.append) as cluster:
        link, port = cluster.client.dashboard_link, cluster.client.cluster.scheduler.http_server.port
        assert said[0].startswith(f"dashboard: {link} (from another machine, after: ssh -L {port}:127.0.0.1:{port} ")
        assert pages(port, link.partition(str(port))[2]) == [200]
        assert pages(port, *known) == [404] * len(known)
    with open_cluster(ClusterConfig(cores=1), say=said.append) as cluster:
        assert cluster.client.dashboard_link == ""
        assert pages(cluster.client.cluster.scheduler.http_server.port, *known) == [404] * len(known)
        (worker,) = cluster.client.run(lambda dask_worker: dask_worker.http_server.port).values()
        assert pages(worker, "/status", "/metrics", "/health") == [404] * 3
    assert len(said) == 1


@pytest.mark.slow
def test_a_worker_that_is_there_is_not_taken_for_lost() -> None:
    """However often Dask's client asks the scheduler itself, for no worker at all."""
    with (
        dask.config.set({"distributed.client.scheduler-info-interval": "1ms"}),
        open_cluster(ClusterConfig(workers=1, cores=1)) as cluster,
    ):
        client = cluster.client
        addresses = wait_for_workers(client, 1, 120)
        assert all(list(workers_there(client)) == addresses for _ in range(300))
        # Nor is a question that was not answered once.
        ask, failures = client.scheduler.identity, [OSError("the connection was closed")]

        async def identity(**how: Any) -> Any:
            if failures:
                raise failures.pop()
            return await ask(**how)

        client.scheduler.identity = identity
        assert list(workers_there(client)) == addresses


@pytest.mark.slow
def test_workers_that_do_not_come_are_missed_in_time() -> None:
    with open_cluster() as cluster, pytest.raises(RunError, match="1 of 2 workers were there after 2 s"):
        wait_for_workers(cluster.client, 2, 2.0)


def test_workers_that_come_and_go_are_not_replaced_without_end() -> None:
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=None, threads_per_worker=1) as local,
        Client(local) as client,
        ThreadPoolExecutor() as pool,
    ):
        waiting = pool.submit(wait_for_workers, client, 2, 300.0)
        while not waiting.done():
            local.scale(1)
            time.sleep(0.5)
            local.scale(0)
            time.sleep(0.5)
        with pytest.raises(RunError, match="7 workers have come and gone before 2 were there at a time"):
            waiting.result()


def test_a_scheduler_that_does_not_answer_is_named() -> None:
    config = ClusterConfig(kind="address", address="tcp://127.0.0.1:9", start_timeout=1)
    with pytest.raises(InputError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"), open_cluster(config):
        pass
