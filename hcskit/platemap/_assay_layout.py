"""Assay layouts of PerkinElmer/Revvity Harmony and Columbus, as XML.

Neither format is documented, so both are read as files and other programs show them:

- layers of Harmony, ``Layer`` with ``Name`` and, for each well, ``Well`` with ``Row``, ``Col`` and ``Value``, in an
  ``AssayLayout`` (HcsFileTagProcessor in github.com/epam/cloud-pipeline reads them);
- an ``AssayDefinition`` of Columbus: ``Registration/Content`` names the variables, and ``Well`` has a ``Content/Value``
  for each (a file is in github.com/fmongela/NCL_HCT116_2025, ``data/``).

Rows and columns count from 1. Elements are found by name in any namespace, as that differs between versions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, ParseError

import defusedxml.ElementTree
import pandas as pd
from defusedxml import DefusedXmlException

from hcskit.errors import PlateMapError
from hcskit.plate import Well

__all__ = ["read_assay_layout"]


def read_assay_layout(path: Path) -> pd.DataFrame:
    """Return the layout as text: one row a well, one column a layer; a layer's unit follows its name in brackets.

    Raises
    ------
    PlateMapError
        If the file is damaged or unsafe, is no assay layout, or a well has two values for one layer.
    """
    try:
        tree = defusedxml.ElementTree.parse(path)
    except DefusedXmlException as error:
        raise PlateMapError(f"{path} is not read: it defines XML entities, which no assay layout does") from error
    except (ParseError, LookupError, ValueError) as error:  # the latter two for an unknown encoding
        raise PlateMapError(f"{path} is not whole XML: {error}; export the assay layout again") from error
    wells: dict[str, dict[str, str]] = {}
    for layer, row, column, value in (*_layers(tree, path), *_contents(tree, path)):
        well = wells.setdefault(_well(row, column, path), {})
        if well.setdefault(layer, value) != value:
            raise PlateMapError(f"{path}: layer {layer} has two values in row {row}, column {column}")
    if not wells:
        raise PlateMapError(
            f"{path} has no well with a value; expected an assay layout of Harmony or Columbus, filled in"
        )
    return pd.DataFrame.from_dict(wells, orient="index").fillna("").rename_axis("well").reset_index()


def _layers(tree: ElementTree, path: Path) -> Iterator[tuple[str, str, str, str]]:
    for layer in tree.iterfind(".//{*}Layer"):
        name = _said(layer, "Name")
        if not name:
            raise PlateMapError(f"{path}: a layer has no name; name it in Harmony")
        title = _with_unit(name, layer)
        for well in layer.iterfind(".//{*}Well"):
            if value := _said(well, "Value"):
                yield title, _said(well, "Row"), _said(well, "Col", "Column"), value


def _contents(tree: ElementTree, path: Path) -> Iterator[tuple[str, str, str, str]]:
    titles = {
        content.get("ID"): _with_unit(content.get("GroupName", ""), content)
        for content in tree.iterfind(".//{*}Registration/{*}Content")
    }
    for well in tree.iterfind(".//{*}Wells/{*}Well"):
        for content in well.iterfind("{*}Content"):
            if not (value := _said(content, "Value")):
                continue
            title = titles.get(content.get("ContentID"))
            if not title:
                raise PlateMapError(f"{path}: {content.get('ContentID')!r} is not among the registered contents")
            yield title, _said(well, "Row"), _said(well, "Col", "Column"), value


def _said(element: Element, *names: str) -> str:
    """Return the text of the child, or the attribute, that has one of the names."""
    found = (element.findtext(f"{{*}}{name}") or element.get(name) or "" for name in names)
    return next((text.strip() for text in found if text.strip()), "")


def _with_unit(name: str, element: Element) -> str:
    """Return ``Concentration [µM]`` if an attribute or a child whose name ends in ``Unit`` says so."""
    children = {child.tag.rpartition("}")[2]: child.text or "" for child in element}
    said = {**element.attrib, **children}
    unit = next((text.strip() for key, text in said.items() if key.casefold().endswith(("unit", "units"))), "")
    return f"{name} [{unit}]" if unit else name


def _well(row: str, column: str, path: Path) -> str:
    if not (row.isdecimal() and column.isdecimal() and int(row) > 0 and int(column) > 0):
        raise PlateMapError(f"{path}: a well is in row {row!r}, column {column!r}; expected two numbers from 1")
    return Well(int(row) - 1, int(column) - 1).name
