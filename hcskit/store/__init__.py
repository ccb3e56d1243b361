"""OME-Zarr 0.5 plates on disk."""

from hcskit.store._content import plate_contents
from hcskit.store._engine import HcskitBackend, open_screen
from hcskit.store._layout import plate_path
from hcskit.store._open import at_level, finished_plates, lazy_plates, open_plate, open_plates, plate_folders
from hcskit.store._size import stored_bytes
from hcskit.store._write import convert_plates, write_plate

__all__ = [
    "HcskitBackend",
    "at_level",
    "convert_plates",
    "finished_plates",
    "lazy_plates",
    "open_plate",
    "open_plates",
    "open_screen",
    "plate_contents",
    "plate_folders",
    "plate_path",
    "stored_bytes",
    "write_plate",
]
