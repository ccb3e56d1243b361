"""Image files that no reader here opens: what they are, and how to convert them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

__all__ = ["name_format"]

_CONVERT = "convert them to OME-Zarr with bioformats2raw (a plate stays one), or to OME-TIFF with bfconvert"
_FORMATS = {
    ".lof": f"Leica (.lof); export the images as TIFF in LAS X, or {_CONVERT}",
    ".xlef": f"Leica (.xlef); export the images as TIFF in LAS X, or {_CONVERT}",
    ".c01": f"Cellomics ArrayScan (.C01), which only Bio-Formats reads; {_CONVERT}",
    ".dib": f"Cellomics ArrayScan (.DIB), which only Bio-Formats reads; {_CONVERT}",
    ".vsi": f"Olympus/Evident (.vsi), which only Bio-Formats reads; {_CONVERT}",
    ".btf": "BigTIFF (.btf); rename the files to .tif",
    ".sqlite": "an archive of Harmony or Columbus (SQLite); export the measurement there, with its images as TIFF",
    ".db": "a database, perhaps an archive of Harmony (SQLite); export the measurement there, with its images as TIFF",
    ".zip": "archives (.zip); unpack them first",
    ".tar": "archives (.tar); unpack them first",
    ".gz": "archives (.gz); unpack them first",
}


def name_format(files: Sequence[Path]) -> str | None:
    """Say which format the most files have that no reader opens, and what to do; None where there is none.

    Examples
    --------
    >>> name_format([Path("MFGTMP_A01f00d0.C01")])[:77]
    'its 1 file(s) like MFGTMP_A01f00d0.C01 are of Cellomics ArrayScan (.C01), whi'
    """
    known = [file for file in files if file.suffix.lower() in _FORMATS and file.name != "Thumbs.db"]
    if not known:
        return None
    suffix, count = Counter(file.suffix.lower() for file in known).most_common(1)[0]
    example = next(file for file in known if file.suffix.lower() == suffix)
    return f"its {count} file(s) like {example.name} are of {_FORMATS[suffix]}"
