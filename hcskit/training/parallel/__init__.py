"""Training in several processes, the ranks, that learn one network together: same batch, same result as one process.

`model.fit` stays as it is; these pieces go into it, and each does nothing where there is one rank:

- `data_parallel` makes an optimiser average the gradient over the ranks;
- `over_ranks` makes a network's normalisation, dropout and loss those of the global batch;
- `KeepTogether` starts all ranks from rank 0's state and averages what they report;
- `share` and `broadcast` tell all what rank 0 knows, such as the epoch to begin with;
- `add_up` adds up what each rank measured on its share of the data.

`environment` tunes Horovod as a recipe asks, for whoever starts the ranks.
"""

from hcskit.training.parallel._callback import KeepTogether, add_up, broadcast, share
from hcskit.training.parallel._layers import over_ranks
from hcskit.training.parallel._optimizer import data_parallel
from hcskit.training.parallel._ranks import Ranks, environment, ranks, ranks_here

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
