"""The flat-field profiles of Harmony, which are in the notation of its image analysis, Acapella.

It is like JSON without quotes: ``{Background: {Profile: {Coefficients: [[1.2], [0.1, 0.2]], Type: Polynomial}}}``;
only words with a mark in them are quoted, such as a channel's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hcskit.flatfield import Flatfield

__all__ = ["parse", "profile"]

_KEY = re.compile(r"\s*(\w+)\s*:\s*")
_WORD = re.compile(r'\s*(?:"([^"]*)"|([^{}\[\],]+))')
_MARK = re.compile(r"\s*([{}\[\],])\s*")
_DEPTH = 16


def profile(text: str, shape: tuple[float, float] | None = None) -> Flatfield | None:
    """Read the profile that Harmony's basic flat-field correction divides by; None where the channel is even.

    There are two. *Background* is how even light falls off over the image; the basic correction divides by it.
    *Foreground* corrects what is left after the background of each single image was estimated and taken off; that
    needs Acapella (its ``Export_Flatfielded_Images.script``, which PerkinElmer let BIOP/biop-operetta-tools publish).
    Row n of the coefficients is x^n, x^(n-1) y, … y^n with y downwards: arronsullivan/Operetta_FFC says so, and of all
    eight ways to turn and mirror a profile this one fits the images of a Phenix best (see the tests).

    Parameters
    ----------
    text : str
        What the index has as ``FlatfieldProfile``.
    shape : tuple of float, optional
        Width and height of the images in pixels.

    Raises
    ------
    ValueError
        If it is no such profile, or is one of images of another size.

    Examples
    --------
    >>> profile("{Background: {Profile: {Type: Identity}}, Channel: 6, Version: Acapella:2013}") is None
    True
    """
    try:
        found = parse(text)["Background"]["Profile"]
        if found["Type"] == "Identity":
            return None
        coefficients = tuple(tuple(map(float, row)) for row in found["Coefficients"])
        (width, height), (x, y), (sx, sy) = (map(float, found[name]) for name in ("Dims", "Origin", "Scale"))
    except (KeyError, TypeError) as error:
        raise ValueError(f"it lacks a background profile ({error})") from error
    if [len(row) for row in coefficients] != list(range(1, len(coefficients) + 1)):
        raise ValueError("its rows of coefficients are not of 1, 2, 3 … numbers")
    if shape not in (None, (width, height)):
        raise ValueError(f"it is of images of {width:g}×{height:g} pixels")
    return Flatfield(coefficients, (x, y), (sx, sy))


def parse(text: str) -> Any:
    """Read Acapella's notation: dictionaries, lists and words.

    Raises
    ------
    ValueError
        If it is malformed.

    Examples
    --------
    >>> parse('{Dims: [2, 3], ChannelName: "405ex, 570-630em", Version: Acapella:2013}')
    {'Dims': ['2', '3'], 'ChannelName': '405ex, 570-630em', 'Version': 'Acapella:2013'}
    """
    value, end = _value(text, 0, _DEPTH)
    if text[end:].strip():
        raise ValueError(f"there is more after its end: {text[end : end + 20]!r}")
    return value


def _value(text: str, at: int, depth: int) -> tuple[Any, int]:
    mark = _MARK.match(text, at)
    if mark is not None and mark[1] in "{[" and depth:
        close, item = ("}", _pair) if mark[1] == "{" else ("]", _value)
        items, end = _items(text, mark.end(), depth - 1, close, item)
        return (dict(items) if close == "}" else items), end
    word = _WORD.match(text, at)
    if mark is not None or word is None:
        raise ValueError(f"there is no value at {text[at : at + 20]!r}")
    return (word[1] if word[2] is None else word[2].strip()), word.end()


def _pair(text: str, at: int, depth: int) -> tuple[Any, int]:
    key = _KEY.match(text, at)
    if key is None:
        raise ValueError(f"there is no name at {text[at : at + 20]!r}")
    value, end = _value(text, key.end(), depth)
    return (key[1], value), end


def _items(
    text: str, at: int, depth: int, close: str, item: Callable[[str, int, int], tuple[Any, int]]
) -> tuple[list[Any], int]:
    """Read items and the commas between them up to the closing bracket."""
    items: list[Any] = []
    while True:
        mark = _MARK.match(text, at)
        if mark is not None and mark[1] == close:
            return items, mark.end()
        if items:
            if mark is None or mark[1] != ",":
                raise ValueError(f"there is neither a comma nor {close} at {text[at : at + 20]!r}")
            at = mark.end()
        value, at = item(text, at, depth)
        items.append(value)
