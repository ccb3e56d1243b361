"""Labelled images in folders: what is known of each from its name, and learning from them by the commands."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from hcskit.cli import main
from hcskit.data import ImageFolder, open_data, split_groups
from hcskit.errors import InputError, NotAScreenError
from hcskit.recipe import Recipe
from hcskit.recipe._recipe import DataSection
from hcskit.training import load_model

PATTERN = r"^(?P<plate>[^_]+)_(?P<well>[A-P]\d\d)_"
PLATES, WELLS = ("p1", "p2", "p3"), ("A01", "A02")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Dark and bright squares of 16×16 on three plates, two wells of each kind and two images of each well."""
    rng = np.random.default_rng(0)
    for label, level in (("dark", 60), ("bright", 180), ("unusable", 0)):
        (tmp_path / "crops" / label).mkdir(parents=True)
        for plate in PLATES:
            for well in WELLS:
                for number in (1, 2):
                    image = rng.normal(level, 10, (16, 16)).clip(0, 255).astype(np.uint8)
                    Image.fromarray(image).save(tmp_path / "crops" / label / f"{plate}_{well}_{number}.png")
    return tmp_path / "crops"


def _recipe(**data: object) -> Recipe:
    return Recipe.model_validate(
        {
            "data": {"crop": None, "exclude": ["unusable"], "pattern": PATTERN, **data},
            "split": {"by": "plate", "validation": 0.3},
            "model": {"scales": 2, "features": 8, "hidden": 8},
            "optimiser": {"epochs": 12, "batch": 8, "learning_rate": 0.01},
            "augmentation": {"gain": 0.0, "mixup": 0.0},
        }
    )


def test_an_image_is_known_by_its_folder_and_its_name(folder: Path) -> None:
    shutil.copytree(folder / "dark", folder / ".ipynb_checkpoints")
    table = ImageFolder(folder).label(_recipe().data)
    assert table["file"].is_monotonic_increasing
    assert table.groupby(["label", "plate"]).size().to_dict() == {
        (label, plate): 4 for label in ("bright", "dark") for plate in PLATES
    }
    assert not table.duplicated(["plate", "well", "field"]).any()
    alone = ImageFolder(folder).label(DataSection())
    assert set(alone["label"]) == {"bright", "dark", "unusable"}
    assert alone["plate"].eq("crops").all()
    assert alone["well"].is_unique


def test_a_plate_and_a_well_may_be_folders_above_that_of_the_class(folder: Path, tmp_path: Path) -> None:
    deep = tmp_path / "deep"
    for path in sorted(folder.rglob("*.png")):
        plate, well, name = path.name.split("_")
        target = deep / plate / well / path.parent.name / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    known = ["label", "plate", "well", "field"]
    told = ImageFolder(deep).label(_recipe(pattern="^(?P<plate>[^/]+)/(?P<well>[^/]+)/").data)
    flat = ImageFolder(folder).label(_recipe().data)
    pd.testing.assert_frame_equal(
        told[known].sort_values(known, ignore_index=True), flat[known].sort_values(known, ignore_index=True)
    )


def test_wells_that_a_pattern_does_not_tell_apart_are_not_split(folder: Path) -> None:
    options = _recipe().model_dump(mode="json")
    options["data"]["pattern"] = "^(?P<plate>[^_]+)_"
    assert set(ImageFolder(folder).label(Recipe.model_validate(options).data)["plate"]) == set(PLATES)
    options["split"]["by"] = "well"
    with pytest.raises(ValueError, match=r"split by well, and the pattern .* finds none.* such as plate"):
        Recipe.model_validate(options)
    options["data"]["pattern"] = None
    table = ImageFolder(folder).label(Recipe.model_validate(options).data)
    assert split_groups(table, "well", 0.25, 0).sum() == 6  # a quarter of the images of each class, one by one


def test_each_image_is_read_as_it_is(folder: Path) -> None:
    images = open_data(folder)
    table = images.label(_recipe().data)
    source, binned = (images.source(table, images.channels, binning) for binning in (1, 2))
    for row, file in enumerate(table["file"]):
        pixels = np.asarray(Image.open(folder / file))
        np.testing.assert_array_equal(source.read(row)[..., 0], pixels)
        np.testing.assert_allclose(binned.read(row)[..., 0], pixels.reshape(8, 2, 8, 2).mean((1, 3)))


@pytest.mark.parametrize(("shape", "channels"), [((6, 5), ("grey",)), ((6, 5, 3), ("red", "green", "blue"))])
def test_tiff_and_colours_are_read(tmp_path: Path, shape: tuple[int, ...], channels: tuple[str, ...]) -> None:
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape) * 300
    tifffile.imwrite(tmp_path / "one.tif", pixels)
    images = ImageFolder(tmp_path)
    assert (images.image_shape, images.channels, images.dtype) == ((6, 5), channels, np.uint16)
    source = images.source(pd.DataFrame({"file": ["one.tif"]}), channels[::-1], 1)
    np.testing.assert_array_equal(source.read(0), pixels.reshape(6, 5, -1)[..., ::-1])


