"""The one data object: a screen is an `xarray.DataTree`, a plate is a labelled `xarray.Dataset` in it.

::

    /                    attrs: name, schema_version
    └── <plate id>       image (well, field, channel, y, x), present (well, field, channel)
        ├── quality      (well, field, channel)
        ├── predictions  (well, phenotype)
        ├── profiles     (well, feature)
        └── responses    (compound, readout)

``time`` and ``z`` stand before ``channel`` and before ``y`` where more than one was acquired. Everything is addressed
by label. An image that was not acquired is ``present == False`` and zero in ``image``; it never shifts its neighbours.
"""

from __future__ import annotations

from hcskit.screen._labels import DIMS, SCHEMA_VERSION, Coordinate, PlateInfo
from hcskit.screen._plate import describe_plate, make_plate, max_projection, screen_tree
from hcskit.screen._tables import field_table, match_plate_map, treated_fields

__all__ = [
    "DIMS",
    "SCHEMA_VERSION",
    "Coordinate",
    "PlateInfo",
    "describe_plate",
    "field_table",
    "make_plate",
    "match_plate_map",
    "max_projection",
    "screen_tree",
    "treated_fields",
]
