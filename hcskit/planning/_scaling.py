"""How fast many ranks train together: a model of one step.

    step = fixed + max(computing, input) + the part of the gradient exchange that computing does not hide
           + small exchanges

of all parts of a batch, where it is made in several; the gradients are exchanged once.

The gradients are averaged with a ring (Patarasuk & Yuan, J. Parallel Distrib. Comput. 69:117, 2009; Horovod:
arXiv:1802.05799): with n ranks 2 (n - 1) rounds, in each of which every rank hands 1/n of the bytes to the next. Ranks
are numbered host by host, so that the ring enters and leaves each host once: between hosts a round takes the time of
one rank's part on one network interface, however many ranks a host has; within a host they share its memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from hcskit.errors import InputError
from hcskit.planning._size import DataSize, in_parts, network
from hcskit.recipe import Recipe

__all__ = ["Hosts", "Measured", "Prediction", "Workload", "calibrate", "predict"]


@dataclass(frozen=True)
class Hosts:
    """What each host of a cluster can do. The defaults are for 10 Gb/s Ethernet and Gloo over TCP.

    Attributes
    ----------
    images_per_second : float
        Images (crops) that a host's ranks learn from in a second when nothing is exchanged; all ranks together.
    bandwidth : float
        Of a host's network interface, bytes a second in each direction.
    latency : float
        Seconds until a message arrives.
    memory_bandwidth : float
        At which the ranks of a host pass bytes on, all together, bytes a second.
    input_rate : float
        Images a second for which a host can read or make the input, all ranks together.
    fixed : float
        Seconds of a step that do not depend on the batch, such as the update of the weights.
    overlap : float
        Seconds of the exchange that hide behind a second of computing. hcskit averages all gradients at once, when the
        last one is there: none.
    """

    images_per_second: float
    bandwidth: float = 1.25e9
    latency: float = 50e-6
    memory_bandwidth: float = 2e9
    input_rate: float = math.inf
    fixed: float = 0.0
    overlap: float = 0.0


@dataclass(frozen=True)
class Workload:
    """The workload of a training.

    Attributes
    ----------
    images : int
        Images (crops) in an epoch.
    batch : int
        Most images in a global batch.
    gradient_bytes : float
        Bytes of the gradient as it is sent; with 16-bit compression half of those computed.
    fusion_bytes : float
        The gradient is sent in parts of at most so many bytes.
    small_exchanges : int
        Further exchanges of a few numbers in each step, which the computation waits for.
    cycle : float
        Seconds until an exchange begins: Horovod's cycle time.
    parts : int
        Parts that a batch is made in, one after another; each has its small exchanges.
    """

    images: int
    batch: int
    gradient_bytes: float
    fusion_bytes: float = math.inf
    small_exchanges: int = 0
    cycle: float = 0.0
    parts: int = 1

    @classmethod
    def of(cls, recipe: Recipe, data: DataSize, batch: int | None = None) -> Self:
        """Count what a recipe asks for on such data, with a batch of its stages; by default its first one."""
        counted = network(recipe, data)
        width = 2 if recipe.parallel.compression == "fp16" else 4
        return cls(
            images=data.learned(recipe) * recipe.data.crops_per_field,
            batch=batch or recipe.optimiser.batch,
            gradient_bytes=width * counted.trained,
            fusion_bytes=recipe.parallel.fusion_threshold_mb * 2**20 or math.inf,
            small_exchanges=counted.small_exchanges,
            cycle=recipe.parallel.cycle_time_ms / 1000,
            parts=recipe.optimiser.parts,
        )

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return math.ceil(self.images / self.batch)


class Prediction(NamedTuple):
    """The model's prediction for a number of hosts; times in seconds.

    Attributes
    ----------
    ranks : int
        Of all hosts.
    compute, input, exchange : float
        Parts of a step; of the exchange only what does not hide behind computing.
    step : float
        The whole step.
    epoch : float
        All steps of an epoch, without validation.
    images_per_second : float
        Of all hosts together.
    efficiency : float
        Relative to as many hosts that only compute: no exchange, no fixed part, even shares.
    """

    ranks: int
    compute: float
    input: float
    exchange: float
    step: float
    epoch: float
    images_per_second: float
    efficiency: float


def predict(work: Workload, hosts: Hosts, nodes: int, ranks_per_node: int = 1) -> Prediction:
    """Predict how fast hosts train.

    Raises
    ------
    InputError
        If there are more ranks than images in a part of a batch.

    Examples
    --------
    >>> work = Workload(images=10_240, batch=256, gradient_bytes=170e6)
    >>> [round(predict(work, Hosts(images_per_second=13), nodes).efficiency, 2) for nodes in (1, 8, 64)]
    [1.0, 0.91, 0.53]
    """
    ranks = nodes * ranks_per_node
    batch = work.images / work.steps
    if ranks * work.parts > batch:
        raise InputError(
            f"a batch of {batch:.0f} images cannot be shared by {ranks} ranks{in_parts(work.parts)}; use fewer, or a "
            "larger batch"
        )
    largest_share = math.ceil(batch / work.parts / ranks) * ranks_per_node
    compute = hosts.fixed + work.parts * largest_share / hosts.images_per_second
    input = work.parts * largest_share / hosts.input_rate
    # Only behind the last part: before it there is nothing to send.
    hidden = hosts.overlap * largest_share / hosts.images_per_second
    exchange = max(0.0, _gradients(work, hosts, nodes, ranks) - hidden) + _small(work, hosts, ranks)
    step = max(compute, input) + exchange
    rate = batch / step
    ideal = nodes * min(hosts.images_per_second, hosts.input_rate)
    return Prediction(ranks, compute, input, exchange, step, work.steps * step, rate, rate / ideal)


def _gradients(work: Workload, hosts: Hosts, nodes: int, ranks: int) -> float:
    if ranks == 1:
        return 0.0
    parts = max(1, math.ceil(work.gradient_bytes / work.fusion_bytes))
    within = ranks / nodes / hosts.memory_bandwidth if ranks > nodes else 0.0
    between = 1 / hosts.bandwidth if nodes > 1 else 0.0
    rounds = 2 * (ranks - 1)
    return work.cycle + rounds * (parts * hosts.latency + work.gradient_bytes / ranks * max(within, between))


def _small(work: Workload, hosts: Hosts, ranks: int) -> float:
    return work.parts * work.small_exchanges * (work.cycle + 2 * (ranks - 1) * hosts.latency) if ranks > 1 else 0.0


@dataclass(frozen=True)
class Measured:
    """A measured rate.

    Attributes
    ----------
    work : Workload
        What was trained.
    nodes, ranks_per_node : int
        On what; the ranks had all cores of their host.
    images_per_second : float
        Of all hosts together.
    """

    work: Workload
    nodes: int
    ranks_per_node: int
    images_per_second: float


def calibrate(hosts: Hosts, points: Sequence[Measured], free: Sequence[str] = ("images_per_second",)) -> Hosts:
    """Fit unknown properties of the hosts to measured rates.

    Least squares of relative errors; each parameter stays positive.

    Parameters
    ----------
    hosts : Hosts
        What is known, and for the rest where to start, above zero.
    points : sequence of Measured
        At least as many as parameters to fit. What they do not depend on (the bandwidth, on one host) stays as it was.
    free : sequence of str
        Attributes of `hosts` to fit.

    Raises
    ------
    InputError
        If there are fewer points than parameters.
    """
    if len(points) < len(free):
        raise InputError(f"{len(points)} measured rates cannot tell {len(free)} parameters ({', '.join(free)}) apart")
    start = np.array([getattr(hosts, name) for name in free])

    def fitted(logs: npt.NDArray[np.float64]) -> Hosts:
        return replace(hosts, **dict(zip(free, (start * np.exp(logs)).tolist(), strict=True)))

    def errors(logs: npt.NDArray[np.float64]) -> list[float]:
        there = [predict(point.work, fitted(logs), point.nodes, point.ranks_per_node) for point in points]
        return [
            math.log(said.images_per_second / point.images_per_second)
            for said, point in zip(there, points, strict=True)
        ]

    return fitted(least_squares(errors, np.zeros(len(free))).x)
