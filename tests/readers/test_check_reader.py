"""The conformance suite fails readers that have one fault each, and passes the one that has none."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from hcskit.plate import Well, parse_well
from hcskit.readers import Claim, ImageIndex
from hcskit.testing import CASES, StampedPlate, check_reader

NAME = r"(?P<plate>.+)_(?P<well>[A-Z]{1,2}\d\d)_s(?P<field>\d+)_t(?P<time>\d+)_z(?P<z>\d+)_(?P<channel>[^_.]+)\.tif"
CHANNELS = ("DNA", "Actin", "Tubulin")
STACK = ["well", "field", "time", "channel"]


def write(folder: Path, plate: StampedPlate) -> None:
    for at in plate.images:
        name = f"{plate.name}_{at.well}_s{at.field}_t{at.time}_z{at.z}_{at.channel}.tif"
        tifffile.imwrite(folder / name, plate.pixels(at))


class Good:
    """Has no fault."""

    name = NAME

    def claim(self, folder: Path, files: Sequence[Path]) -> Claim | None:
        fits = [file for file in files if re.fullmatch(self.name, file.name)]
        return Claim("names", len(fits)) if fits else None

    def change(self, table: pd.DataFrame) -> pd.DataFrame:
        return table

    def more(self, table: pd.DataFrame) -> dict[str, object]:
        return {}

    def index(self, folder: Path, files: Sequence[Path]) -> list[ImageIndex]:
        matches = [(file, re.fullmatch(self.name, file.name)) for file in files]
        rows = [match.groupdict() | {"path": str(file)} for file, match in matches if match]
        table = pd.DataFrame(rows).astype({"field": int, "time": int, "z": int})
        plates = []
        for plate, images in table.groupby("plate"):
            changed = self.change(images.drop(columns="plate").reset_index(drop=True))
            channels = tuple(name for name in CHANNELS if name in set(changed.channel))
            plates.append(ImageIndex(str(plate), changed, channels, source=str(folder), **self.more(changed)))
        return plates


class FieldsAreCounted(Good):
    def change(self, table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(field=table.groupby("well").field.rank(method="dense").astype(int))


class AGapShiftsThePaths(Good):
    def change(self, table: pd.DataFrame) -> pd.DataFrame:
        table = table.sort_values(["channel", "time", "z", "well", "field"], ignore_index=True)
        fields = table.groupby("well").field.unique()
        if any(max(found) - min(found) >= len(found) for found in fields):
            table["path"] = table.groupby(["channel", "time", "z"]).path.transform(lambda path: np.roll(path, -1))
        return table


class OneDigitOfTheField(Good):
    name = NAME.replace(r"s(?P<field>\d+)", r"s(?P<field>\d)\d*")


class _SortedAsText(Good):
    axis = "field"

    def change(self, table: pd.DataFrame) -> pd.DataFrame:
        table = table.sort_values("path", ignore_index=True)
        rest = [name for name in (*STACK, "z") if name != self.axis]
        return table.assign(**{self.axis: table.groupby(rest)[self.axis].transform(lambda axis: np.sort(axis))})


class FieldsSortedAsText(_SortedAsText):
    pass


class TimesSortedAsText(_SortedAsText):
    axis = "time"


class PlanesSortedAsText(_SortedAsText):
    axis = "z"


class ChannelsByOrder(Good):
    def change(self, table: pd.DataFrame) -> pd.DataFrame:
        rank = table.channel.map(CHANNELS.index).groupby([table[name] for name in ("well", "field", "time", "z")])
        return table.assign(channel=[CHANNELS[int(number) - 1] for number in rank.rank(method="dense")])


class PlanesByOrder(Good):
    def change(self, table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(z=table.groupby(STACK).z.rank(method="dense").astype(int))


class ClaimsEverything(Good):
    def claim(self, folder: Path, files: Sequence[Path]) -> Claim | None:
        return Claim("always mine")


class MakesUpThePixelSize(Good):
    def more(self, table: pd.DataFrame) -> dict[str, object]:
        return {"pixel_size": 0.65}


class MakesUpThePositions(Good):
    def more(self, table: pd.DataFrame) -> dict[str, object]:
        places = pd.MultiIndex.from_frame(table[["well", "field"]].drop_duplicates())
        return {"positions": pd.DataFrame({"x": 0.0, "y": 0.0}, index=places)}


class TwoChannelsOnly(Good):
    def change(self, table: pd.DataFrame) -> pd.DataFrame:
        return table[table.channel.isin(CHANNELS[:2])]


class FourFieldsOnly(Good):
    def change(self, table: pd.DataFrame) -> pd.DataFrame:
        return table[table.field < 5]


class TheFirstOfTwo(Good):
    def change(self, table: pd.DataFrame) -> pd.DataFrame:
        return table.drop_duplicates([*STACK, "z"])


class AGapShiftsTheRow(Good):
    inner = False

    def change(self, table: pd.DataFrame) -> pd.DataFrame:
        wells = {name: parse_well(name) for name in set(table.well)}
        columns = sorted({well.column for well in wells.values()})
        names = {}
        for row in {well.row for well in wells.values()}:
            own = sorted(well.column for well in wells.values() if well.row == row)
            shifted = columns if own[0] == columns[0] or not self.inner else own
            names |= {Well(row, old).name: Well(row, new).name for old, new in zip(own, shifted, strict=False)}
        return table.assign(well=table.well.map(names))


class AGapInsideShiftsTheRow(AGapShiftsTheRow):
    inner = True


def failed(reader: Good, folder: Path) -> list[str]:
    cases = []
    for number, case in enumerate(CASES):
        if case in ("full plate", "1536 wells"):
            continue  # they take long, and no fault here needs them
        try:
            check_reader(reader, write, folder / str(number), case)
        except (AssertionError, ValueError):
            cases.append(case)
    return cases


MUTANTS = (
    *(FieldsAreCounted, AGapShiftsThePaths, OneDigitOfTheField, FieldsSortedAsText, TimesSortedAsText),
    *(PlanesSortedAsText, ChannelsByOrder, PlanesByOrder, ClaimsEverything, MakesUpThePixelSize, MakesUpThePositions),
    *(TwoChannelsOnly, FourFieldsOnly, TheFirstOfTwo, AGapShiftsTheRow, AGapInsideShiftsTheRow),
)


@pytest.mark.slow
def test_a_reader_without_a_fault_passes(tmp_path: Path) -> None:
    assert failed(Good(), tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_each_fault_is_found(mutant: type[Good], tmp_path: Path) -> None:
    assert failed(mutant(), tmp_path)
