"""Training in several processes, the ranks, that learn one network together: same batch, same result as one process.

`model.fit` stays as it is; these pieces go into it, and each does nothing where there is one rank:

- `data_parallel` makes an optimiser average the gradient over the ranks;
- `over_ranks` makes a network's normalisation, dropout and loss those of the global batch;
- `KeepTogether` starts all ranks from rank 0's state and averages what they report;
- `share` and `broadcast` tell all what rank 0 knows, such as the epoch to begin with;
- `add_up` adds up what each rank measured on its share of the data.

`device` says what this process computes on, and `decided` what a recipe leaves to it; `bind_gpus` gives a process that
is to be started GPUs of its own. `environment` tunes Horovod as a recipe asks, for whoever starts the ranks.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
