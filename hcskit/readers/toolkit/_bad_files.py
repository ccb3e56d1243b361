"""Files that are not fit to be read: all are found in one pass, and listed together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pandas as pd

from hcskit.errors import ReaderError
from hcskit.readers.toolkit._files import check_alone, describe_samples, read_header, read_image
from hcskit.readers.toolkit._header import Header

__all__ = ["describe_bad_files", "find_bad_files", "try_header", "usual_header"]

_SHOWN = 20
_Headers = Mapping[str, Header | ReaderError]


def try_header(path: str) -> Header | ReaderError:
    """Read a file's header; return the error where it cannot be read."""
    try:
        return read_header(path)
    except ReaderError as error:
        return error


def usual_header(headers: _Headers, plate: str) -> Header:
    """Return the form that most files have; the pixel size only if all say the same.

    Raises
    ------
    ReaderError
        If no file can be read.
    """
    good = [header for header in headers.values() if isinstance(header, Header)]
    if not good:
        errors = {path: str(error) for path, error in headers.items()}
        raise ReaderError(describe_bad_files(plate, errors, len(headers)))
    return usual_form(good)


def usual_form(good: list[Header]) -> Header:
    """Return the form that most of these have."""
    form = Counter((header.shape, header.dtype) for header in good).most_common(1)[0][0]
    alike = [header for header in good if (header.shape, header.dtype) == form]
    sizes = {header.pixel_size for header in alike}
    return Header(*form, pages=alike[0].pages, pixel_size=sizes.pop() if len(sizes) == 1 else None)


def find_bad_files(headers: _Headers, table: pd.DataFrame, plate: str) -> dict[str, str]:
    """Return what is wrong with the files that cannot be read, lack an image or are not like the others.

    Raises
    ------
    ReaderError
        If whole channels differ from the others, as where brightfield was binned in another way.
    """
    bad = {path: str(header) for path, header in headers.items() if isinstance(header, ReaderError)}
    good = {path: header for path, header in headers.items() if isinstance(header, Header)}
    if not good:
        return bad
    usual = usual_form(list(good.values()))
    _check_channels(good, table, usual, plate)
    in_colour = "rgb" in table
    for path, last in table.groupby("path").page.max().items():
        header = good.get(str(path))
        if header is None:
            continue
        if last >= header.pages:
            bad[str(path)] = f"{path} holds {header.pages} image(s), but image {last + 1} of it is wanted"
        elif in_colour and header.samples == 1:
            bad[str(path)] = f"{path} {describe_samples(header.samples)}"
        elif fault := _fault(str(path), header, int(last), in_colour):
            bad[str(path)] = fault
        elif (header.shape, header.dtype) != (usual.shape, usual.dtype):
            bad[str(path)] = f"{path} is {header.describe()}; the plate's other images are {usual.describe()}"
    return bad


def _fault(path: str, header: Header, last: int, in_colour: bool) -> str:
    try:
        if last == 0:
            check_alone(path, header.pages)
        if header.samples > 1 and not in_colour:
            read_image(path, last)  # only the pixels tell a false colour from several stains
    except ReaderError as error:
        return str(error)
    return ""


def _check_channels(good: Mapping[str, Header], table: pd.DataFrame, usual: Header, plate: str) -> None:
    """Refuse channels none of whose images is like the plate's others."""
    images = table[table.path.isin(good)]
    is_usual = images.path.map({path: _form(header) == _form(usual) for path, header in good.items()}).astype(bool)
    by_channel = is_usual.groupby(images.channel)
    odd = [str(name) for name, alike in by_channel if not alike.any() and len(alike) > 1]
    if not odd:
        return
    alike = [str(name) for name in by_channel.groups if str(name) not in odd]
    model = good[images.path[images.channel == odd[0]].iloc[0]]
    raise ReaderError(
        f"plate {plate} mixes images of different size or type: those of channel {', '.join(odd)} are "
        f"{model.describe()}, the others {usual.describe()}; import each kind as a plate of its own, with --channels "
        f"{','.join(alike)} and with --channels {','.join(odd)} (and another --plate)"
    )


def _form(header: Header) -> tuple[object, object]:
    return header.shape, header.dtype


def describe_bad_files(plate: str, bad: Mapping[str, str], count: int) -> str:
    """Say which files of a plate are bad, and what to do."""
    listed = "".join(f"\n  - {fault}" for fault in list(bad.values())[:_SHOWN])
    rest = f"\n  - and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return (
        f"plate {plate}: {len(bad)} of {count} image file(s) cannot be used:{listed}{rest}\n"
        "copy or export them again, or leave them out with --allow-missing"
    )
