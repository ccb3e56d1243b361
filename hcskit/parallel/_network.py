"""The network between hosts: the name of its interface on this one.

``python -m hcskit.parallel._network 10.20.0.0/16`` prints that name, for a job script.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Mapping

import psutil

from hcskit.errors import InputError

__all__ = ["bind_network", "interface_in"]

_GLOO, _NCCL = "HOROVOD_GLOO_IFACE", "NCCL_SOCKET_IFNAME"


def interface_in(network: str) -> tuple[str, str]:
    """Return the name of this machine's interface in a network, and its address there.

    Parameters
    ----------
    network : str
        Name of the interface or, where that differs from host to host, the network's address, such as
        ``10.20.0.0/16``.

    Raises
    ------
    InputError
        If this machine has none with an IPv4 address there.

    Examples
    --------
    >>> interface_in("127.0.0.0/8")
    ('lo', '127.0.0.1')
    >>> interface_in("lo")
    ('lo', '127.0.0.1')
    """
    found = [
        (name, address.address)
        for name, addresses in sorted(psutil.net_if_addrs().items())  # the system has no order of its own
        for address in addresses
        if address.family == socket.AF_INET
    ]
    for name, address in found:
        if _is_in(network, name, address):
            return name, address
    there = ", ".join(f"{name} ({address})" for name, address in found)
    raise InputError(
        f"{network!r} is no interface of {socket.gethostname()} with an IPv4 address, nor a network that it is in; "
        f"there are {there}"
    )


def bind_network(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that let a rank talk over the network that its environment names, as it is called here."""
    if _GLOO not in environment:  # it is the only rank
        return {}
    name, _ = interface_in(environment[_GLOO])
    return {_GLOO: name, _NCCL: f"={name}"}  # the second is read only by a Horovod that was built for GPUs


def _is_in(network: str, name: str, address: str) -> bool:
    if "/" not in network:
        return name == network
    return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)


if __name__ == "__main__":
    try:
        print(interface_in(sys.argv[1])[0])
    except InputError as error:
        sys.exit(str(error))
