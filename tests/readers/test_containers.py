"""Files of the microscopes' own programs: each label gives its own pixels, through the import's own way."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pylibCZIrw import czi

from hcskit import open_screen
from hcskit.actions import import_plates
from hcskit.errors import ReaderError
from hcskit.readers import containers, read_folder
from hcskit.testing import CASES, Numbering, StampedPlate, check_reader
from tests.readers.microscope_files import write_dv, write_lif, write_nd2, write_stk

SHAPE = (6, 10)


def images(*sizes: int) -> np.ndarray:
    """Images of which no two are alike."""
    return np.random.default_rng(len(sizes)).integers(0, 60_000, (*sizes, *SHAPE), dtype=np.uint16)


def test_nd2_of_a_plate(tmp_path: Path) -> None:
    stacks = images(3, 2, 3, 2)
    places = ((100.0, 50.0), (300.0, 50.0), (100.0, 50.0))
    write_nd2(tmp_path / "Plate7.nd2", stacks, ("A01_0001", "A01_0002", "B12_0001"), ("DAPI", "GFP"), places)
    (index,) = read_folder(tmp_path)
    assert (index.plate, index.channels, index.pixel_size, index.z_step) == ("Plate7", ("DAPI", "GFP"), 0.65, 2.5)
    assert (index.excitation, index.emission["GFP"]) == ({"DAPI": 405.0, "GFP": 488.0}, 548.0)
    plate = open_screen(tmp_path)["Plate7"].to_dataset()
    assert dict(plate.sizes) == {"well": 2, "field": 2, "time": 2, "channel": 2, "z": 3, "y": 6, "x": 10}
    assert not plate.present.sel(well="B12", field=2).any()
    for number, (well, field) in enumerate((("A01", 1), ("A01", 2), ("B12", 1))):
        for time, plane, channel in np.ndindex(2, 3, 2):
            place = {
                "well": well,
                "field": field,
                "time": time + 1,
                "z": plane + 1,
                "channel": ("DAPI", "GFP")[channel],
            }
            np.testing.assert_array_equal(plate.image.sel(place), stacks[number, time, plane, channel])
    assert plate.position_x.sel(well="A01").to_numpy().tolist() == [-100, 100]


@pytest.mark.parametrize("compressed", [False, True])
def test_nd2_of_jobs_one_file_a_well(tmp_path: Path, compressed: bool) -> None:
    pixels = images(2, 2, 1, 1, 1)
    for number, (well, channel) in enumerate((w, c) for w in ("B02", "C03") for c in ("DAPI", "GFP")):
        path = tmp_path / "Plate 1" / f"Well{well}_Channel{channel}_Seq{number:04}.nd2"
        path.parent.mkdir(exist_ok=True)
        one = pixels[number // 2, number % 2]
        write_nd2(path, one[np.newaxis], channels=(channel,), compressed=compressed)
    import_plates(tmp_path, tmp_path / "screen", progress=False, say=lambda _: None)
    plate = open_screen(tmp_path / "screen")["Plate 1"].to_dataset()
    assert plate.image.sel(well="C03", channel="GFP", field=1).equals(plate.image[1, 0, 1])
    np.testing.assert_array_equal(plate.image.squeeze("field"), pixels.squeeze((2, 3, 4)))


def test_frames_of_a_stopped_nd2_are_missing_and_not_black(tmp_path: Path) -> None:
    write_nd2(tmp_path / "P.nd2", images(2, 1, 3, 1), ("A01", "A02"), ("DAPI",), ((0, 0), (9, 9)), frames=4)
    (index,) = read_folder(tmp_path)
    assert [name.partition(", by")[0] for name in index.absent] == [
        f"well A02, field 1, DAPI, plane {plane}, time point 1" for plane in (2, 3)
    ]
    with pytest.raises(ReaderError, match=r"(?s)2 image\(s\) of plate P .*--allow-missing"):
        import_plates(tmp_path, tmp_path / "screen", progress=False, say=lambda _: None)


def write_czi(
    path: Path, pixels: np.ndarray, scenes: dict[int, tuple[str, str]], skip: tuple[int, int] = (-1, -1)
) -> None:
    """Write (scene, channel, plane, y, x); `scenes` are well and name by number, `skip` is a scene and a channel."""
    with czi.create_czi(str(path)) as file:
        for place, scene in enumerate(scenes):
            for channel, plane in np.ndindex(pixels.shape[1:3]):
                if (scene, channel) != skip:
                    at = {"C": channel, "Z": plane, "T": 0}
                    file.write(pixels[place, channel, plane], plane=at, scene=scene, location=(100 * place, 0))
        names = {0: "DAPI", 1: "GFP"}
        file.write_metadata("plate", channel_names=names, scale_x=0.5e-6, scale_y=0.5e-6, scale_z=2e-6)
    with czi.edit_czi(str(path)) as editor, editor.edit_session() as session:
        described = "".join(
            f'<Scene Index="{number}" Name="{name}"><CenterPosition>{100 * rank},{50 * rank}</CenterPosition>'
            f"<ArrayName>{well}</ArrayName></Scene>"
            for rank, (number, (well, name)) in enumerate(scenes.items())
        )
        xml = session.get_xml()
        session.set_xml(xml.replace("<Dimensions>", f"<Dimensions><S><Scenes>{described}</Scenes></S>"))


def test_czi_of_a_plate(tmp_path: Path) -> None:
    pixels = images(3, 2, 2)
    # Scene 2 was taken out in ZEN: numbers have a gap.
    write_czi(tmp_path / "P1.czi", pixels, {0: ("B4", "P1"), 1: ("B4", "P2"), 3: ("C5", "P1")})
    (index,) = read_folder(tmp_path)
    assert (index.plate, index.channels, index.pixel_size, index.z_step) == ("P1", ("DAPI", "GFP"), 0.5, 2.0)
    plate = open_screen(tmp_path)["P1"].to_dataset()
    for number, (well, field) in enumerate((("B04", 1), ("B04", 2), ("C05", 1))):
        np.testing.assert_array_equal(plate.image.sel(well=well, field=field), pixels[number])
    assert plate.position_y.sel(well="B04").to_numpy().tolist() == [25, -25]


def test_what_a_czi_lacks_is_missing(tmp_path: Path) -> None:
    write_czi(tmp_path / "P1.czi", images(2, 2, 2), {0: ("B4", "P1"), 1: ("C5", "P1")}, skip=(1, 0))
    (index,) = read_folder(tmp_path)
    assert [name.partition(", by")[0] for name in index.absent] == [
        f"well C05, field 1, DAPI, plane {plane}, time point 1" for plane in (1, 2)
    ]


def test_lif_of_a_plate(tmp_path: Path) -> None:
    stacks = images(3, 2, 2, 2)
    names = ("Plate/A1/R1", "Plate/A1/R2", "Plate/B3/R1")
    overview = np.zeros((1, 1, 2, 3, 4), np.uint16)
    write_lif(tmp_path / "P.lif", {**dict(zip(names, stacks, strict=True)), "Overview": overview}, ("Blue", "Green"))
    (index,) = read_folder(tmp_path)
    assert (index.plate, index.channels, index.pixel_size, index.z_step) == ("P", ("Blue", "Green"), 0.5, 2.0)
    assert [len(files) for files in index.left_out.values()] == [1]
    plate = open_screen(tmp_path)["P"].to_dataset()
    for stack, (well, field) in zip(stacks, (("A01", 1), ("A01", 2), ("B03", 1)), strict=True):
        np.testing.assert_array_equal(plate.image.sel(well=well, field=field), stack.transpose(0, 2, 1, 3, 4))


def test_stacks_of_metamorph(tmp_path: Path) -> None:
    planes = images(2, 3)
    write_stk(tmp_path / "run_A01_s1.stk", planes[0], (2.0, 2.0, 2.0))
    write_stk(tmp_path / "run_A01_s2.stk", planes[1], (2.0, 2.0, 2.0))
    (index,) = read_folder(tmp_path)
    assert (index.channels, index.pixel_size, index.z_step) == (("DAPI",), 0.325, 2.0)
    plate = open_screen(tmp_path)[index.plate].to_dataset()
    np.testing.assert_array_equal(plate.image.sel(well="A01", channel="DAPI"), planes)


def test_a_stack_without_distances_is_a_series(tmp_path: Path) -> None:
    write_stk(tmp_path / "run_A01_s1.stk", images(3), (0.0, 0.0, 0.0))
    (index,) = read_folder(tmp_path)
    assert (index.table.time.tolist(), index.table.z.unique().tolist()) == ([1, 2, 3], [1])


def test_what_a_plugin_of_bioio_reads(tmp_path: Path) -> None:
    stack = images(3, 2)
    write_dv(tmp_path / "run_B07_s1.dv", stack)
    (index,) = read_folder(tmp_path)
    assert (index.pixel_size, index.z_step) == (0.5, 2.0)
    plate = open_screen(tmp_path)[index.plate].to_dataset()
    np.testing.assert_array_equal(plate.image.sel(well="B07", field=1), stack.transpose(1, 0, 2, 3))


NUMBERING = Numbering(
    without=("time", "z", "plate"),
    metadata={
        "pixel_size": 0.65,
        "excitation": {"DNA": 405.0, "Actin": 488.0, "Tubulin": 571.0},
        "emission": {"DNA": 465.0, "Actin": 548.0, "Tubulin": 631.0},
    },
)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_conformance_of_nd2(case: str, tmp_path: Path) -> None:
    check_reader(containers.nd2, write_jobs, tmp_path, case, NUMBERING)


def write_jobs(folder: Path, plate: StampedPlate) -> None:
    """Write each field of a plate as a JOB does: a file of all its channels."""
    files = defaultdict(list)
    for label in plate.images:
        files[label.well, label.field].append(label)
    for (well, field), labels in files.items():
        labels.sort(key=lambda label: plate.channels.index(label.channel))
        names = [label.channel for label in labels]
        stack = np.stack([plate.pixels(label) for label in labels])[np.newaxis, np.newaxis, np.newaxis]
        path = folder / f"Well{well}_Point{well}_{field:04}_Channel{','.join(names)}_Seq0001.nd2"
        write_nd2(path, stack, ("",), names, lights=[NUMBERING.metadata["excitation"][name] for name in names])


WRITERS: dict[str, Callable[[Path], object]] = {
    "nd2": lambda path: write_nd2(path, images(1, 1, 1, 1)),
    "lif": lambda path: write_lif(path, {"x": images(1, 1, 1)}),
    "stk": lambda path: write_stk(path, images(2), (1.0, 1.0)),
    "czi": lambda path: write_czi(path, images(1, 2, 1), {0: ("", "")}),
}


@pytest.mark.slow
@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_that_was_cut_off_is_bad_and_stops_no_other(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "P").mkdir()
    for well in ("A01", "A02"):
        WRITERS[suffix](tmp_path / "P" / f"run_{well}_s1.{suffix}")
    cut = tmp_path / "P" / f"run_A02_s1.{suffix}"
    cut.write_bytes(cut.read_bytes()[:-150])
    with pytest.raises(ReaderError, match=rf"1 of 2 image file\(s\) cannot be used:\n  - {cut} "):
        import_plates(tmp_path, tmp_path / "screen", progress=False, say=lambda _: None)
    import_plates(tmp_path, tmp_path / "screen", progress=False, say=lambda _: None, allow_missing=True)
    assert open_screen(tmp_path / "screen")["P"].well.to_numpy().tolist() == ["A01"]


def test_a_file_that_says_no_well_is_refused_with_what_it_says(tmp_path: Path) -> None:
    write_nd2(tmp_path / "experiment 5.nd2", images(1, 1, 1, 1), ("site one",))
    with pytest.raises(ReaderError, match=r"'experiment 5\.nd2', and its positions 'site one'; expected a name"):
        read_folder(tmp_path)


def test_a_pattern_reads_such_files_too(tmp_path: Path) -> None:
    stack = images(1, 1, 3, 1)
    write_nd2(tmp_path / "probe-7.nd2", stack)
    layout = tmp_path / "mine.yaml"
    layout.write_text("name: mine\npattern: 'probe-(?P<well_number>\\d+)\\.nd2'\npages: z\n")
    plate = next(iter(open_screen(tmp_path, reader=layout).children.values())).to_dataset()
    np.testing.assert_array_equal(plate.image.sel(well="A07").squeeze(), stack.squeeze())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "library"), [("nd2", "nd2"), ("czi", "pylibCZIrw"), ("lif", "liffile"), ("dv", "bioio")]
)
def test_without_the_extra_the_message_says_what_to_install(tmp_path: Path, suffix: str, library: str) -> None:
    (tmp_path / f"A01.{suffix}").write_bytes(b"")
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        f"from hcskit.readers import read_folder; read_folder({str(tmp_path)!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    extra = suffix if suffix != "dv" else "bioio"
    assert f"pip install 'hcskit[{extra}]'" in done.stderr
    assert "bioformats2raw" in done.stderr
