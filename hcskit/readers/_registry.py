"""Which reader understands a folder: those of hcskit, and those that other packages bring."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hcskit.errors import ReaderError
from hcskit.names import alike
from hcskit.plugins import Plugins
from hcskit.readers._formats import name_format
from hcskit.readers._only import only_channels, only_time
from hcskit.readers._presets import presets
from hcskit.readers.toolkit import IMAGE_SUFFIXES, FilePattern, ImageIndex, Reader, check_unlisted, list_files

__all__ = ["Export", "read_folder", "readers"]

GROUP = "hcskit.readers"


@dataclass(frozen=True)
class Export:
    """What a reader found in a folder; iterates over its plates.

    Attributes
    ----------
    reader : str
        The reader's name.
    reason : str
        Why it was chosen.
    plates : tuple of ImageIndex
        One for each plate, by name.
    others : tuple of pathlib.Path
        Files of images that are in none of the plates.
    """

    reader: str
    reason: str
    plates: tuple[ImageIndex, ...]
    others: tuple[Path, ...] = ()

    def __iter__(self) -> Iterator[ImageIndex]:
        return iter(self.plates)

    def describe(self) -> str:
        """Return what was found, and what was left out, in words."""
        lines = [f"reader {self.reader}: {self.reason}"]
        for index in self.plates:
            lines.append(f"plate {index.plate}: {len(index.table):,} images of {index.table.well.nunique()} wells")
            if index.absent:
                lines.append(f"  {len(index.absent):,} images that it names are not there")
            lines += [f"  left out: {len(files):,} {reason}" for reason, files in index.left_out.items() if files]
            lines += [f"  {note}" for note in index.notes]
        if self.others:
            lines.append(f"{len(self.others):,} image file(s) are in none of the plates, such as {self.others[0]}")
        return "\n".join(lines)


def readers() -> dict[str, Reader]:
    """Return the known readers by name: those of installed packages, and the file-name patterns that hcskit ships.

    One that cannot be loaded is left out with a warning.

    Examples
    --------
    >>> {"harmony", "metaxpress", "bbbc013"} <= set(readers())
    True
    """
    found: Plugins[Reader] = Plugins(GROUP, "reader")  # anew each time: what was installed meanwhile counts
    return found.working() | presets()


def read_folder(
    folder: str | Path,
    reader: str | Path | None = None,
    plate: str | None = None,
    screen: str | Path | None = None,
    channels: Sequence[str] | None = None,
    *,
    time: int | str | None = None,
    follow_links: bool = False,
    known: Mapping[str, Reader] | None = None,
) -> Export:
    """Index the images under a folder.

    Parameters
    ----------
    folder : path-like
        What a microscope or a database has exported; one plate or several.
    reader : str or path-like, optional
        Name of a reader, or a YAML file that describes a `FilePattern`; by default, the one that knows the layout.
    plate : str, optional
        What to call the plate; by default, as the export does.
    screen : path-like, optional
        Folder that the plates go to; those that are there already are no part of the export, if it lies below.
    channels : sequence of str, optional
        Take the images of these channels only, such as those of one size.
    time : int or str, optional
        Take the images of one time point only: its number, or ``"last"``.
    follow_links : bool
        Follow symbolic links that lead out of the folder. Those that stay inside are always followed.
    known : mapping of str to Reader, optional
        What `readers` returned, for many folders one after another.

    Raises
    ------
    ReaderError
        If there is no such folder or reader, no reader or several know the layout, two plates have one name, an image
        is there twice, or a link leads out of the folder.
    """
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise ReaderError(f"there is no folder {folder}")
    taken = None if screen is None else Path(screen).resolve()
    listed = list_files(folder, follow_links=follow_links)
    files = [file for file in listed if not (file.suffix == ".zarr" and file.parent == taken)]
    known = readers() if known is None else known
    if reader is None:
        name, reason = _choose(known, folder, files)
        chosen = known[name]
    else:
        name, reason, chosen = str(reader), "it was asked for", _named(known, reader)
    named = chosen.index(folder, files)
    if not follow_links:
        named_paths = {path for index in named for path in index.table.path}
        check_unlisted(folder, map(Path, sorted(named_paths - set(map(str, listed)))))
    plates = [index.without_absent_files() for index in named if len(index.table) or index.absent]
    if not plates:
        why = "; ".join(note for index in named for note in index.notes) or _advice(files)
        raise ReaderError(f"{folder}: the reader {name} finds no image; {why}")
    if channels is not None:
        plates = [only_channels(index, channels) for index in plates]
    if time is not None:
        plates = [only_time(index, time) for index in plates]
    if plate is not None:
        if len(plates) > 1:
            names = ", ".join(index.plate for index in plates)
            raise ReaderError(f"{folder} holds {len(plates)} plates ({names}), so they cannot all be called {plate}")
        plates = [replace(plates[0], plate=plate)]
    _check_names(plates)
    used = {path for index in plates for path in index.table.path}
    used |= {path for index in plates for paths in index.left_out.values() for path in paths}
    others = tuple(file for file in files if file.suffix.lower() in IMAGE_SUFFIXES and str(file) not in used)
    return Export(name, reason, tuple(sorted(plates, key=lambda index: index.plate)), others)


def _check_names(plates: Sequence[ImageIndex]) -> None:
    """Refuse two plates that would have one folder, on some system or on all."""
    count = Counter(index.plate for index in plates)
    twice = [name for name in count if count[name] > 1]
    if same := twice[:1] or alike(count):
        sources = " and ".join(index.source for index in plates if index.plate in same)
        what = "is there twice" if twice else "are one folder where upper and lower case are alike"
        raise ReaderError(
            f"the plate {' and '.join(same)} {what}: {sources}; import each folder by itself and name one with --plate"
        )


def _choose(known: Mapping[str, Reader], folder: Path, files: Sequence[Path]) -> tuple[str, str]:
    claims = {}
    for name, reader in known.items():
        try:
            claim = reader.claim(folder, files)
        except Exception as error:  # noqa: BLE001 - another package's fault must not stop ours
            warnings.warn(f"the reader {name} failed to look at {folder}: {error!r}", stacklevel=2)
        else:
            if claim is not None:
                claims[name] = claim
    best = {name: claim for name, claim in claims.items() if claim.names is None}
    if not best:
        most = max((claim.names or 0 for claim in claims.values()), default=0)
        best = {name: claim for name, claim in claims.items() if claim.names == most}
    if len(best) > 1:
        said = "; ".join(f"{name} ({claim.reason})" for name, claim in best.items())
        raise ReaderError(f"{folder}: several readers know this layout: {said}; choose one with --reader")
    if not best:
        raise ReaderError(f"{folder}: no reader knows this layout (tried {', '.join(known)}); {_advice(files)}")
    name, claim = best.popitem()
    return name, claim.reason


def _named(known: Mapping[str, Reader], reader: str | Path) -> Reader:
    if str(reader) in known:
        return known[str(reader)]
    if Path(reader).suffix in {".yaml", ".yml"}:
        return FilePattern.from_yaml(reader)
    raise ReaderError(f"there is no reader {str(reader)!r}; known: {', '.join(known)}, or the path of a YAML pattern")


def _advice(files: Sequence[Path]) -> str:
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    if not images and (named := name_format(files)):
        return named
    if not images:
        return f"it holds no image file ({', '.join(sorted(IMAGE_SUFFIXES))}), and neither do its subfolders"
    return (
        f"its files are named like {images[0].name!r}: name the reader if it is one of these, or describe the names in "
        "a YAML file and give that as the reader (see `hcskit readers`)"
    )
