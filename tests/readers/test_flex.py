"""The Opera's .flex files: what their XML says of each image, and which image is whose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile

from hcskit import open_screen
from hcskit.errors import ReaderError
from hcskit.plate import parse_well
from hcskit.readers import flex, read_folder
from hcskit.testing import CASES, Numbering, StampedPlate, check_reader

NAMES = ("1_Exp1Cam1", "1_Exp2Cam1", "2_Exp1Cam1", "2_Exp2Cam1")


def write_flex(
    path: Path, images: np.ndarray, names: Sequence[str], place: tuple[float, float] = (0.0, 0.0), barcode: str = ""
) -> None:
    arrays = "".join(f'<Array Name="{name}" Factor="1.0"/>' for name in names)
    at = f"<PositionX>{place[0]}</PositionX><PositionY>{place[1]}</PositionY>"
    each = f"<ImageResolutionX>6.5E-07</ImageResolutionX>{at}"
    described = "".join(f'<Image BufferNo="{n}">{each}</Image>' for n in range(len(names)))
    xml = (
        f"<Root><FLEX><Plate><Barcode>{barcode}</Barcode></Plate><Well><Images>{described}</Images></Well>"
        f"<Arrays>{arrays}</Arrays></FLEX></Root>"
    )
    with tifffile.TiffWriter(path) as tiff:
        for number, image in enumerate(images):
            tags = [(65200, "s", 0, xml, True)] if not number else []
            tiff.write(image, extratags=tags, metadata=None, photometric="minisblack")


def test_planes_and_channels_are_those_that_the_xml_names(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 4000, (2, 4, 5, 7), dtype=np.uint16)
    write_flex(tmp_path / "002003001.flex", images[0], NAMES, (1e-4, -2e-4), "BC-1")
    write_flex(tmp_path / "002003002.flex", images[1], NAMES, (3e-4, -2e-4), "BC-1")
    (index,) = read_folder(tmp_path)
    assert (index.plate, index.channels, index.pixel_size) == ("BC-1", ("Exp1Cam1", "Exp2Cam1"), 0.65)
    plate = open_screen(tmp_path)["BC-1"].to_dataset()
    assert plate.position_x.sel(well="B03").to_numpy().tolist() == [100, 300]
    wanted = images.reshape(2, 2, 2, 5, 7).transpose(0, 2, 1, 3, 4)  # field, channel, plane
    np.testing.assert_array_equal(plate.image.sel(well="B03"), wanted)


def test_a_file_that_does_not_name_its_images_is_bad(tmp_path: Path) -> None:
    images = np.zeros((2, 5, 7), np.uint16)
    write_flex(tmp_path / "001001001.flex", images, NAMES[:2])
    write_flex(tmp_path / "001001002.flex", images, NAMES[:1])
    tifffile.imwrite(tmp_path / "001001003.flex", images, photometric="minisblack")
    (index,) = read_folder(tmp_path)
    assert [Path(path).name for path in index.bad] == ["001001002.flex", "001001003.flex"]
    (tmp_path / "001001001.flex").unlink()
    with pytest.raises(ReaderError, match=r"names 1 image\(s\), but holds 2"):
        read_folder(tmp_path)


NUMBERING = Numbering(
    channels=("Exp1Cam1", "Exp2Cam1"),
    more_channels=("Exp3Cam1",),
    without=("time", "plate"),
    metadata={"pixel_size": 0.65},
    position=lambda _, field: (100.0 * field, 0.0),
)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_conformance(case: str, tmp_path: Path) -> None:
    check_reader(flex, write_plate, tmp_path, case, NUMBERING)


def write_plate(folder: Path, plate: StampedPlate) -> None:
    files = defaultdict(list)
    for label in plate.images:
        files[label.well, label.field].append(label)
    for (name, field), labels in files.items():
        well = parse_well(name)
        labels.sort(key=lambda label: (label.z, label.channel))
        write_flex(
            folder / f"{well.row + 1:03}{well.column + 1:03}{field:03}.flex",
            np.stack([plate.pixels(label) for label in labels]),
            [f"{label.z}_{label.channel}" for label in labels],
            (1e-4 * field, 0.0),
        )
