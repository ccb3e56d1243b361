"""Image files that no reader here opens: what they are, and how to convert them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

__all__ = ["name_format"]

_CONVERT = "convert them to OME-Zarr with bioformats2raw (a plate stays one), or to OME-TIFF with bfconvert"
_FORMATS = {
    ".nd2": f"Nikon NIS-Elements (.nd2); export the images as TIFF there, or {_CONVERT}",
    ".czi": f"Zeiss (.czi); export the images as OME-TIFF in ZEN, or {_CONVERT}",
    ".lif": f"Leica (.lif); export the images as TIFF in LAS X, or {_CONVERT}",
    ".lof": f"Leica (.lof); export the images as TIFF in LAS X, or {_CONVERT}",
    ".xlef": f"Leica (.xlef); export the images as TIFF in LAS X, or {_CONVERT}",
    ".stk": f"MetaMorph stacks (.stk); save each plane as a TIFF there, or {_CONVERT}",
    ".c01": f"Cellomics ArrayScan (.C01), which only Bio-Formats reads; {_CONVERT}",
    ".dib": f"Cellomics ArrayScan (.DIB), which only Bio-Formats reads; {_CONVERT}",
    ".vsi": f"Olympus/Evident (.vsi), which only Bio-Formats reads; {_CONVERT}",
    ".oir": f"Olympus/Evident (.oir); {_CONVERT}",
    ".oib": f"Olympus (.oib); {_CONVERT}",
    ".lsm": f"Zeiss (.lsm); {_CONVERT}",
    ".ims": f"Imaris (.ims); {_CONVERT}",
    ".dv": f"DeltaVision (.dv); {_CONVERT}",
    ".ics": f"ICS; {_CONVERT}",
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
    >>> name_format([Path("WellA01_ChannelDAPI_Seq0000.nd2")])[:59]
    'its 1 file(s) like WellA01_ChannelDAPI_Seq0000.nd2 are of N'
    """
    known = [file for file in files if file.suffix.lower() in _FORMATS and file.name != "Thumbs.db"]
    if not known:
        return None
    suffix, count = Counter(file.suffix.lower() for file in known).most_common(1)[0]
    example = next(file for file in known if file.suffix.lower() == suffix)
    return f"its {count} file(s) like {example.name} are of {_FORMATS[suffix]}"
