"""Vendor folders into image indexes: which file holds which plate, well, field, channel, plane and time point.

A reader opens no image. One is a small module (see `Reader`) or, where a layout is only file names, a YAML file
(see ``presets/``); `hcskit.readers.toolkit` has what it is made of. `read_folder` finds the one that knows a folder.
"""

from hcskit.readers._join import JoinBy, join_measurements
from hcskit.readers._lazy import FileImages, file_images
from hcskit.readers._only import only_time
from hcskit.readers._presets import presets
from hcskit.readers._registry import Export, read_folder, readers
from hcskit.readers._several import read_folders
from hcskit.readers._summary import describe_summary, summarise
from hcskit.readers.toolkit import Claim, FilePattern, ImageIndex, Reader, inside, list_files, read_image

__all__ = [
    "Claim",
    "Export",
    "FileImages",
    "FilePattern",
    "ImageIndex",
    "JoinBy",
    "Reader",
    "describe_summary",
    "file_images",
    "inside",
    "join_measurements",
    "list_files",
    "only_time",
    "presets",
    "read_folder",
    "read_folders",
    "read_image",
    "readers",
    "summarise",
]
