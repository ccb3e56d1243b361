"""IN Cell's xdce: which file is whose by it, and what it says of channels, pixels and wells."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
import tifffile

from hcskit.errors import ReaderError
from hcskit.plate import parse_well
from hcskit.readers import incell_xdce, read_folder
from hcskit.testing import CASES, Numbering, StampedPlate, check_reader

FILTERS = {
    "UV - DAPI": ("UV", 350, "DAPI", 455),
    "Blue - FITC": ("Blue", 490, "FITC", 525),
    "Red - Cy5": ("Red", 645, "Cy5", 705),
}


def write(folder: Path, plate: StampedPlate) -> None:
    """Write a plate into a folder of its name, as an IN Cell 2000 does."""
    home = folder / plate.name
    home.mkdir(parents=True, exist_ok=True)
    images = ""
    for label in plate.images:
        well = parse_well(label.well)
        place = f"fld {label.field} wv {label.channel} z {label.z} time {label.time}"
        name = f"{label.well[:-2]} - {well.column + 1}({place}).tif"
        tifffile.imwrite(home / name, plate.pixels(label))
        excitation, at, emission, to = FILTERS[label.channel]
        wave = plate.channels.index(label.channel)
        images += (
            f"<Image filename={quoteattr(name)}>"
            f'<Well label="{label.well}"><Row number="{well.row + 1}"/><Column number="{well.column + 1}"/></Well>'
            f'<FocusPosition z="{2.5 * label.z}"/><Identifier field_index="{label.field - 1}" '
            f'time_index="{label.time - 1}" wave_index="{wave}" z_index="{label.z - 1}"/><Exposure time="150"/>'
            f'<ExcitationFilter name="{excitation}" wavelength="{at}"/>'
            f'<EmissionFilter name="{emission}" wavelength="{to}"/></Image>'
        )
    lens = '<ObjectiveCalibration magnification="20" pixel_width="0.325" pixel_height="0.325"/>'
    rows, columns = plate.format.rows, plate.format.columns
    (home / f"{plate.name}.xdce").write_text(
        f'<ImageStack xmlns="http://www.gehealthcare.com/incell"><Images>{images}</Images><AutoLeadAcquisitionProtocol>'
        f'{lens}<PlateMap><Plate name="a plate" rows="{rows}" columns="{columns}"/></PlateMap>'
        "</AutoLeadAcquisitionProtocol></ImageStack>"
    )


WRITTEN = Numbering(
    channels=("UV - DAPI", "Blue - FITC"),
    more_channels=("Red - Cy5",),
    metadata={
        "pixel_size": 0.325,
        "z_step": 2.5,
        "exposure": dict.fromkeys(FILTERS, 0.15),
        "excitation": {name: filters[1] for name, filters in FILTERS.items()},
        "emission": {name: filters[3] for name, filters in FILTERS.items()},
    },
)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_conformance(case: str, tmp_path: Path) -> None:
    check_reader(incell_xdce, write, tmp_path, case, WRITTEN)


def test_what_the_index_names_and_is_not_there_is_missing(tmp_path: Path) -> None:
    (tmp_path / "P").mkdir()
    (tmp_path / "P" / "P.xdce").write_text(
        '<ImageStack><Images><Image filename="A - 1(fld 1).tif"><Well><Row number="1"/><Column number="1"/></Well>'
        '<Identifier field_index="0" time_index="0" wave_index="0" z_index="0"/></Image></Images></ImageStack>'
    )
    (index,) = read_folder(tmp_path)
    assert index.absent == (str(tmp_path / "P" / "A - 1(fld 1).tif"),)


def test_an_image_without_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "P.xdce").write_text(
        '<ImageStack><Images><Image filename="A - 1(fld 1).tif"><Well><Row number="1"/><Column number="1"/></Well>'
        "</Image></Images></ImageStack>"
    )
    with pytest.raises(ReaderError, match=r"image A - 1\(fld 1\)\.tif has the field_index ''"):
        read_folder(tmp_path)
