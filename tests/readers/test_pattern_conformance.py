"""Layouts that are only file names stand the conformance suite."""

from pathlib import Path

import pytest
import tifffile

from hcskit.plate import parse_well
from hcskit.readers import FilePattern, presets
from hcskit.testing import CASES, Numbering, StampedPlate, check_reader

EVERYTHING = FilePattern(
    name="everything",
    pattern=r"(?P<plate>[^/]+)/T(?P<time>\d+)/(?P<well>[A-Z]+\d+)_(?P<field>\d+)_(?P<channel>\d)_(?P<z>\d+)\.tif",
    channels={"0": "DNA", "1": "Actin", "2": "Tubulin"},
)


def write_everything(folder: Path, plate: StampedPlate) -> None:
    for label in plate.images:
        path = (
            folder
            / plate.name
            / f"T{label.time}"
            / (f"{label.well}_{label.field}_{plate.channels.index(label.channel)}_{label.z}.tif")
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, plate.pixels(label))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_pattern_with_all_labels(case: str, tmp_path: Path) -> None:
    check_reader(EVERYTHING, write_everything, tmp_path, case)


#: What each preset's file names look like, and what they cannot tell.
PRESETS = {
    "bbbc013": (
        "Channel{number}-{place:02d}-{row}-{column:02d}.tif",
        Numbering(("FKHR-GFP", "DNA"), without=("field", "time", "z", "plate", "formats")),
    ),
    "harmony-names": (
        "r{r:02d}c{column:02d}f{field:02d}p{z:02d}-{channel}sk{time}fk1fl1.tiff",
        Numbering(("ch1", "ch2"), without=("plate",)),
    ),
    "imagexpress-hcs": (
        "{plate}/experiment_z_stack/timepoint{time}/4X_{row}_t{time}_{row}{column:02d}_s{field}_{channel}_z{z}.tif",
        Numbering(("w0", "w1")),
    ),
    "incell": (
        "{plate}_{row} - {column:02d}(fld {field} wv {channel} wix {number} z {z} - time {time:02d} - 0 ms).tif",
        Numbering(("390 - Blue", "TL-Phase Contrast - Cy3")),
    ),
    "incell without wavelengths and time points": (
        "{plate}_{row} - {column:02d}(fld {field} wv {channel} z {z} time {time} - 2636ms).tif",
        Numbering(("Green - FITC", "UV - DAPI")),
    ),
    "scanr": (
        "{row}{column}--W{place:05d}--P{field:05d}--Z{z:05d}--T{time:05d}--{channel}.tif",
        Numbering(("DAPI", "GFP"), field=1, time=0, z=0, without=("plate",)),
    ),
    "scanr-numbers": (
        "W{place:05d}--P{field:05d}--Z{z:05d}--T{time:05d}--{channel}.tif",
        Numbering(("DAPI", "GFP"), field=1, time=0, z=0, without=("plate", "formats")),
    ),
    "embl": (
        "{plate}--{row}{column}--{row}{column}--W{place:04d}--P{field:03d}--T{time:05d}--Z{z:03d}--C{channel}.tif",
        Numbering(("01", "02")),
    ),
    "acquifer": (
        "-{row}{column:03d}--PO{field:02d}--LO{time:03d}--{channel}--SL{z:03d}--PX32500--PW0080--IN0020--TM244--X1.tif",
        Numbering(("CO4", "CO6"), without=("plate", "formats")),
    ),
    "incucyte": (
        "{plate}_{row}{column}_{field}_{time:02d}d00h00m.tif",
        Numbering(("1",), without=("z", "formats", "channels")),
    ),
    "cytation": (
        "{row}{column}_01_{number}_{field}Z{z}_{channel}_{time:03d}.tif",
        Numbering(("DAPI", "GFP"), without=("plate", "formats")),
    ),
    "cellinsight": (
        "{plate}_{row}{column:02d}f{field:02d}{channel}.tif",
        Numbering(("d0", "d1"), field=0, without=("time", "z", "formats")),
    ),
    "cellvoyager-names": (
        "{plate}_{row}{column:02d}_T{time:04d}F{field:03d}L01A{number:02d}Z{z:02d}{channel}.tif",
        Numbering(("C01", "C02"), without=("formats",)),
    ),
    "micromanager": (
        "{plate}/{row}{column:02d}-Site_{field}/img_{time:09d}_{channel}_{z:03d}.tif",
        Numbering(("Cy5", "DAPI"), field=0, time=0, z=0, without=("formats",)),
    ),
    "micromanager-names": (
        "{row}{column:02d}-Site_{field}/img_{channel}_position000_time{time:09d}_z{z:03d}.tif",
        Numbering(("channel000", "channel001"), field=0, time=0, z=0, without=("plate", "formats")),
    ),
    "imagexpress-sites": (
        "{plate}_{row}{column:02d}_s{field}_{channel}.tif",
        Numbering(("w1", "w2"), without=("time", "z", "formats")),
    ),
    "simulated": (
        "{plate}_{row}{column:02d}_f{field:02d}_{channel}.tif",
        Numbering(("Actin", "DNA"), without=("time", "z")),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", PRESETS)
def test_a_preset(name: str, case: str, tmp_path: Path) -> None:
    template, numbering = PRESETS[name]

    def write(folder: Path, plate: StampedPlate) -> None:
        for label in plate.images:
            well = parse_well(label.well)
            file = folder / template.format(
                **label._asdict() | {"plate": plate.name, "number": plate.channels.index(label.channel) + 1},
                row=label.well.rstrip("0123456789"),
                r=well.row + 1,
                column=well.column + 1,
                place=well.row * plate.format.columns + well.column + 1,
            )
            file.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(file, plate.pixels(label))

    check_reader(presets()[name.partition(" ")[0]], write, tmp_path, case, numbering)
