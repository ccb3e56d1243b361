"""Images to learn from and to predict: where they are, their labels and splits, and the batches made of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
