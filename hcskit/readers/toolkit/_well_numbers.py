"""Wells that are counted, instead of named by row and column."""

from __future__ import annotations

from typing import Literal

from hcskit.errors import InputError
from hcskit.plate import FORMATS, Well
from hcskit.sections import Section

__all__ = ["WellNumbers"]


class WellNumbers(Section):
    """How a number becomes a well.

    Attributes
    ----------
    format : {6, 12, 24, 48, 96, 384, 1536}
        Number of wells of the plate.
    order : {"rows", "columns"}
        Whether A01 is followed by A02 or by B01.
    first : int
        The number of A01.

    Examples
    --------
    >>> WellNumbers().name(13), WellNumbers(format=384, order="columns", first=0).name(16)
    ('B01', 'A02')
    """

    format: Literal[6, 12, 24, 48, 96, 384, 1536] = 96
    order: Literal["rows", "columns"] = "rows"
    first: int = 1

    def name(self, number: int) -> str:
        """Return the name of the well with a number.

        Raises
        ------
        InputError
            If the plate has no such well.
        """
        plate, place = FORMATS[self.format], number - self.first
        if not 0 <= place < plate.size:
            raise InputError(
                f"well number {number} is not on a plate of {self.format} wells counted from {self.first}; give the "
                "layout's plate with wells: {format: 384}"
            )
        if self.order == "rows":
            return Well(*divmod(place, plate.columns)).name
        column, row = divmod(place, plate.rows)
        return Well(row, column).name
