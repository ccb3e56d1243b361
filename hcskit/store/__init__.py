"""OME-Zarr 0.5 plates on disk, and the result tables beside them."""

from hcskit.store._engine import HcskitBackend, open_screen
from hcskit.store._layout import plate_path
from hcskit.store._lock import locked
from hcskit.store._open import open_plate, open_plates, plate_folders
from hcskit.store._results import read_profiles, read_result, result_path, write_profile, write_result, write_table
from hcskit.store._write import import_plates, write_plate

__all__ = [
    "HcskitBackend",
    "import_plates",
    "locked",
    "open_plate",
    "open_plates",
    "open_screen",
    "plate_folders",
    "plate_path",
    "read_profiles",
    "read_result",
    "result_path",
    "write_plate",
    "write_profile",
    "write_result",
    "write_table",
]
