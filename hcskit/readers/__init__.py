"""Vendor folders into image indexes: which file holds which plate, well, field and channel.

A reader opens no pixels. A layout that is only file names needs no Python: a YAML file with a pattern
(see ``presets/``) is enough.
"""

from hcskit.readers._index import ImageIndex, read_image
from hcskit.readers._pattern import FilePattern, presets, read_folder

__all__ = ["FilePattern", "ImageIndex", "presets", "read_folder", "read_image"]
