"""The plate description of MetaXpress: lines of a quoted key and its values. It names no file."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from hcskit.errors import ReaderError
from hcskit.inputs import read_bytes
from hcskit.plate import FORMATS, Well
from hcskit.readers.toolkit import plate_size

__all__ = ["Htd"]

# Some keys end in the number of a wave or of a row. A line that was cut off is none; a name may have quotes in it.
_LINE = re.compile(r'"(?P<key>[A-Za-z]+)(?P<number>\d*)"\s*,\s*(?P<value>".*"|[^"]*)')


@dataclass(frozen=True)
class Htd:
    """What an HTD says of a plate.

    Attributes
    ----------
    name : str
        The file's name.
    entries : mapping of tuple of str to str
        Value of each key and number; the number may be empty.
    """

    name: str
    entries: Mapping[tuple[str, str], str]

    @classmethod
    def read(cls, path: Path) -> Htd:
        """Read the lines of an HTD that are whole."""
        try:
            data = read_bytes(path)
        except OSError as error:
            raise ReaderError(f"{path} cannot be read: {error}") from error
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", errors="replace")  # a line break in the description is not even text
        lines = (_LINE.fullmatch(line.strip()) for line in text.splitlines())
        return cls(path.name, {(line["key"], line["number"]): _text(line["value"]) for line in lines if line})

    @property
    def waves(self) -> dict[int, str]:
        """Names of the waves that have one."""
        return {int(n): name for (key, n), name in self.entries.items() if key == "WaveName" and n and name}

    @property
    def sites(self) -> int:
        """Number of sites that were to be imaged in each well."""
        if self._say("Sites").upper() == "FALSE":
            return 1
        rows = [text for (key, n), text in self.entries.items() if key == "SiteSelection" and n]
        chosen = sum(mark.strip().upper() == "TRUE" for row in rows for mark in row.split(","))
        return chosen or self._count("XSites") * self._count("YSites")

    @property
    def times(self) -> int:
        """Number of time points."""
        return self._count("TimePoints")

    @property
    def planes(self) -> int:
        """Number of planes of a stack; 1 where none was taken."""
        return self._count("ZSteps") if self._say("ZSeries").upper() == "TRUE" else 1

    @property
    def collected(self) -> set[int]:
        """The waves that were taken at each time point."""
        collected = {int(n): text for (key, n), text in self.entries.items() if key == "WaveCollect" and n}
        return {wave for wave in self.waves if collected.get(wave, "1") == "1"}

    def _say(self, key: str) -> str:
        return self.entries.get((key, ""), "").strip()

    def _count(self, key: str) -> int:
        text = self._say(key)
        return max(1, int(text)) if text.isdecimal() else 1

    @property
    def wells(self) -> set[str]:
        """The wells that were to be imaged."""
        most = FORMATS[1536]
        rows = (self.entries.get(("WellsSelection", str(row + 1)), "").split(",") for row in range(most.rows))
        return {
            Well(row, column).name
            for row, marks in enumerate(rows)
            for column, mark in enumerate(marks[: most.columns])
            if mark.strip().upper() == "TRUE"
        }

    def size(self, wells: Collection[str]) -> int | None:
        """Return the number of wells of the plate, if it is a standard plate that has these."""
        return plate_size(self.entries.get(("YWells", "")), self.entries.get(("XWells", "")), wells)


def _text(value: str) -> str:
    """Return a value without its quotes; those inside it may be doubled.

    Examples
    --------
    >>> _text('"10x ""dry"" DAPI"'), _text(" TRUE, FALSE")
    ('10x "dry" DAPI', 'TRUE, FALSE')
    """
    value = value.strip()
    return (value[1:-1] if value.startswith('"') else value).replace('""', '"').strip()
