"""XML from other programs: no entity, no document type, no namespace."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from hcskit.errors import ReaderError
from hcskit.inputs import read_bytes

__all__ = ["parse_xml", "read_xml"]


def read_xml(path: Path) -> Element:
    """Parse an XML file; as `parse_xml`."""
    try:
        data = read_bytes(path)
    except OSError as error:
        raise ReaderError(f"{path} cannot be read: {error}") from error
    if data.rstrip().endswith(b">>"):  # some CellVoyagers do (Bio-Formats, CV7000Reader)
        data = data.rstrip()[:-1]
    return parse_xml(data, path)


def parse_xml(data: bytes | str, source: Path) -> Element:
    """Parse XML; its tags and attributes lose their namespaces, which differ between a vendor's versions.

    Raises
    ------
    ReaderError
        If it is not well-formed, or has a document type: no microscope writes one, and entities hide in it.
    """
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise ReaderError(
            f"{source} has a document type, as no microscope writes it; it is not read ({error})"
        ) from error
    except (ParseError, ValueError, RecursionError) as error:
        raise ReaderError(f"{source} is not whole, well-formed XML: {error}; is the copy complete?") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
    return root
