"""The same on a real Slurm of four virtual nodes: what its jobs are, and what becomes of a training that loses some."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import pandas as pd
import pytest
import yaml

from hcskit.actions import cross_validate, predict, train
from hcskit.cluster import ClusterConfig, open_cluster, wait_for_workers
from hcskit.cluster._checks import check_workers
from hcskit.cluster._workers import workers_there
from hcskit.data import label_fields
from hcskit.errors import InputError, RunError
from hcskit.recipe import Recipe
from hcskit.store import open_plates

pytestmark = [pytest.mark.slurm, pytest.mark.slow]
SCRIPT = Path(__file__).with_name("slurm.sh")
PACKAGES = {
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
    "munged": "munge",
    "ip": "iproute2",
    **({} if os.getuid() == 0 else {"sudo": "sudo"}),  # for the network of the nodes
}
SUBNET = f"198.18.{os.getpid() % 256}"  # another test run may have a Slurm of its own
PLACE = {
    "kind": "slurm",
    "workers": 2,
    "cores": 2,
    "memory": "3GB",
    "walltime": "01:00:00",
    "interface": f"{SUBNET}.0/24",  # called otherwise on each node, and not the first
}
GREEDY = f"{sys.executable} -c 'import time; held = bytes(4 * 10**8).replace(bytes(1), bytes([1])); time.sleep(60)'"
Until = Callable[..., None]
Check = Callable[..., None]
#: Other numbers of ranks round otherwise, and where an activation crosses zero a small network makes more of it.
ROUNDED = 0.05


@dataclass(frozen=True)
class Slurm:
    """The cluster, in a folder."""

    prefix: Path

    def __call__(self, *command: str) -> None:
        environment = os.environ | {"SLURM_PREFIX": str(self.prefix), "SUBNET": SUBNET}
        with (self.prefix / "output").open("ab") as output:  # not a pipe: the nodes would hold it open
            subprocess.run([SCRIPT, *command], env=environment, check=True, timeout=120, stdout=output, stderr=output)

    def jobs(self, states: str = "all") -> dict[str, str]:
        """Each job's node, empty while it waits."""
        command = ["squeue", "-h", "-t", states, "-o", "%i %N"] if states != "all" else ["squeue", "-h", "-o", "%i %N"]
        lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.splitlines()
        return {line.split(" ")[0]: line.split(" ")[1] for line in lines}


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    missing = [package for command, package in PACKAGES.items() if shutil.which(command, path=path) is None]
    if missing:
        told = f"a real Slurm needs the packages {' '.join(missing)}"
        (pytest.fail if "HCSKIT_TEST_ALL" in os.environ else pytest.skip)(told)
    with (
        tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        slurm = Slurm(Path(folder))
        slurm.prefix.chmod(0o755)  # munge wants its socket where all can reach it; pytest's folders are the user's own
        patch.setenv("SLURM_CONF", str(slurm.prefix / "etc" / "slurm.conf"))
        try:
            slurm("up")
            yield slurm
        finally:
            slurm("down")


@pytest.fixture(scope="module")
def undisturbed(screen: Path, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The history of two ranks."""
    out = tmp_path_factory.mktemp("undisturbed")
    return train(screen, recipe, out, cluster=ClusterConfig(ranks_per_worker=2), progress=False).history


@pytest.fixture(autouse=True)
def _nothing_left(slurm: Slurm) -> Iterator[None]:
    """Cancel what a test that failed has left: it would keep the nodes from the next one."""
    yield
    subprocess.run(["scancel", f"--user={os.getuid()}"], check=True)


def place(folder: Path, **options: Any) -> ClusterConfig:
    return ClusterConfig.model_validate({**PLACE, "local_directory": folder / "scratch", **options})


def test_one_job_of_two_nodes_outlives_its_driver_and_a_worker(
    slurm: Slurm, training: Any, assert_undisturbed: Check, tmp_path: Path, until: Until
) -> None:
    recipe, cluster, out = tmp_path / "recipe.yaml", tmp_path / "cluster.yaml", training.out
    training.recipe.to_yaml(recipe)
    cluster.write_text(yaml.safe_dump({**PLACE, "placement": "one_job"}))
    command = [sys.executable, "-c", "from hcskit.cli import main; main(prog_name='hcskit')", "train", recipe]
    command += ["--data", training.screen, "--out", out, "--cluster", cluster]
    driver = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    done = training.freeze(until)
    driver.kill()
    driver.wait()
    logs = out / "logs"
    until(lambda: not slurm.jobs() and not training.ranks() and not list(logs.glob(".certificates-*")))
    assert training.epochs == done

    training.start(place(out, placement="one_job"))
    done = training.freeze(until, after=done + 1)
    (job,) = slurm.jobs()
    shown = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True).stdout
    for asked in ("NumNodes=2 ", "NumCPUs=4 ", "TimeLimit=01:00:00", "Requeue=0", "MinMemoryNode=3G"):
        assert asked in shown
    training.ranks()[-1].parent().parent().kill()  # the nanny of its worker, or that would be started anew
    assert_undisturbed(training.result(), ROUNDED)
    told = [line for line in training.said if line.startswith("training") or "lost" in line]
    assert told[0::2] == ["training with 2 ranks on 2 workers"] * 2
    assert told[1].endswith(f"lost during training; resuming after epoch {done}")
    assert {path.name for path in logs.glob("rank-*")} == {"rank-0.log", "rank-1.log"}
    until(lambda: not slurm.jobs() and not training.ranks())
    assert not list(logs.glob(".certificates-*"))
    jobs = {path.stem.rpartition("-")[2] for path in logs.glob("hcskit-*.out")}
    assert len(jobs) == 3, "one of the first driver; all workers of the second are replaced together"


def test_a_training_goes_on_whenever_it_loses_a_node(
    slurm: Slurm, training: Any, assert_undisturbed: Check, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its job is cancelled, or its power fails and nothing says so: half a minute by default."""
    monkeypatch.setitem(dask.config.get("distributed.comm.timeouts"), "tcp", "12s")
    training.start(place(training.out))
    losses, down = [], []
    for event in ("scancel", "off"):
        losses.append(training.freeze(until, after=losses[-1] + 2 if losses else 2))
        # A node that is down may still be listed with its job.
        jobs = {int(job): node for job, node in slurm.jobs("running").items() if node not in down}
        job, node = min(jobs.items())
        if event == "scancel":
            subprocess.run(["scancel", str(job)], check=True)
        else:
            slurm("off", node)
            down.append(node)
    try:
        assert_undisturbed(training.result())
    finally:
        slurm("start", *down)
    told = [
        line.rpartition("lost during training; resuming after epoch ")[2] for line in training.said if "lost" in line
    ]
    assert told == [str(done) for done in losses]
    started = [line for line in training.said if line.startswith("training with")]
    assert started == ["training with 2 ranks on 2 workers"] * 3
    until(lambda: not slurm.jobs() and not training.ranks())


def test_folds_and_predictions_outlive_a_node(
    slurm: Slurm, screen: Path, recipe: Recipe, tmp_path: Path, until: Until
) -> None:
    def lose_one(work: Callable[[], Any], begun: Callable[[], object]) -> Any:
        with ThreadPoolExecutor() as pool:
            result = pool.submit(work)
            until(begun, 240)
            subprocess.run(["scancel", next(iter(slurm.jobs()))], check=True)
            return result.result(400)

    folds, said = tmp_path / "folds", []
    with open_cluster(place(tmp_path), tmp_path) as cluster:
        wait_for_workers(cluster.client, 2, 240)
        options = {"cluster": cluster, "say": said.append}
        found = lose_one(
            lambda: cross_validate(screen, recipe, folds, 2, **options),
            lambda: len(list(folds.glob("fold-*/history.csv"))) == 2,
        )
        fields = label_fields(open_plates(screen), recipe.data)
        assert any("resumes elsewhere" in line for line in said)
        assert len(found.predictions) == len(fields) * fields["label"].nunique()
        assert found.predictions.groupby(["plate", "well"])["fold"].nunique().eq(1).all()
        assert found.history.groupby("fold")["epoch"].apply(list).tolist() == [list(range(1, 13))] * 2
        again = cross_validate(screen, recipe, folds, 2, **options)
        assert said[-1] == "2 folds by well, 2 of them done"
        pd.testing.assert_frame_equal(again.predictions, found.predictions)

        model = folds / "fold-0"
        there = lose_one(
            lambda: predict(screen, model, cluster=cluster, progress=False),
            lambda: any(cluster.client.processing().values()),
        )
    here = predict(screen, model, progress=False)
    pd.testing.assert_frame_equal(there.fields, here.fields, rtol=1e-5)


def test_a_killed_driver_leaves_no_waiting_job(slurm: Slurm, tmp_path: Path, until: Until) -> None:
    cluster = tmp_path / "cluster.yaml"
    cluster.write_text(yaml.safe_dump({**PLACE, "workers": 5}))  # of four nodes
    code = f"""
import time
from hcskit.cluster import ClusterConfig, open_cluster
with open_cluster(ClusterConfig.from_yaml({str(cluster)!r}), {str(tmp_path)!r}):
    time.sleep(600)
"""
    driver = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    until(lambda: len(slurm.jobs("running")) == 4 and len(slurm.jobs("pending")) == 1)
    driver.kill()
    driver.wait()
    until(lambda: not slurm.jobs())


def test_what_keeps_a_training_from_starting_is_said(
    slurm: Slurm, screen: Path, recipe: Recipe, listening: Callable[[], set[str]], tmp_path: Path, until: Until
) -> None:
    config = place(tmp_path, queue="nowhere")
    with pytest.raises(InputError, match=r"Slurm refuses the job: .*invalid partition specified: nowhere"):
        train(screen, recipe, tmp_path / "model", cluster=config, progress=False)
    with open_cluster(place(tmp_path), tmp_path) as cluster:
        client = cluster.client
        workers = wait_for_workers(client, 2, 120)
        assert client.scheduler.address.startswith("tls://")
        for address, found in client.run(listening).items():
            assert address.startswith(f"tls://{SUBNET}.")
            assert found == {address.rpartition("/")[2].partition(":")[0], "127.0.0.1"}
        check_workers(client, workers, tmp_path)
        with pytest.raises(InputError, match=r"2 of 2 workers .* do not see .*private"):
            check_workers(client, workers, slurm.prefix / "private")
        with pytest.raises(RunError, match="2 of 3 workers were there after 2 s"):
            wait_for_workers(client, 3, 2.0)
    until(lambda: not slurm.jobs())


def test_a_run_waits_as_long_as_its_jobs_wait(
    slurm: Slurm, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three of four nodes are busy, and the user reads times as Slurm's "relative" ones."""
    monkeypatch.setenv("SLURM_TIME_FORMAT", "relative")
    until(lambda: not slurm.jobs())
    busy = ["sbatch", "--cpus-per-task=2", "--output=/dev/null", "--wrap=sleep 600"]
    for _ in range(3):
        subprocess.run(busy, check=True, capture_output=True)
    first = min(slurm.jobs(), key=int)
    said: list[str] = []
    with ThreadPoolExecutor() as pool, open_cluster(place(tmp_path), tmp_path, say=said.append) as cluster:
        timeout, begun = 5.0, time.monotonic()
        waiting = pool.submit(wait_for_workers, cluster.client, 2, timeout)
        until(lambda: len(workers_there(cluster.client)) == 1 and any("expected" in line for line in said))
        until(lambda: time.monotonic() > begun + timeout + 1)
        waits = max(slurm.jobs("pending"), key=int)
        assert not waiting.done()
        subprocess.run(["scancel", first], check=True)
        assert len(waiting.result(120)) == 2
    assert any(
        re.search(rf"job {waits} PENDING \(\w+\), expected to start at 20\d\d-\d\d-\d\d \d\d:\d\d$", x) for x in said
    )
    assert len(said) == len(set(said))

    # The other two are busy still.
    for options, why in (
        ({"workers": 3, "queue_timeout": 2}, r"of 3 .*: job \d+ has waited for 2 s \(queue_timeout\) and is PENDING"),
        ({"job_extra": [f"--dependency=afterok:{first}"]}, r"0 of 2 .*: job \d+ is PENDING \(DependencyNeverSatis"),
        ({"prologue": ["echo no such module >&2", "exit 3"]}, r"job \d+ is FAILED \(NonZeroExitCode\); \S+\.err ends "),
        ({"prologue": [GREEDY], "memory": "200MB"}, r"job \d+ is FAILED \(.*exceeded memory limit"),
        (
            {"interface": "192.0.2.0/24", "driver_interface": f"{SUBNET}.0/24"},
            rf"job \d+ is FAILED \(NonZeroExitCode\); \S+\.err ends with: .*'192\.0\.2\.0/24' is no interface of "
            rf"node\d .*; there are fast\d \({SUBNET}\.\d\), lo \(127\.0\.0\.1\), net0 \(203",
        ),
        ({"prologue": ["sleep 60"], "start_timeout": 2}, r"job \d+ has run for 2 s \(start_timeout\) and its worker"),
    ):
        config = place(tmp_path, **{"workers": 2, **options})
        with open_cluster(config, tmp_path, say=said.append) as cluster, pytest.raises(RunError, match=why):
            wait_for_workers(cluster.client, config.workers, 60.0)
    subprocess.run(["scancel", "--state=running", f"--user={os.getuid()}"], check=True)
    until(lambda: not slurm.jobs())


def test_a_node_that_does_not_see_the_folder_is_named(slurm: Slurm, tmp_path: Path, until: Until) -> None:
    until(lambda: not slurm.jobs())
    logs = tmp_path / "logs"
    logs.mkdir()
    for number in range(1, 5):
        slurm("hide", str(logs), f"node{number}")
    with (
        open_cluster(place(tmp_path), logs) as cluster,
        pytest.raises(RunError, match=r"job \d+ is .*; it has written nothing into .*logs: do the nodes see it"),
    ):
        wait_for_workers(cluster.client, 2, 60)


def test_a_refused_submission_is_told_and_tried_again(
    slurm: Slurm, tmp_path: Path, until: Until, capfd: pytest.CaptureFixture[str]
) -> None:
    """With a limit on the jobs of a user, whose other jobs end in time."""
    until(lambda: not slurm.jobs())
    limit, said = slurm.prefix / "limit", list[str]()
    limit.write_text("1")
    try:
        with open_cluster(place(tmp_path, start_timeout=62), tmp_path / "logs", say=said.append) as cluster:
            until(lambda: any("refuses" in line for line in said))
            limit.write_text("2")
            assert len(wait_for_workers(cluster.client, 2, 60)) == 2
    finally:
        limit.unlink()
    assert re.fullmatch(
        r"Slurm refuses a further job: .*Job violates accounting/QOS policy \(job submit limit.*\); "
        r"accepted so far: 1; trying again in 2 s \(1 of 5\)",
        next(line for line in said if "refuses" in line),
    )
    shown = capfd.readouterr()
    assert "Traceback" not in shown.out + shown.err
    assert "Error" not in shown.out + shown.err
    until(lambda: not slurm.jobs())


def test_a_batch_system_that_takes_no_job_ends_the_wait(
    slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "bin" / "sbatch"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\ncase \"$*\" in *--test-only*) ;; *) echo 'sbatch: error: no' >&2; exit 1 ;; esac\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=os.pathsep)
    with (
        open_cluster(place(tmp_path), tmp_path) as cluster,
        pytest.raises(InputError, match=r"^Slurm refuses the job: sbatch: error: no$"),
    ):
        wait_for_workers(cluster.client, 2, 60)
