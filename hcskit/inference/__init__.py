"""Trained networks applied: the probability of each phenotype in every field and every well."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
