"""What other programs make of our plates: zarr itself, ngio and ome-zarr-models."""

from itertools import product
from pathlib import Path

import ngio
import numpy as np
import pytest
import xarray as xr
import zarr
from ome_zarr_models.v05.hcs import HCS
from ome_zarr_models.v05.image import Image

from hcskit.flatfield import Flatfield
from hcskit.screen import Coordinate, PlateInfo, make_plate
from hcskit.store import open_plate, write_plate

SHAPE = (300, 520)
FULL = PlateInfo(
    "full",
    ("A01", "B12", "AF48"),
    (1, 4),
    ("DNA", "GFP"),
    SHAPE,
    np.dtype("uint16"),
    0.65,
    time=(0, 5),
    z=(1, 2, 4),
    z_step=1.5,
    plate_format=1536,
    coordinates={
        "exposure": Coordinate(("channel",), (0.1, np.nan), "s"),
        "position_x": Coordinate(("well", "field"), [[1.0, 2.0], [np.nan, 4.0], [5.0, 6.0]], "um"),
        "acquired": Coordinate(("well", "field"), [[1617051328.987, 0.0], [np.nan, 4.0], [5.0, 6.0]], "s"),
    },
    flatfield={"GFP": Flatfield(((1.0,), (0.1, 0.0)), (260.0, 150.0), (0.002, 0.002))},
)
FLAT = PlateInfo("flat", ("A01", "C03"), (1, 2), ("DNA", "GFP"), SHAPE, np.dtype("uint8"), None)


@pytest.fixture(params=[FULL, FLAT], ids=["time and z", "2-D"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[xr.Dataset, Path]:
    """A plate of noise in which an image, a field and a channel of a well were not acquired; and its folder."""
    info: PlateInfo = request.param
    shape = [len(labels) for labels in info.labels.values()]
    rng = np.random.default_rng(0)
    present = np.ones(shape, bool)
    present[1, 0] = False
    present[(0, 1, *(0,) * (len(shape) - 2))] = False
    image = rng.integers(0, 256, (*shape, *SHAPE), dtype=info.dtype) * present[..., None, None]
    plate = make_plate(info, image, present)
    return plate, write_plate(plate, tmp_path, progress=False)


def test_it_is_read_back_as_it_was(written: tuple[xr.Dataset, Path]) -> None:
    plate, path = written
    xr.testing.assert_identical(open_plate(path).compute(), plate.compute())


def test_zarr_reads_the_same_pixels_at_every_label(written: tuple[xr.Dataset, Path]) -> None:
    plate, path = written
    for well, field in product(plate.well.values, plate.field.values):
        one = plate.sel(well=well, field=field)
        folder = path / one.row.item() / f"{one.column.item():02d}" / str(field)
        assert folder.is_dir() == bool(one.present.any())
        if folder.is_dir():
            np.testing.assert_array_equal(zarr.open_array(folder / "0", mode="r")[...], one.image.to_numpy())
            assert (
                len(list((folder / "0" / "c").rglob("0"))) == plate.image.ndim - 2
            )  # folders, and one file: the shard


def test_it_is_valid_ome_zarr(written: tuple[xr.Dataset, Path]) -> None:
    plate, path = written
    hcs = HCS.from_zarr(zarr.open_group(path, mode="r"))
    wells = zip(hcs.ome_attributes.plate.wells, hcs.well_groups, strict=True)
    fields = [path / well.path / image.path for well, group in wells for image in group.ome_attributes.well.images]
    others = [dim for dim in plate.present.dims if dim not in ("well", "field")]
    assert len(fields) == int(plate.present.any(others).sum())
    for field in fields:
        image = Image.from_zarr(zarr.open_group(field, mode="r"))
        names = [axis.name for axis in image.ome_attributes.multiscales[0].axes]
        assert names == [{"time": "t", "channel": "c"}.get(dim, dim) for dim in plate.image.dims[2:]]


def test_ngio_finds_the_right_pixels_in_the_right_wells(written: tuple[xr.Dataset, Path]) -> None:
    plate, path = written
    opened = ngio.open_ome_zarr_plate(path)
    found = 0
    for well in plate.well.values:
        one = plate.sel(well=well)
        images = opened.get_well_images(row=one.row.item(), column=one.column.item())
        for field, container in images.items():
            image = container.get_image()
            label = one.sel(field=int(field.rpartition("/")[2]))
            np.testing.assert_array_equal(image.get_as_numpy(), label.image.to_numpy())
            assert image.channel_labels == ["DNA", "GFP"]
            if "pixel_size_um" in plate.attrs:
                assert (image.pixel_size.y, image.pixel_size.x, image.pixel_size.z) == (0.65, 0.65, 1.5)
            found += 1
    assert found == 2 * len(plate.well) - 1
