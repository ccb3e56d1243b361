"""Training in several processes, the ranks, that learn one network together: same batch, same result as one process.

`model.fit` is used unchanged; these parts go into it, and do nothing if there is only one rank:

- `data_parallel` makes an optimiser average the gradient over the ranks;
- `over_ranks` makes a network's normalisation, dropout and loss those of the global batch;
- `KeepTogether` starts all ranks from rank 0's state and averages what they report;
- `share` and `broadcast` send all ranks what rank 0 knows, such as the epoch to begin with;
- `add_up` adds up what each rank measured on its share of the data.

`device` returns what this process computes on, and `decided` completes a recipe with it. Before a process starts,
`bind_gpus` gives it its own GPUs, `bind_network` the network between the ranks, and `environment` the variables that
tune Horovod as a recipe asks.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
