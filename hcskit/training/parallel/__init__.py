"""Training in several processes, the ranks, that learn one network together: same batch, same result as one process.

`model.fit` stays as it is; these pieces go into it, and each does nothing where there is one rank:

- `data_parallel` makes an optimiser average the gradient over the ranks;
- `over_ranks` makes a network's normalisation, dropout and loss those of the global batch;
- `KeepTogether` starts all ranks from rank 0's state and averages what they report;
- `share` and `broadcast` tell all what rank 0 knows, such as the epoch to begin with.

`environment` tunes Horovod as a recipe asks, for whoever starts the ranks.
"""

from hcskit.training.parallel._callback import KeepTogether, broadcast, share
from hcskit.training.parallel._layers import over_ranks
from hcskit.training.parallel._optimizer import data_parallel
from hcskit.training.parallel._ranks import Ranks, environment, ranks

__all__ = ["KeepTogether", "Ranks", "broadcast", "data_parallel", "environment", "over_ranks", "ranks", "share"]
