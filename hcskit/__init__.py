"""High-content screening from a microscope's export folder to effective concentrations.

>>> import hcskit
>>> screen = hcskit.open_screen("runs/demo")  # doctest: +SKIP
>>> screen["demo"].to_dataset().hcs.montage("B02")  # doctest: +SKIP
"""

from importlib import import_module

import lazy_loader

from hcskit.afterwards import after_import
from hcskit.version import __version__ as __version__

# Each name is loaded when it is first asked for: arrays, plots and TensorFlow take seconds, and `hcskit --help` must
# answer at once. The names are listed in __init__.pyi, which editors and type checkers read too.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

# plate.hcs works once xarray and hcskit are imported, in either order.
after_import("xarray", lambda: import_module("hcskit.views._accessor"))
