"""The server at which the ranks of one training meet, and the addresses that each rank needs."""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from hcskit.errors import InputError

__all__ = ["Slot", "number_ranks", "rendezvous"]


@dataclass(frozen=True)
class Slot:
    """The place of one rank, in Horovod's terms.

    Attributes
    ----------
    hostname : str
        Name of its host: equal for ranks of one host, different for two hosts.
    rank, size : int
        Its number among all ranks, and how many there are.
    local_rank, local_size : int
        Its number on its host, and how many are there.
    cross_rank, cross_size : int
        Its host's number among those that have this `local_rank`, and how many have it.
    """

    hostname: str
    rank: int
    size: int
    local_rank: int
    local_size: int
    cross_rank: int
    cross_size: int


def number_ranks(hosts: Sequence[str]) -> list[Slot]:
    """Give ranks their numbers, host by host, so that neighbours in Horovod's ring share a host wherever they can.

    Parameters
    ----------
    hosts : sequence of str
        The host of each rank, in any order.

    Returns
    -------
    list of Slot
        In the order of `hosts`.

    Examples
    --------
    >>> [slot.rank for slot in number_ranks(["b", "a", "b", "a"])]
    [0, 2, 1, 3]
    """
    names = list(dict.fromkeys(hosts))
    local_ranks = [list(hosts[:number]).count(host) for number, host in enumerate(hosts)]
    slots = []
    for host, local_rank in zip(hosts, local_ranks, strict=True):
        before = names[: names.index(host)]
        cross = [name for name in names if hosts.count(name) > local_rank]
        slots.append(
            Slot(
                hostname=host,
                rank=sum(map(hosts.count, before)) + local_rank,
                size=len(hosts),
                local_rank=local_rank,
                local_size=hosts.count(host),
                cross_rank=cross.index(host),
                cross_size=len(cross),
            )
        )
    return slots


@contextmanager
def rendezvous(
    hosts: Sequence[str], address: str = "127.0.0.1", interface: str = "lo", *, timeout: float = 30.0
) -> Iterator[list[dict[str, str]]]:
    """Run the server at which ranks find one another, for as long as the context lasts.

    It listens on one address, and answers only clients that know its key, which the ranks have in their environment.
    Gloo neither encrypts nor authenticates what the ranks then exchange: choose an interface of the
    cluster's own network.

    Parameters
    ----------
    hosts : sequence of str
        The host of each rank, in any order.
    address : str
        Address of this machine at which the server listens, and at which ranks reach it.
    interface : str
        Network interface over which the ranks talk; see `hcskit.parallel.bind_network`.
    timeout : float
        Seconds a rank waits for the others, then and in each exchange.

    Yields
    ------
    list of dict
        Environment variables for each rank, in the order of `hosts`.

    Raises
    ------
    InputError
        If Horovod is not installed.
    """
    try:
        from horovod.runner.http.http_server import RendezvousHandler, RendezvousHTTPServer
    except ImportError as error:
        raise InputError(
            f"several ranks need Horovod, and it cannot be imported here ({error}); "
            "run `make horovod` in the folder of hcskit, or ask for one rank"
        ) from error
    slots, key = number_ranks(hosts), secrets.token_urlsafe()

    class Server(RendezvousHTTPServer):  # type: ignore[misc]
        daemon_threads = True  # a slow client does not delay the shutdown

    class Keyed(RendezvousHandler):  # type: ignore[misc]
        def parse_request(self) -> bool:
            if not super().parse_request():
                return False
            given, _, rest = self.path.lstrip("/").partition("/")
            if not secrets.compare_digest(given.encode(), f"{key}:{self.server.server_port}".encode()):
                self.send_error(403)
                return False
            self.path: str = f"/{rest}"
            return True

    # Not Horovod's own RendezvousServer: that one listens on every interface, and answers everyone.
    with Server((address, 0), Keyed, verbose=0) as server:
        server.init(slots)
        thread = threading.Thread(target=server.serve_forever, name="rendezvous", daemon=True)
        thread.start()
        meeting = {
            # Ranks ask for http://ADDR:PORT/…: an address that ends in a path makes the key part of every request.
            "HOROVOD_GLOO_RENDEZVOUS_ADDR": f"{address}:{server.server_port}/{key}",
            "HOROVOD_GLOO_RENDEZVOUS_PORT": str(server.server_port),
            "HOROVOD_GLOO_IFACE": interface,
            "HOROVOD_GLOO_TIMEOUT_SECONDS": str(math.ceil(timeout)),
            "HOROVOD_CONTROLLER": "gloo",
            "HOROVOD_CPU_OPERATIONS": "gloo",
        }
        try:
            yield [meeting | _environment(slot) for slot in slots]
        finally:
            server.shutdown()
            thread.join()


def _environment(slot: Slot) -> dict[str, str]:
    return {f"HOROVOD_{name.upper()}": str(value) for name, value in asdict(slot).items()}