def test_pictures_are_decoded_as_those_of_a_plate_are(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (6, 5, 4), np.uint8)
    Image.fromarray(colours).save(tmp_path / "one.png")
    images = ImageFolder(tmp_path)
    source = images.source(pd.DataFrame({"file": ["one.png"]}), images.channels, 1)
    np.testing.assert_array_equal(source.read(0), colours[..., :3])
    few = Image.fromarray(colours[..., :3]).convert("P", palette=Image.Palette.WEB)
    few.save(tmp_path / "one.png")
    np.testing.assert_array_equal(source.read(0), np.asarray(few.convert("RGB")))
    with tifffile.TiffWriter(tmp_path / "holes.tif") as tiff:
        tiff.write(np.ones((6, 5), np.uint8))
    with tifffile.TiffFile(tmp_path / "holes.tif", mode="r+") as tiff:
        tiff.pages.first.tags["StripByteCounts"].overwrite(0)  # as a copy that was cut off; it decodes to zeros
    with pytest.raises(InputError, match=r"holes.tif is truncated: .*copy it again"):
        images.source(pd.DataFrame({"file": ["holes.tif"]}), ("grey",), 1)


def test_what_cannot_be_used_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'\^\(\?P<row>\\d\)' does not fit 'p1_A01_1.png'"):
        ImageFolder(folder).label(DataSection(pattern=r"^(?P<row>\d)"))
    with pytest.raises(InputError, match="not all of it"):
        ImageFolder(folder).label(DataSection(pattern=r"^p1(?P<batch>x)?|^p"))
    with pytest.raises(ValueError, match="a group called label"):
        DataSection(pattern=r"(?P<label>.)")
    with pytest.raises(InputError, match=r"at least two subfolders of .*found bright"):
        ImageFolder(folder).label(DataSection(exclude=("dark", "unusable")))
    with pytest.raises(NotAScreenError, match=r"nor does .* hold images"):
        open_data(tmp_path / "nowhere")
    images = ImageFolder(folder)
    table = images.label(_recipe().data)
    with pytest.raises(InputError, match="have no channel red"):
        images.source(table, ("red",), 1)
    Image.new("L", (16, 17)).save(folder / table["file"][1])
    with pytest.raises(InputError, match=r"p1_A01_2.png is 17×16×1 uint8; .* is 16×16×1 uint8: use one size"):
        images.source(table, images.channels, 1).read(1)
    Image.fromarray(np.zeros((16, 16), np.uint16)).save(folder / table["file"][2])
    with pytest.raises(InputError, match=r"p1_A02_1.png is 16×16×1 uint16; .* is 16×16×1 uint8: use one size and type"):
        images.source(table, images.channels, 1).read(2)
    (folder / table["file"][0]).write_bytes(b"no image")
    with pytest.raises(InputError, match=r"p1_A01_1.png cannot be read as an image"):
        images.source(table, images.channels, 1)


@pytest.mark.slow
def test_the_commands_learn_from_images_and_tell_others_apart(folder: Path, tmp_path: Path) -> None:
    _recipe().to_yaml(tmp_path / "recipe.yaml")
    held_out = tmp_path / "held out"
    for path in sorted(folder.rglob("p3*.png")):
        (held_out / path.parent.name).mkdir(parents=True, exist_ok=True)
        path.rename(held_out / path.parent.name / path.name)
    trained = CliRunner().invoke(
        main, ["train", str(tmp_path / "recipe.yaml"), "--data", str(folder), "--out", str(tmp_path / "model")]
    )
    assert trained.exit_code == 0, trained.output
    assert load_model(tmp_path / "model")[1].dtype == "uint8"
    out = tmp_path / "predictions.csv"
    done = CliRunner().invoke(main, ["predict", str(tmp_path / "model"), str(held_out), "--out", str(out)])
    assert done.exit_code == 0, done.output
    table = pd.read_csv(out)
    assert list(table.columns) == ["file", "bright", "dark"]
    assert table["file"].tolist() == sorted(path.relative_to(held_out).as_posix() for path in held_out.rglob("*.png"))
    np.testing.assert_allclose(table[["bright", "dark"]].sum(axis=1), 1, atol=1e-5)
    truth = table["file"].str.split("/").str[0]
    told = table[["bright", "dark"]].idxmax(axis=1)
    assert (told == truth)[truth != "unusable"].mean() > 0.9
