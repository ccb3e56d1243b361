"""The binding of a rank: what it may run on, and with how many threads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hcskit.cluster import ClusterConfig, open_cluster, run_gang, wait_for_workers
from hcskit.cluster.ranks._binding import CpuBinding, bind_rank, core_shares, on_cpus, variables
from hcskit.cluster.ranks._cores import physical_cores, share_cores
from hcskit.recipe import Recipe

LOOK = "import os; print(sorted(os.sched_getaffinity(0)))"


@pytest.fixture
def two_nodes(tmp_path: Path) -> Path:
    """A machine of two times two cores."""
    for node in range(2):
        (tmp_path / "node" / f"node{node}").mkdir(parents=True)
        (tmp_path / "node" / f"node{node}" / "cpulist").write_text(f"{2 * node}-{2 * node + 1}\n")
    return tmp_path


def test_ranks_of_a_worker_sit_apart(two_nodes: Path) -> None:
    bindings = [bind_rank((number, 2), (2, 4), range(4), two_nodes) for number in range(2)]
    assert [(binding.cpus, binding.threads) for binding in bindings] == [({0, 1}, 2), ({2, 3}, 2)]


def test_workers_on_the_same_cores_share_them(two_nodes: Path) -> None:
    numbered = core_shares({"a": "here", "b": "there", "c": "here"}, 2)
    assert numbered == {"a": [(0, 4), (1, 4)], "b": [(0, 2), (1, 2)], "c": [(2, 4), (3, 4)]}
    bindings = [bind_rank(share, (2, 2), range(4), two_nodes) for share in (*numbered["a"], *numbered["c"])]
    assert [binding.cpus for binding in bindings] == [{0}, {1}, {2}, {3}]


@pytest.mark.parametrize(
    ("workers", "asked", "cpus", "threads"),
    [
        (1, 4, {0, 1, 2, 3}, 4),
        (1, 3, {0, 1, 2, 3}, 3),  # which three, nobody says
        (2, 1, {0, 1, 2, 3}, 1),
        (2, 2, {0, 1}, 2),
        (3, 1, {0}, 1),  # 4 cores cannot be shared out among 3 workers without one left over
    ],
)
def test_a_rank_is_held_to_cpus_where_its_workers_have_them_all(
    two_nodes: Path, workers: int, asked: int, cpus: set[int], threads: int
) -> None:
    binding = bind_rank((0, workers), (1, asked), range(4), two_nodes)
    assert (binding.cpus, binding.threads) == (cpus, threads)


def test_threads_are_the_files_and_branches_the_networks() -> None:
    def ask(recipe: dict[str, object], **cluster: int) -> dict[str, str]:
        asked = variables(Recipe.model_validate(recipe), ClusterConfig(**cluster))
        assert asked["HOROVOD_CYCLE_TIME"] == "1.0"
        return {name: value for name, value in asked.items() if not name.startswith("HOROVOD_")}

    assert ask({}) == {"TF_NUM_INTEROP_THREADS": "7"}
    assert ask({"data": {"crop": 32}}) == {"TF_NUM_INTEROP_THREADS": "4"}
    assert ask({"data": {"crop": None}}) == {"TF_NUM_INTEROP_THREADS": "7"}
    asked = ask({"model": {"scales": 3}}, threads_per_rank=5)
    assert CpuBinding(frozenset({0}), 8).environment(asked) == {
        "OMP_NUM_THREADS": "5",
        "OPENBLAS_NUM_THREADS": "5",
        "MKL_NUM_THREADS": "5",
        "TF_NUM_INTRAOP_THREADS": "5",
        "TF_NUM_INTEROP_THREADS": "3",
    }
    few = CpuBinding(frozenset({0, 1}), 2).environment(ask({}))
    assert (few["TF_NUM_INTRAOP_THREADS"], few["TF_NUM_INTEROP_THREADS"]) == ("2", "2")


def test_a_process_is_held_to_its_cpus_and_its_starter_is_not() -> None:
    before = os.sched_getaffinity(0)
    one = min(before)
    with on_cpus({one}):
        looked = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert looked.stdout == f"[{one}]\n"
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize(("permitted", "nodes", "used"), [(True, 2, True), (False, 2, False), (True, 1, False)])
def test_numactl_is_used_where_it_may_and_there_is_a_choice(
    two_nodes: Path, monkeypatch: pytest.MonkeyPatch, permitted: bool, nodes: int, used: bool
) -> None:
    # Stands for numactl, which a container may forbid to do anything.
    program = two_nodes / "bin" / "numactl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$1" = --localalloc ] && {str(permitted).lower()} && shift && exec "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    if nodes == 1:
        shutil.rmtree(two_nodes / "node" / "node1")
    prefix = bind_rank((0, 1), (1, 4), range(4), two_nodes).prefix
    assert prefix == ((str(program), "--localalloc") if used else ())


@pytest.mark.slow
def test_tensorflow_has_as_many_threads_as_it_is_told() -> None:
    count = """
import collections, pathlib
import numpy
def threads(): return collections.Counter((t / "comm").read_text() for t in pathlib.Path("/proc/self/task").iterdir())
before = threads()
from hcskit.models.backend import keras
after = threads() - before
print(after["tf_Compute\\n"], after[pathlib.Path("/proc/self/comm").read_text()])
"""
    asked = {"OMP_NUM_THREADS": "5", "TF_NUM_INTEROP_THREADS": "3"}
    settings = os.environ | CpuBinding(frozenset({0}), 1).environment(asked)
    counted = subprocess.run([sys.executable, "-c", count], env=settings, capture_output=True, text=True, check=True)
    assert counted.stdout.split() == ["3", "5"]


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "ranks_per_worker"), [(1, 2), (2, 1)])
def test_ranks_and_all_their_threads_keep_to_their_own_cores(
    tmp_path: Path, workers: int, ranks_per_worker: int
) -> None:
    config = ClusterConfig(workers=workers, ranks_per_worker=ranks_per_worker)
    here = physical_cores(os.sched_getaffinity(0))
    with open_cluster(config) as cluster:
        run_gang(
            cluster.client,
            "in_rank:look",
            {"out": str(tmp_path)},
            addresses=wait_for_workers(cluster.client, workers, 60.0),
            ranks_per_worker=ranks_per_worker,
            logs=tmp_path,
            environment={"PYTHONPATH": str(Path(__file__).parent), **variables(Recipe(), config)},
        )
    seen = [json.loads((tmp_path / f"seen-{rank}.json").read_text()) for rank in range(2)]
    for rank, cores in zip(seen, share_cores(here, 2), strict=True):
        assert rank["cpus"] == rank["of_threads"] == sorted(cpu for core in cores for cpu in core.cpus)
        assert rank["intra_op"] == len(cores)
        assert rank["inter_op"] == min(7, len(cores))


@pytest.mark.skipif(shutil.which("numactl") is None, reason="numactl is not installed")
def test_the_real_numactl_starts_a_process_that_keeps_its_cpus(two_nodes: Path) -> None:
    binding = bind_rank((0, 1), (1, 4), range(4), two_nodes)
    if not binding.prefix:
        pytest.skip("numactl may do nothing here")
    one = min(os.sched_getaffinity(0))
    with on_cpus({one}):
        command = [*binding.prefix, sys.executable, "-c", LOOK]
        looked = subprocess.run(command, capture_output=True, text=True, check=True)
    assert looked.stdout == f"[{one}]\n"
