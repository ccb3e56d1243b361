"""A machine's cores, and dividing them among ranks.

In every step all ranks wait for the slowest, so each has cores of its own, as many as the others have; they do not
straddle sockets where that can be avoided, and both hyper-threads of a core belong to one rank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

__all__ = ["SYSTEM", "Core", "nodes", "physical_cores", "share_cores"]

#: Where Linux describes the machine.
SYSTEM = Path("/sys/devices/system")


class Core(NamedTuple):
    """A physical core; cores sort in the order in which they lie side by side.

    Attributes
    ----------
    socket, node : int
        Its processor, and the part of the memory that is near.
    cpus : tuple of int
        Its hyper-threads, as the operating system counts them.
    """

    socket: int
    node: int
    cpus: tuple[int, ...]


def physical_cores(cpus: Iterable[int], system: Path = SYSTEM) -> list[Core]:
    """Find the physical cores of some hyper-threads; one for each if the machine does not describe them."""
    allowed = set(cpus)
    near = {cpu: int(folder.name[4:]) for folder in nodes(system) for cpu in _numbers(folder / "cpulist")}

    def core(cpu: int) -> Core:
        topology = system / "cpu" / f"cpu{cpu}" / "topology"
        siblings = _numbers(topology / "thread_siblings_list") & allowed or {cpu}
        return Core(int(_text(topology / "physical_package_id") or 0), near.get(cpu, 0), tuple(sorted(siblings)))

    return sorted(set(map(core, allowed)))


def share_cores(cores: Sequence[Core], count: int) -> list[list[Core]]:
    """Divide cores among ranks.

    No rank has fewer than an even division gives it. As far as that allows, the cores of a rank are near the
    same memory, or else on the same socket. Only where there are more ranks than cores do ranks share one.

    Parameters
    ----------
    cores : sequence of Core
        In order.
    count : int
        Ranks.

    Returns
    -------
    list of list of Core
        Those of each rank.
    """
    if count > len(cores):
        return [[cores[number * len(cores) // count]] for number in range(count)]
    fewest = len(cores) // count
    keys: list[Callable[[Core], object]] = [lambda core: core[:2], lambda core: core.socket, lambda _: None]
    for key in keys:
        places = [list(group) for _, group in groupby(cores, key)]
        if sum(len(place) // fewest for place in places) >= count:
            break
    ranks = [0] * len(places)
    for _ in range(count):
        roomiest = max(range(len(places)), key=lambda place: len(places[place]) / (ranks[place] + 1))
        ranks[roomiest] += 1
    return [
        place[number * len(place) // own : (number + 1) * len(place) // own]
        for place, own in zip(places, ranks, strict=True)
        for number in range(own)
    ]


def nodes(system: Path = SYSTEM) -> list[Path]:
    """Return the folders that describe the parts of a machine's memory."""
    return sorted((system / "node").glob("node[0-9]*"))


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii").strip() if path.exists() else ""


def _numbers(path: Path) -> set[int]:
    """Read a list such as ``0-3,8``; empty where there is none."""
    ranges = [part.split("-") for part in _text(path).split(",") if part]
    return {number for ends in ranges for number in range(int(ends[0]), int(ends[-1]) + 1)}
