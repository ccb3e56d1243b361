from ._exchange import add_up, broadcast, share
from ._gradients import data_parallel
from ._layers import over_ranks
from ._ranks import Ranks, environment, ranks, ranks_here
from ._together import KeepTogether

__all__ = [
    "KeepTogether",
    "Ranks",
    "add_up",
    "broadcast",
    "data_parallel",
    "environment",
    "over_ranks",
    "ranks",
    "ranks_here",
    "share",
]
