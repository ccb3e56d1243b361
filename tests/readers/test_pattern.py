"""File-name layouts: which names are read as what, and what is refused."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import xarray as xr

from hcskit import open_screen
from hcskit.actions import import_plates
from hcskit.errors import ReaderError
from hcskit.readers import FilePattern, file_images, list_files, presets, read_folder
from hcskit.store import open_plate

PATTERN = r"(?P<well>[A-Z]+\d+)-(?P<field>\w+)-(?P<channel>\w+)\.tif"


def labels(folder: Path, **options: str) -> set[tuple[str, str, int, str, str]]:
    return {
        (index.plate, row.well, row.field, row.channel, Path(row.path).name)
        for index in read_folder(folder, **options)
        for row in index.table.itertuples()
    }


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_each_layout_reads_its_own_names(tmp_path: Path) -> None:
    bbbc = touch(tmp_path / "bbbc", "Channel1-07-A-07.tif", "Channel2-07-A-07.TIFF", "notes.txt", "Results.tif")
    assert labels(bbbc) == {
        ("bbbc", "A07", 1, "FKHR-GFP", "Channel1-07-A-07.tif"),
        ("bbbc", "A07", 1, "DNA", "Channel2-07-A-07.TIFF"),
    }
    ours = touch(tmp_path / "ours", "day 1/my_plate_AF48_f12_DNA.tif", "day 2/my_plate2_B02_f01_DNA.tif")
    assert labels(ours) == {
        ("my_plate", "AF48", 12, "DNA", "my_plate_AF48_f12_DNA.tif"),
        ("my_plate2", "B02", 1, "DNA", "my_plate2_B02_f01_DNA.tif"),
    }


def test_a_reader_opens_no_file(tmp_path: Path) -> None:
    """Reading the names of unreadable files works; their plates do not."""
    (index,) = read_folder(touch(tmp_path, "P_A01_f01_DNA.tif"))
    with pytest.raises(ReaderError, match=r"P_A01_f01_DNA\.tif is not a readable TIFF"):
        index.info()


def test_the_channel_table_gives_order_and_names(tmp_path: Path) -> None:
    touch(tmp_path, "Channel2-07-A-07.tif")
    (index,) = read_folder(tmp_path)
    assert index.channels == ("FKHR-GFP", "DNA")


def test_a_plate_is_called_as_asked_where_names_do_not_say_it(tmp_path: Path) -> None:
    folder = touch(tmp_path, "Channel1-07-A-07.tif")
    assert {row[0] for row in labels(folder, plate="X")} == {"X"}


def test_what_a_mac_leaves_beside_each_file_is_no_image(tmp_path: Path) -> None:
    touch(tmp_path, "P_A01_f01_DNA.tif", "._P_A01_f01_DNA.tif")
    assert {row[-1] for row in labels(tmp_path)} == {"P_A01_f01_DNA.tif"}


def test_one_image_in_two_files_is_refused_with_both(tmp_path: Path) -> None:
    touch(tmp_path, "a/P_A01_f01_DNA.tif", "b/P_A01_f01_DNA.tif", "b/P_B01_f01_DNA.tif")
    with pytest.raises(ReaderError, match="plate P, well A01, field 1, channel DNA is both") as caught:
        read_folder(tmp_path)
    assert str(tmp_path / "a" / "P_A01_f01_DNA.tif") in str(caught.value)
    assert str(tmp_path / "b" / "P_A01_f01_DNA.tif") in str(caught.value)


def test_folders_without_a_plate_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match=r"there is no folder .*nowhere"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(ReaderError, match=r"no reader knows this layout .*it holds no image file \(.*\.tif"):
        read_folder(touch(tmp_path, "sub/readme.txt"))
    touch(tmp_path, "scan.tif")
    with pytest.raises(ReaderError, match=r"no reader knows this layout \(tried .*bbbc013.* named like 'scan.tif'"):
        read_folder(tmp_path)
    with pytest.raises(ReaderError, match=r"there is no reader 'operetta'; known: .*bbbc013, .*simulated"):
        read_folder(tmp_path, "operetta")


def test_a_layout_in_yaml_needs_no_python(tmp_path: Path) -> None:
    layout = tmp_path / "mine.yaml"
    layout.write_text(f"name: mine\npattern: '{PATTERN}'\nchannels: {{w2: DNA, w1: GFP}}\npixel_size_um: 0.3\n")
    folder = touch(tmp_path / "images", "C3-2-w1.tif", "C3-2-w2.tif", "overview.tif")
    assert labels(folder, reader=str(layout)) == {
        ("images", "C03", 2, "GFP", "C3-2-w1.tif"),
        ("images", "C03", 2, "DNA", "C3-2-w2.tif"),
    }
    (index,) = read_folder(folder, layout)
    assert (index.channels, index.pixel_size) == (("DNA", "GFP"), 0.3)
    touch(folder, "C3-2-w3.tif")
    with pytest.raises(ReaderError, match="channel w3 is not in the channel table of mine; it knows w2, w1"):
        read_folder(folder, layout)


def test_channels_that_are_numbers_in_yaml(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\npattern: '(?P<well>...)_(?P<channel>.).tif'\nchannels: {1: DNA}\n")
    (index,) = read_folder(touch(tmp_path, "A01_1.tif"), tmp_path / "mine.yaml")
    assert index.channels == ("DNA",)


@pytest.mark.parametrize("name", ["ZZ9-1-w1.tif", "A1-s1-w1.tif"])
def test_labels_that_make_no_sense_are_refused_with_the_file(tmp_path: Path, name: str) -> None:
    layout = FilePattern(name="mine", pattern=PATTERN)
    with pytest.raises(ReaderError, match=f"{name}: .*the pattern of mine does not fit"):
        layout.index(tmp_path, [tmp_path / name])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is not a file-name pattern:"),
        (b"name: [", "is not a file-name pattern"),
        (b"\xff\xfe\x00", "is not a file-name pattern"),
        (b"name: x\npattern: '('\n", "not a regular expression"),
        (b"name: x\npattern: '(?P<field>.)'\n", "must name the group well"),
        (b"name: x\npattern: '(?P<well>.)(?P<dye>.)'\n", "unknown group dye"),
        (b"name: x\npattern: '(?P<well>.)'\nchanels: {}\n", "chanels"),
        (b"name: x\npattern: '(?P<well>.)'\nchannels: {a: DNA, b: DNA}\n", "two channels have one name"),
        (b"!!python/object/apply:os.system ['echo']\n", "is not a file-name pattern"),
    ],
)
def test_a_bad_yaml_layout_is_refused_with_its_path(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(text)
    with pytest.raises(ReaderError, match=message) as caught:
        read_folder(touch(tmp_path, "a.tif"), path)
    assert str(path) in str(caught.value)


def test_a_missing_yaml_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match=r"no file .*none.yaml; expected a file-name pattern"):
        read_folder(touch(tmp_path, "a.tif"), tmp_path / "none.yaml")


def test_the_real_plate_is_found_whole(shared_data: Path) -> None:
    (index,) = read_folder(shared_data / "bbbc013")
    info = index.info()
    assert (len(info.wells), info.fields, info.channels) == (48, (1,), ("FKHR-GFP", "DNA"))
    assert (info.shape, info.dtype.name, info.pixel_size, len(index.table)) == ((640, 640), "uint8", None, 96)


@pytest.mark.parametrize(
    ("inside", "plate"),
    [
        (".", "Run_1"),
        ("Run_1", "Run_1"),
        ("Run_1/experiment", "experiment"),
        ("Run_1/experiment/timepoint0", "timepoint0"),
    ],
)
def test_imagexpress_hcs_from_any_of_its_folders(inside: str, plate: str, tmp_path: Path) -> None:
    home = "Run_1/experiment/timepoint0"
    touch(
        tmp_path, f"{home}/4X_t3_B03_s1_w0_z0.tif", f"{home}/4X_projection_t3_B03_s1_w0_z0.tif", "Run_1/autofocus/x.tif"
    )
    (index,) = read_folder(tmp_path / inside)
    assert index.table.drop(columns="path").to_numpy().tolist() == [["B03", 1, 3, "w0", 0, 0]]
    assert index.plate == plate


def test_the_layouts_that_are_shipped() -> None:
    assert {"bbbc013", "harmony-names", "imagexpress-hcs", "incell", "scanr", "incucyte", "simulated"} <= set(presets())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "reader", "label"),
    [
        ("A - 01(fld 1 wv UV - DAPI z 3 time 2 - 5272ms).tif", "incell", ("A01", 1, 2, "UV - DAPI", 3)),
        ("Plate 1_P - 24(fld 09 wv Green - dsRed).tif", "incell", ("P24", 9, 1, "Green - dsRed", 1)),
        ("A - 13(fld 2).tif", "incell", ("A13", 2, 1, "1", 1)),
        ("A1--W00001--P00002--Z00003--T00004--DAPI.tif", "scanr", ("A01", 2, 4, "DAPI", 3)),
        ("A1--W00001--P00002--Z00003--T00004--GFP.ome.tif", "scanr", ("A01", 2, 4, "GFP", 3)),
        ("s-1uM--B2--B2--W0014--P001--T00001--Z001--C02.ome.jpeg", "embl", ("B02", 1, 1, "02", 1)),
        ("-B012--PO03--LO002--CO6--SL004--PX32500--PW0080--WE00024.tif", "acquifer", ("B12", 3, 2, "CO6", 4)),
        ("B2_01_1_3_DAPI_001.tif", "cytation", ("B02", 3, 1, "DAPI", 1)),
        ("B12_-1_2_1_Stitched[GFP 469,525]_002.tif", "cytation", ("B12", 1, 2, "GFP 469,525", 1)),
        ("MFGTMP_200101120000_A01f00d0.tif", "cellinsight", ("A01", 0, 1, "d0", 1)),
        ("P1_B03_T0002F003L01A01Z04C05.tif", "cellvoyager-names", ("B03", 3, 2, "C05", 4)),
        ("HUVEC-01/Plate1/B02_s1_w4.png", "rxrx1", ("B02", 1, 1, "w4", 1)),
        ("P/B03-Site_0/img_000000002_DAPI_004.tif", "micromanager", ("B03", 0, 2, "DAPI", 4)),
        ("P_a01_s1_w2.tif", "imagexpress-sites", ("A01", 1, 1, "w2", 1)),
        ("B02_s1_w1_z3.tif", "metaxpress", ("B02", 1, 1, "w1", 3)),
    ],
)
def test_names_in_the_field(name: str, reader: str, label: tuple[object, ...], tmp_path: Path) -> None:
    found = read_folder(touch(tmp_path, name))
    (index,) = found
    assert found.reader == reader
    assert index.table[["well", "field", "time", "channel", "z"]].to_numpy().tolist() == [list(label)]


@pytest.mark.parametrize("channel", ["UV - DAPI bin 2 foo 3", "DAPI) (x"])
def test_what_an_incell_name_has_more_is_not_taken_into_the_channel(channel: str, tmp_path: Path) -> None:
    touch(tmp_path, f"A - 01(fld 1 wv {channel}).tif", "A - 02(fld 1 wv DAPI time 1 z 2).tif")
    with pytest.raises(ReaderError):
        read_folder(tmp_path)


def test_times_in_words_are_ordered_and_kept(tmp_path: Path) -> None:
    names = ("VID1_B2_1_2020y03m05d_12h00m.tif", "VID1_B2_1_2020y03m04d_23h30m.tif", "VID1_B3_1_2020y03m05d_12h00m.tif")
    for number, name in enumerate(names):
        tifffile.imwrite(tmp_path / name, np.full((4, 5), number, np.uint16))
    plate = open_screen(tmp_path)["VID1"].to_dataset()
    assert plate.elapsed.to_numpy().tolist() == [0.0, 45000.0]
    assert plate.elapsed.attrs["units"] == "s"
    assert plate.image.sel(well="B02", time=1).to_numpy().max() == 1
    assert not plate.present.sel(well="B03", time=1).any()
    (path,) = import_plates(read_folder(tmp_path), tmp_path / "screen", progress=False)
    xr.testing.assert_equal(open_plate(path).elapsed, plate.elapsed)


def test_wells_that_are_only_counted(tmp_path: Path) -> None:
    layout = FilePattern(
        name="mine",
        pattern=r"W(?P<well_number>\d+)\.tif",
        wells={"format": 384, "order": "columns", "first": 0},
    )
    touch(tmp_path, "W17.tif", "W383.tif")
    (index,) = layout.index(tmp_path, sorted(tmp_path.iterdir()))
    assert (list(index.table.well), index.plate_format) == (["B02", "P24"], 384)
    touch(tmp_path, "W384.tif")
    with pytest.raises(ReaderError, match=r"W384.tif: well number 384 is not on a plate of 384 wells counted from 0"):
        layout.index(tmp_path, sorted(tmp_path.iterdir()))


def test_wells_that_their_names_do_not_tell_apart(tmp_path: Path) -> None:
    touch(tmp_path, *(f"A1--W{number:05d}--P00001--Z00000--T00000--DAPI.tif" for number in (1, 2, 13)))
    (index,) = read_folder(tmp_path)
    assert list(index.table.well) == ["A01", "A02", "B01"]
    assert index.notes == ("well A01 has several running numbers, so the wells are those of the numbers",)


def test_one_value_of_images_in_colour(tmp_path: Path) -> None:
    values = np.array([[[1, 2, 3], [2, 1, 3], [1, 3, 3], [1, 2, 4]]], np.uint8)
    image = np.broadcast_to(values.transpose(1, 0, 2), (4, 5, 3))
    tifffile.imwrite(tmp_path / "A01.tif", image, photometric="rgb")
    pattern = {"name": "mine", "pattern": r"(?P<well>\w+)\.tif"}
    for options, expected in (
        ({"sample": 1}, {"1": 2}),
        ({"samples": {2: "DNA", 0: "Actin"}}, {"DNA": 3, "Actin": 1}),
    ):
        (index,) = FilePattern(**pattern, **options).index(tmp_path, [tmp_path / "A01.tif"])
        info = index.info()
        pixels = file_images(index, info).variable(info.dims).to_numpy()
        assert dict(zip(info.channels, pixels[0, 0, :, 0, 0].tolist(), strict=True)) == expected
    (index,) = FilePattern(**pattern).index(tmp_path, [tmp_path / "A01.tif"])
    with pytest.raises(ReaderError, match="is in colour"):
        index.info()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "colours",
    [
        lambda grey: [grey, grey, grey],
        lambda grey: [0 * grey, grey, 0 * grey],
        lambda grey: [grey // 3, grey, 7 + 0 * grey],  # a false colour, as that of a green lamp with a hint of red
    ],
)
def test_a_grey_image_that_was_saved_in_colour_is_grey(
    colours: Callable[[np.ndarray], list[np.ndarray]], dtype: type, tmp_path: Path
) -> None:
    """The same pixels are read from it as from the image in grey beside it, whatever the pattern says of neither."""
    grey = np.random.default_rng(0).permutation(252).reshape(14, 18).astype(dtype)
    tifffile.imwrite(tmp_path / "A01.tif", np.stack(colours(grey), axis=-1).astype(dtype), photometric="rgb")
    tifffile.imwrite(tmp_path / "A02.tif", grey, photometric="minisblack")
    (index,) = FilePattern(name="mine", pattern=r"(?P<well>\w+)\.tif").index(tmp_path, sorted(tmp_path.iterdir()))
    info = index.info()
    image = file_images(index, info).variable(info.dims).to_numpy()
    np.testing.assert_array_equal(image[:, 0, 0], [grey, grey])


def test_organoids_are_read_in_green_and_in_grey(tmp_path: Path) -> None:
    """In green as the authors' images are, and in grey as other programs save them."""
    green = np.random.default_rng(0).integers(0, 255, (14, 18), np.uint8)
    name = "plate--fsk--0.32--W{:04d}--P001--T0006--C00.tif"
    tifffile.imwrite(tmp_path / name.format(1), np.stack([0 * green, green, green // 5], -1), photometric="rgb")
    tifffile.imwrite(tmp_path / name.format(2), green, photometric="minisblack")
    (plate,) = (child.to_dataset() for child in open_screen(tmp_path).children.values())
    np.testing.assert_array_equal(plate["image"].squeeze().to_numpy(), [green, green])


@pytest.mark.parametrize(("pages", "axis"), [("channel", "channel"), ("z", "z"), ("time", "time")])
def test_files_of_several_images(pages: str, axis: str, tmp_path: Path) -> None:
    stack = np.stack([np.full((4, 5), value, np.uint16) for value in (7, 8, 9)])
    tifffile.imwrite(tmp_path / "A01.tif", stack, photometric="minisblack")
    channels = {"1": "DNA", "2": "Actin", "3": "Tubulin"} if pages == "channel" else {}
    layout = FilePattern(name="mine", pattern=r"(?P<well>\w+)\.tif", pages=pages, channels=channels)
    (index,) = layout.index(tmp_path, [tmp_path / "A01.tif"])
    info = index.info()
    image = file_images(index, info).variable(info.dims)
    assert image.sizes[axis] == 3
    assert image.isel(y=0, x=0).to_numpy().ravel().tolist() == [7, 8, 9]


def test_a_treatment_in_the_name_makes_the_plate_map(tmp_path: Path) -> None:
    touch(tmp_path, "P--fsk--0.32--W0013--P001--T0000--C00.tif", "P--fsk--2--W0001--P001--T0000--C00.tif")
    (index,) = read_folder(tmp_path)
    assert index.plate_map is not None
    assert index.plate_map.loc["B01", ["compound", "concentration", "concentration_unit", "role"]].to_list() == [
        "fsk",
        0.32,
        "uM",
        "treatment",
    ]


def test_projections_are_told_from_planes_at_each_place(tmp_path: Path) -> None:
    home = "Run_1/experiment/timepoint0/4X"
    touch(tmp_path, f"{home}_t0_B03_s1_w0_z1.tif", f"{home}_projection_t0_B03_s1_w0_z0.tif")
    touch(tmp_path, f"{home}_projection_t0_B04_s1_w0_z0.tif")
    (index,) = read_folder(tmp_path)
    found = sorted(
        (well, z, "projection" in Path(path).name) for well, z, path in index.table[["well", "z", "path"]].to_numpy()
    )
    assert found == [
        ("B03", 1, False),
        ("B04", 1, True),
    ]
    assert [len(files) for files in index.left_out.values()] == [1]


def test_the_parts_of_a_plate_are_no_plates(tmp_path: Path) -> None:
    layout = FilePattern(name="mine", pattern=r"(?P<well>[A-P]\d\d)_(?P<z>\d)\.tif")
    touch(tmp_path, "Plate1/B02/ZStep_1/B02_1.tif", "Plate1/B02/ZStep_2/B02_2.tif", "Plate1/B03/ZStep_1/B03_1.tif")
    assert [index.plate for index in layout.index(tmp_path, list_files(tmp_path))] == ["Plate1"]
    touch(tmp_path, "Plate2/B03/ZStep_1/B03_1.tif")
    assert [index.plate for index in layout.index(tmp_path, list_files(tmp_path))] == ["Plate1", "Plate2"]
    whole = layout.model_copy(update={"one_plate": True})
    with pytest.raises(ReaderError, match="if these are two plates"):
        whole.index(tmp_path, list_files(tmp_path))


def test_a_folder_called_like_a_well_is_a_part_only_where_its_images_are_of_that_well(tmp_path: Path) -> None:
    plates = touch(tmp_path / "a", "P1/Channel1-01-A-01.tif", "P2/Channel1-02-A-02.tif")
    assert [index.plate for index in read_folder(plates)] == ["P1", "P2"]
    wells = touch(tmp_path / "b", "X/A01/Channel1-01-A-01.tif", "X/A02/Channel1-02-A-02.tif")
    assert [index.plate for index in read_folder(wells)] == ["X"]


def test_incucyte_names_may_say_the_channel(tmp_path: Path) -> None:
    names = [
        f"{who}{light}_B2_1_00d{hour:02}h00m.tif"
        for who in ("VID1_", "")
        for light in ("Phase", "Green")
        for hour in (0, 4)
    ]
    named, nameless = read_folder(touch(tmp_path / "run", *names))
    assert (named.plate, nameless.plate) == ("VID1", "run")
    assert named.channels == nameless.channels == ("Green", "Phase")
    assert named.elapsed == {1: 0, 2: 14400}


FORMATS = {
    "MFGTMP_A01f00d0.C01": "only Bio-Formats reads.*bioformats2raw",
    "MFGTMP_A01f00d0.DIB": "only Bio-Formats reads",
    "plate.sqlite": "archive of Harmony",
    "plate.db": "archive of Harmony",
    "plate.zip": "unpack them first",
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_that_no_reader_opens_is_named_with_the_way_round(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReaderError, match=rf"like {re.escape(name)} are of .*{FORMATS[name]}"):
        read_folder(touch(tmp_path, f"x/{name}"))


def test_real_plates_whose_names_say_everything(shared_data: Path) -> None:
    plates = {name: read_folder(shared_data / "vendor" / name) for name in ("scanr", "embl_almf")}
    assert {name: found.reader for name, found in plates.items()} == {"scanr": "scanr", "embl_almf": "embl"}
    plate = open_screen(shared_data / "fis_organoid")["demoplate_01"].to_dataset()
    assert (plate.sizes["well"], plate.sizes["time"], set(plate.role.to_numpy())) == (64, 2, {"treatment"})
    image = tifffile.imread(next((shared_data / "fis_organoid" / "images").glob("*W0014--P001--T0000*")))
    np.testing.assert_array_equal(plate.image.sel(well="B02", time=0).squeeze(), image[..., 1])


def test_folders_whose_names_do_not_say_the_plate_are_a_plate_each(tmp_path: Path) -> None:
    names = ("w/a/Channel1-01-A-01.tif", "w/a/Channel1-02-A-02.tif", "w/b/Channel1-03-A-03.tif")
    first, second = read_folder(touch(tmp_path, *names))
    assert [(index.plate, *index.table.well) for index in (first, second)] == [("a", "A01", "A02"), ("b", "A03")]
    assert first.notes == ("no file name says the plate: each of 2 folders is taken for one",)
    touch(tmp_path, "v/b/Channel1-03-A-03.tif")
    assert [index.plate for index in read_folder(tmp_path)] == ["v-b", "w-a", "w-b"]
    assert [(index.plate, index.notes) for index in read_folder(tmp_path / "v")] == [("b", ())]
