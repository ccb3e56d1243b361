"""How weights change: the optimisers that a recipe can name, and the kinds that other packages add."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
