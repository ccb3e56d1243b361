"""File-name layouts: which names are read as what, and what is refused."""

from pathlib import Path

import pytest

from hcskit.errors import ReaderError
from hcskit.readers import FilePattern, presets, read_folder

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
        (b"", "valid dictionary"),
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
    with pytest.raises(ReaderError, match=r"none.yaml is not a file-name pattern: .*No such file"):
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
        tmp_path, f"{home}/4X_t3_B03_s1_w0_z0.tif", f"{home}/4X_projection_t0_B03_s1_w0_z0.tif", "Run_1/autofocus/x.tif"
    )
    (index,) = read_folder(tmp_path / inside)
    assert index.table.drop(columns="path").to_numpy().tolist() == [["B03", 1, 3, "w0", 0, 0]]
    assert index.plate == plate


def test_the_layouts_that_are_shipped() -> None:
    assert list(presets()) == ["bbbc013", "harmony-names", "imagexpress-hcs", "incell", "simulated"]


def test_folders_whose_names_do_not_say_the_plate_are_a_plate_each(tmp_path: Path) -> None:
    names = ("w/a/Channel1-01-A-01.tif", "w/a/Channel1-02-A-02.tif", "w/b/Channel1-03-A-03.tif")
    first, second = read_folder(touch(tmp_path, *names))
    assert [(index.plate, *index.table.well) for index in (first, second)] == [("a", "A01", "A02"), ("b", "A03")]
    assert first.notes == ("no file name says the plate: each of 2 folders is taken for one",)
    touch(tmp_path, "v/b/Channel1-03-A-03.tif")
    assert [index.plate for index in read_folder(tmp_path)] == ["v-b", "w-a", "w-b"]
    assert [(index.plate, index.notes) for index in read_folder(tmp_path / "v")] == [("v", ())]
