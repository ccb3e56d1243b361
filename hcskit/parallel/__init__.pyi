from ._device import GPUS_PER_RANK, Device, bind_gpus, decided, device, in_native_precision, visible_gpus
from ._exchange import add_up, broadcast, share
from ._gradients import data_parallel
from ._layers import over_ranks
from ._network import bind_network, interface_in
from ._ranks import Ranks, environment, ranks, ranks_here
from ._together import KeepTogether

__all__ = [
    "GPUS_PER_RANK",
    "Device",
    "KeepTogether",
    "Ranks",
    "add_up",
    "bind_gpus",
    "bind_network",
    "broadcast",
    "data_parallel",
    "decided",
    "device",
    "environment",
    "in_native_precision",
    "interface_in",
    "over_ranks",
    "ranks",
    "ranks_here",
    "share",
    "visible_gpus",
]
