"""The verbs: import, assess, train, predict, embed, cross-validate; here, or on a cluster when one is given.

All have one signature, ``verb(data, …, *, cluster=None, say=…, progress=True)``, and do the same by the same code
wherever they run. `cluster` is an open `hcskit.cluster.Cluster`, a `hcskit.cluster.ClusterConfig`, or the path of a
cluster's file; its workers must see the given folders. `say` receives progress messages, line by line.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
