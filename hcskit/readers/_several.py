"""Several folders of images at once, each of which may be at fault."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from hcskit.errors import InputError, ReaderError
from hcskit.readers._registry import Export, read_folder, readers

__all__ = ["read_folders"]


def read_folders(
    folders: Iterable[str | Path],
    reader: str | Path | None = None,
    plate: str | None = None,
    screen: str | Path | None = None,
    channels: Sequence[str] | None = None,
    *,
    time: int | str | None = None,
    follow_links: bool = False,
    refused: dict[str, InputError] | None = None,
) -> list[Export]:
    """Index the images under several folders, as `read_folder` does for each.

    Parameters
    ----------
    folders : iterable of path-like
        What a microscope exported.
    reader, plate, screen, channels, time, follow_links
        As `read_folder` takes them.
    refused : dict of str to InputError, optional
        Receives the folders that cannot be read, with the reason, if there are others. By default the first such
        folder is an error.

    Raises
    ------
    ReaderError
        If a folder, or each of them, cannot be read, or a plate is in two of them.
    """
    exports: list[Export] = []
    known = readers()  # once: to load them takes longer than to read the index of a small plate
    faults: dict[str, InputError] = {}
    for folder in folders:
        try:
            export = read_folder(
                folder, reader, plate, screen, channels, time=time, follow_links=follow_links, known=known
            )
            exports.append(export)
        except ReaderError as error:
            if refused is None:
                raise
            faults[str(folder)] = error
    if faults and not exports:
        raise ReaderError("\n".join(map(str, faults.values())))
    if refused is not None:
        refused.update(faults)
    sources = defaultdict(list)
    for export in exports:
        for index in export:
            sources[index.plate].append(index.source)
    for name, found in sources.items():
        if len(found) > 1:
            raise ReaderError(
                f"the plate {name} is there {len(found)} times: {' and '.join(found)}; leave one out, import each by "
                "itself under a name of its own (hcskit import --plate), or put them together (hcskit join)"
            )
    return exports
