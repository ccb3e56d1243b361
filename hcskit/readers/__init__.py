"""Vendor folders into image indexes: which file holds which plate, well, field, channel, plane and time point.

A reader opens no image. One is a small module (see `Reader`) or, where a layout is only file names, a YAML file
(see ``presets/``). `read_folder` finds the one that knows a folder.
"""

from hcskit.readers._claim import Claim
from hcskit.readers._files import read_image
from hcskit.readers._index import ImageIndex, inside
from hcskit.readers._lazy import FileImages, file_images
from hcskit.readers._pattern import FilePattern, presets
from hcskit.readers._registry import Export, Reader, list_files, read_folder, readers

__all__ = [
    "Claim",
    "Export",
    "FileImages",
    "FilePattern",
    "ImageIndex",
    "Reader",
    "file_images",
    "inside",
    "list_files",
    "presets",
    "read_folder",
    "read_image",
    "readers",
]
