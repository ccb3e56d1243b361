"""HoloViews elements of tables and plates, each a plain function for a notebook, a report or a dashboard."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
