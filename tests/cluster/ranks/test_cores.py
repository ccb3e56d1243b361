"""Dividing cores among ranks, on machines that a folder describes as Linux does."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcskit.cluster.ranks._cores import Core, physical_cores, share_cores


def describe(folder: Path, sockets: int, cores: int, threads: int, nodes_per_socket: int = 1) -> Path:
    """Write what Linux says of such a machine: the second threads of all cores are counted after the first ones."""
    total = sockets * cores
    for core in range(total):
        siblings = [core + total * thread for thread in range(threads)]
        for cpu in siblings:
            topology = folder / "cpu" / f"cpu{cpu}" / "topology"
            topology.mkdir(parents=True)
            (topology / "thread_siblings_list").write_text(",".join(map(str, siblings)) + "\n")
            (topology / "physical_package_id").write_text(f"{core // cores}\n")
    size = cores // nodes_per_socket
    for node in range(sockets * nodes_per_socket):
        ranges = [(node * size + total * thread, (node + 1) * size + total * thread - 1) for thread in range(threads)]
        (folder / "node" / f"node{node}").mkdir(parents=True)
        (folder / "node" / f"node{node}" / "cpulist").write_text(",".join(f"{a}-{b}" for a, b in ranges) + "\n")
    return folder


def _cpus(shares: list[list[Core]]) -> list[list[int]]:
    return [sorted(chain.from_iterable(core.cpus for core in share)) for share in shares]


def test_two_sockets_of_four_cores_with_two_threads(tmp_path: Path) -> None:
    cores = physical_cores(range(16), describe(tmp_path, 2, 4, 2))
    assert cores[:2] == [Core(0, 0, (0, 8)), Core(0, 0, (1, 9))]
    assert [core.socket for core in cores] == [0] * 4 + [1] * 4
    assert _cpus(share_cores(cores, 1)) == [list(range(16))]
    assert _cpus(share_cores(cores, 2)) == [[0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]]
    assert _cpus(share_cores(cores, 4)) == [[0, 1, 8, 9], [2, 3, 10, 11], [4, 5, 12, 13], [6, 7, 14, 15]]
    # An even division would give 2, 3 and 3 cores, one of them on both sockets; no rank has fewer than 2 this way.
    assert _cpus(share_cores(cores, 3)) == [[0, 1, 8, 9], [2, 3, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]]


def test_a_rank_of_two_nodes_stays_on_one_socket(tmp_path: Path) -> None:
    cores = physical_cores(range(16), describe(tmp_path, 2, 8, 1, nodes_per_socket=2))
    assert {core.node for core in cores} == {0, 1, 2, 3}
    assert _cpus(share_cores(cores, 2)) == [list(range(8)), list(range(8, 16))]
    assert _cpus(share_cores(cores, 4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]]


def test_only_what_a_job_may_use_is_shared(tmp_path: Path) -> None:
    # Three cores of the first socket, one of them with one thread only, and one of the second.
    cores = physical_cores([1, 2, 3, 9, 10, 4, 12], describe(tmp_path, 2, 4, 2))
    assert [core.cpus for core in cores] == [(1, 9), (2, 10), (3,), (4, 12)]
    assert _cpus(share_cores(cores, 2)) == [[1, 2, 9, 10], [3, 4, 12]]  # both have two cores before none straddles
    assert _cpus(share_cores(cores, 4)) == [[1, 9], [2, 10], [3], [4, 12]]


def test_a_machine_that_says_nothing_is_shared_by_number(tmp_path: Path) -> None:
    cores = physical_cores([5, 2, 7], tmp_path)
    assert cores == [Core(0, 0, (2,)), Core(0, 0, (5,)), Core(0, 0, (7,))]
    assert _cpus(share_cores(cores, 2)) == [[2], [5, 7]]
    assert _cpus(share_cores(cores, 6)) == [[2], [2], [5], [5], [7], [7]]


@pytest.mark.parametrize("text", ["-1\n", "0\n"])
def test_a_virtual_machine_without_sockets_is_one(tmp_path: Path, text: str) -> None:
    describe(tmp_path, 1, 2, 1)
    for path in tmp_path.glob("cpu/*/topology/physical_package_id"):
        path.write_text(text)
    assert _cpus(share_cores(physical_cores(range(2), tmp_path), 2)) == [[0], [1]]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.data())
def test_no_rank_has_less_than_its_part_and_none_straddles_in_vain(sockets: list[int], data: st.DataObject) -> None:
    cores = [Core(socket, socket, ()) for socket, size in enumerate(sockets) for _ in range(size)]
    cores = [core._replace(cpus=(number,)) for number, core in enumerate(cores)]
    count = data.draw(st.integers(1, len(cores)))
    shares = share_cores(cores, count)
    fewest = len(cores) // count
    assert len(shares) == count
    assert min(map(len, shares)) == fewest
    used = list(chain.from_iterable(shares))
    assert used == sorted(set(used))
    if sum(size // fewest for size in sockets) >= count:
        assert all(len({core.socket for core in share}) == 1 for share in shares)
    else:
        assert max(map(len, shares)) <= fewest + 1
