"""What a reader is made of: the same for the readers of hcskit and for yours (docs/extend/reader.md).

A reader is a module or an object with the two functions of `Reader`. It says with a `Claim` that a folder is of its
layout, and returns an `ImageIndex` for each plate. Both get the files that `list_files` found, and open no image. Where
the file names say everything, a `FilePattern` is the whole reader.

The rest helps to read other programs' files, and refuses what would put an image under a wrong label:

- files: `inside` (a name from an index becomes a path), `on_disk` (names in another spelling), `IMAGE_SUFFIXES`,
  `read_header`, `read_image`, `read_pixels`, `open_tiff`;
- labels: `label`, `number`, `well_name`, `plate_size`, `distinct`, `only`;
- places: `field_positions`, `field_times`, `strayed_fields`, `plane_distance`, `without_projections`;
- plates that no name says: `plate_folder`, `plate_names`, `WellNumbers`; files of many images: `read_container`;
- XML: `read_xml`, `parse_xml`; Zarr: `read_zarr_attributes`, `read_zarr_array`, `is_zarr_empty`.

`hcskit.testing.check_reader` tests the result.
"""

from hcskit.readers.toolkit._bad_files import describe_bad_files
from hcskit.readers.toolkit._containers import CONTAINERS, Container, ContainerFormat, Series, read_container
from hcskit.readers.toolkit._files import IMAGE_SUFFIXES, WHOLE, read_header, read_image, read_pixels
from hcskit.readers.toolkit._folders import plate_folder, plate_names
from hcskit.readers.toolkit._header import Header
from hcskit.readers.toolkit._index import ImageIndex
from hcskit.readers.toolkit._index_table import KEYS
from hcskit.readers.toolkit._labels import distinct, label, number, only, plate_size, well_name
from hcskit.readers.toolkit._metamorph import metamorph_properties
from hcskit.readers.toolkit._paths import check_unlisted, inside, list_files, on_disk
from hcskit.readers.toolkit._pattern import FilePattern
from hcskit.readers.toolkit._places import field_positions, field_times, plane_distance, strayed_fields
from hcskit.readers.toolkit._projections import without_projections
from hcskit.readers.toolkit._reader import Claim, Reader
from hcskit.readers.toolkit._tiff import open_tiff
from hcskit.readers.toolkit._times import seconds_of
from hcskit.readers.toolkit._well_numbers import WellNumbers
from hcskit.readers.toolkit._xml import parse_xml, read_xml
from hcskit.readers.toolkit._zarr_json import (
    ZARR_ATTRIBUTES,
    ZarrArray,
    is_zarr_empty,
    read_zarr_array,
    read_zarr_attributes,
)

__all__ = [
    "CONTAINERS",
    "IMAGE_SUFFIXES",
    "KEYS",
    "WHOLE",
    "ZARR_ATTRIBUTES",
    "Claim",
    "Container",
    "ContainerFormat",
    "FilePattern",
    "Header",
    "ImageIndex",
    "Reader",
    "Series",
    "WellNumbers",
    "ZarrArray",
    "check_unlisted",
    "describe_bad_files",
    "distinct",
    "field_positions",
    "field_times",
    "inside",
    "is_zarr_empty",
    "label",
    "list_files",
    "metamorph_properties",
    "number",
    "on_disk",
    "only",
    "open_tiff",
    "parse_xml",
    "plane_distance",
    "plate_folder",
    "plate_names",
    "plate_size",
    "read_container",
    "read_header",
    "read_image",
    "read_pixels",
    "read_xml",
    "read_zarr_array",
    "read_zarr_attributes",
    "seconds_of",
    "strayed_fields",
    "well_name",
    "without_projections",
]
