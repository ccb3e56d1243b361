"""The plate map: which treatment each well received.

Laboratories write it as a table (one row a well), as a drawing of the plate (one block a variable) or in their
microscope's own software. All become one table of text; `check_plate_map` then brings it to its one form.
"""

from hcskit.platemap._check import COLUMNS, ROLES, check_plate_map
from hcskit.platemap._draw import describe_columns, draw_plate_map, plate_map_html
from hcskit.platemap._read import read_plate_map
from hcskit.platemap._readouts import recognise_readouts

__all__ = [
    "COLUMNS",
    "ROLES",
    "check_plate_map",
    "describe_columns",
    "draw_plate_map",
    "plate_map_html",
    "read_plate_map",
    "recognise_readouts",
]
