"""Measurements of Yokogawa CellVoyager, whole and faulty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
import tifffile
from PIL import Image

from hcskit.errors import ReaderError
from hcskit.plate import FORMATS, parse_well
from hcskit.readers import ImageIndex, cellvoyager, list_files, read_folder, read_image
from hcskit.testing import CASES, Label, Numbering, StampedPlate, check_reader

NAMESPACE = 'xmlns:bts="http://www.yokogawa.co.jp/BTS/BTSSchema/1.0"'
DECLARATION = '<?xml version="1.0" encoding="utf-8"?>'
FIRST = "P1_B02_T0001F001L01A01Z01C01.tif"


def file_name(label: Label, plate: StampedPlate, action: int | None = None) -> str:
    channel = plate.channels.index(label.channel) + 1
    place = f"T{label.time:04d}F{label.field:03d}L01A{action or channel:02d}Z{label.z:02d}C{channel:02d}"
    return f"{plate.name}_{label.well}_{place}.tif"


def record_xml(label: Label, plate: StampedPlate) -> str:
    well, channel = parse_well(label.well), plate.channels.index(label.channel) + 1
    return (
        f'<bts:MeasurementRecord bts:Type="IMG" bts:Time="2023-09-18T13:58:44.4+02:00" bts:Column="{well.column + 1}" '
        f'bts:Row="{well.row + 1}" bts:TimePoint="{label.time}" bts:FieldIndex="{label.field}" bts:ZIndex="{label.z}" '
        f'bts:TimelineIndex="1" bts:ActionIndex="{channel}" bts:Action="3D" bts:X="{-567.1 + 650 * (label.field - 1)}" '
        f'bts:Y="402.9" bts:Z="{3.0 * (label.z - 1)}" bts:Ch="{channel}">{file_name(label, plate)}'
        "</bts:MeasurementRecord>\n"
    )


def mlf(records: str) -> str:
    return f'{DECLARATION}\n<bts:MeasurementData bts:Version="1.0" {NAMESPACE}>\n{records}</bts:MeasurementData>\n'


def mrf(plate: StampedPlate) -> str:
    channels = "".join(
        f'<bts:MeasurementChannel bts:Ch="{channel}" bts:HorizontalPixelDimension="0.325" '
        'bts:VerticalPixelDimension="0.325" bts:CameraNumber="3" bts:InputBitDepth="16" bts:HorizontalPixels="20" '
        f'bts:VerticalPixels="12" bts:ShadingCorrectionSource="SC_M01_CH{channel:02d}.tif" />'
        for channel in (1, 2)
    )
    return f"""{DECLARATION}
<bts:MeasurementDetail bts:Version="1.0" bts:OperatorName="someone" bts:Title="{plate.name}"
  bts:MeasurementSettingFileName="Protocol.mes" bts:ColumnCount="{plate.format.columns}"
  bts:RowCount="{plate.format.rows}" bts:TargetSystem="CV8000" bts:ReleaseNumber="R2.06.03" {NAMESPACE}>
  <bts:MeasurementSamplePlate bts:Name="{plate.name}" bts:WellPlateFileName="{plate.name}.wpi"
    bts:WellPlateProductFileName="1009680001_Cellvis.wpp" />
  {channels}
</bts:MeasurementDetail>
"""


def mes(channels: Sequence[str]) -> str:
    """Write a protocol of four channels, of which the last two were not used."""
    light = (405, 488, 561, 640)
    sources = "".join(
        f'<bts:LightSource bts:Name="{wave}nm" bts:Type="Laser" bts:WaveLength="{wave}" bts:Power="50" />'
        for wave in light
    )
    listed = "".join(
        f'<bts:Channel bts:Ch="{number}" bts:Target="{name}" bts:Acquisition="BP{wave + 40}/45" '
        f'bts:ExposureTime="{100 * number}" bts:Binning="1" bts:Fluorophore="">'
        f"<bts:LightSourceName>{wave}nm</bts:LightSourceName></bts:Channel>"
        for number, (name, wave) in enumerate(zip((*channels, "561", "640"), light, strict=True), start=1)
    )
    return f"""{DECLARATION}
<bts:MeasurementSetting bts:Version="1.0" bts:Columns="12" bts:Rows="8" {NAMESPACE}>
  <bts:Timelapse><bts:Timeline bts:Name="Time Line 1"><bts:ActionList bts:RunMode="sequential">
    <bts:ActionAcquire3D bts:SliceLength="3"><bts:Ch>1</bts:Ch></bts:ActionAcquire3D>
  </bts:ActionList></bts:Timeline></bts:Timelapse>
  <bts:LightSourceList>{sources}</bts:LightSourceList>
  <bts:ChannelList>{listed}</bts:ChannelList>
</bts:MeasurementSetting>
"""


def wpi(plate: StampedPlate) -> str:
    return (
        f'{DECLARATION}\n<bts:WellPlate bts:Version="1.0" bts:Name="{plate.name}" bts:Columns="{plate.format.columns}" '
        f'bts:Rows="{plate.format.rows}" {NAMESPACE}><bts:Description /></bts:WellPlate>\n'
    )


def write(folder: Path, plate: StampedPlate) -> None:
    place = folder / f"{plate.name}_20230918_135839"
    place.mkdir()
    for label in plate.images:
        tifffile.imwrite(place / file_name(label, plate), plate.pixels(label))
    files = {
        "MeasurementData.mlf": mlf("".join(record_xml(label, plate) for label in plate.images)),
        "MeasurementDetail.mrf": mrf(plate),
        "Protocol.mes": mes(plate.channels),
        f"{plate.name}.wpi": wpi(plate),
    }
    for name, text in files.items():
        (place / name).write_text(text, encoding="utf-8-sig", newline="\r\n")


def stamped(channels: tuple[str, str] = ("DNA", "Actin")) -> StampedPlate:
    labels = tuple(Label(*label) for label in product(("B02", "C03"), (1, 2), (1,), channels, (1, 2, 3)))
    return StampedPlate("P1", 0, FORMATS[96], channels, labels)


def read(folder: Path) -> ImageIndex:
    (found,) = cellvoyager.index(folder, list_files(folder))
    return found


def own_pixels(found: ImageIndex, plate: StampedPlate) -> bool:
    """Whether each image that is there is the one of its label."""
    there = found.without_absent_files().table
    return all(
        np.array_equal(read_image(path, page), plate.pixels(Label(*label)))
        for *label, path, page in there.itertuples(index=False, name=None)
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a small measurement."""
    write(tmp_path, stamped())
    return next(tmp_path.iterdir())


@pytest.fixture
def edit(folder: Path) -> Callable[..., Path]:
    """Replace text in one of the files, and return the folder."""

    def replace(name: str, old: str, new: str, count: int = -1) -> Path:
        text = (folder / name).read_text(encoding="utf-8-sig")
        assert old in text
        (folder / name).write_text(text.replace(old, new, count), encoding="utf-8-sig")
        return folder

    return replace


@pytest.fixture
def add(folder: Path, edit: Callable[..., Path]) -> Callable[..., Path]:
    """Add records that are like the first one but for some attributes, each with a file."""

    def record(name: str, **attributes: object) -> Path:
        (first, *_) = [
            line for line in (folder / "MeasurementData.mlf").read_text("utf-8-sig").splitlines() if FIRST in line
        ]
        head, _, _ = first.partition(">")
        for key, value in attributes.items():
            old = head.partition(f' bts:{key}="')[2].partition('"')[0]
            head = head.replace(f' bts:{key}="{old}"', "") + f' bts:{key}="{value}"'
        tifffile.imwrite(folder / name, np.zeros((12, 20), np.uint16))
        return edit(
            "MeasurementData.mlf",
            "</bts:MeasurementData>",
            f"{head}>{name}</bts:MeasurementRecord></bts:MeasurementData>",
        )

    return record


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_conformance(case: str, tmp_path: Path) -> None:
    light = {"exposure": (0.1, 0.2), "excitation": (405.0, 488.0), "emission": (445.0, 528.0)}
    metadata = {name: dict(zip(("DNA", "Actin"), values, strict=True)) for name, values in light.items()}
    written = Numbering(
        more_channels=(),
        metadata={"pixel_size": 0.325, "z_step": 3.0, **metadata},
        position=lambda well, field: (-567.1 + 650 * (field - 1), 402.9),
    )
    check_reader(cellvoyager, write, tmp_path, case, written)


def test_metadata(folder: Path) -> None:
    found = read(folder)
    assert (found.plate, found.plate_format, found.channels) == ("P1", 96, ("DNA", "Actin"))
    assert (found.pixel_size, found.z_step) == (0.325, 3)
    assert found.exposure == {"DNA": 0.1, "Actin": 0.2}
    assert found.excitation == {"DNA": 405, "Actin": 488}
    assert found.emission == {"DNA": 445, "Actin": 528}
    assert found.positions is not None
    assert found.positions.to_dict("index")[("C03", 2)] == pytest.approx({"x": 82.9, "y": 402.9})
    assert found.acquired is not None
    assert found.acquired[("C03", 2)] == datetime(2023, 9, 18, 11, 58, 44, 400000, tzinfo=UTC).timestamp()
    assert found.notes == ()


def test_the_real_measurement(shared_data: Path) -> None:
    """Its records name 96 images, of which 24 are there: the second field."""
    folder = shared_data / "vendor" / "cellvoyager_cv8000"
    assert cellvoyager.claim(folder, list_files(folder)) is not None
    found = read(folder).without_absent_files()
    info = found.info()
    assert found.plate == "CV8000-Minimal-DataSet-2C-3W-4S-FP2-stack"
    assert (len(found.absent), len(found.table)) == (72, 24)
    assert (info.wells, info.fields, info.channels, info.z) == (
        ("D08", "E03", "F08"),
        (2,),
        ("405", "488"),
        (1, 2, 3, 4),
    )
    for *label, path, _ in found.table.itertuples(index=False, name=None):
        well, field, time, channel, z = label
        number = 1 if channel == "405" else 2
        assert path.endswith(f"_{well}_T{time:04d}F{field:03d}L01A{number:02d}Z{z:02d}C{number:02d}.tif")
    assert (info.plate_format, info.pixel_size, info.z_step) == (96, 0.325, 3)
    assert (found.exposure["405"], found.excitation["488"], found.emission["488"]) == (0.1, 488, 525)


def test_error_records_are_counted(edit: Callable[..., Path]) -> None:
    edit("MeasurementData.mlf", 'bts:Type="IMG"', 'bts:Type="ERR"', 2)
    found = read(edit("MeasurementData.mlf", f">P1_C03_{FIRST[7:]}<", "><"))
    assert len(found.table) == 21
    assert found.notes == ("2 record(s) of type ERR left out", "1 record(s) without a file left out")


def test_one_channel_by_two_actions_is_two_channels(add: Callable[..., Path]) -> None:
    """A single plane of a channel is no plane of its stack."""
    found = read(add("P1_B02_T0001F001L01A03Z01C01.tif", ActionIndex=3, Action="2D", Z=4.5))
    assert found.channels == ("DNA L01A01", "DNA L01A03", "Actin")
    assert found.notes == ("channel DNA was taken by several actions, each a channel of its own",)
    (single,) = found.table[found.table.channel == "DNA L01A03"].itertuples(index=False, name=None)
    assert single[:5] == ("B02", 1, 1, "DNA L01A03", 1)
    assert found.exposure == {"DNA L01A01": 0.1, "DNA L01A03": 0.1, "Actin": 0.2}
    assert found.z_step == 3


def test_one_channel_by_two_actions_in_other_wells_is_one_channel(add: Callable[..., Path]) -> None:
    found = read(add("P1_D04_T0001F001L02A03Z01C01.tif", Row=4, Column=4, TimelineIndex=2, ActionIndex=3))
    assert (found.channels, len(found.table)) == (("DNA", "Actin"), 25)


def test_fields_that_each_action_counted_for_itself(add: Callable[..., Path]) -> None:
    found = read(add("P1_B02_T0001F001L02A01Z01C03.tif", Ch=3, TimelineIndex=2, X=100))
    assert found.notes == ("1 field(s) have images of different places; their x and y are those of the first",)


def test_projections_of_planes_that_are_there_are_left_out(add: Callable[..., Path], edit: Callable[..., Path]) -> None:
    edit("Protocol.mes", 'Target="561" bts:Acquisition="BP601/45"', 'Target="DNA" bts:Acquisition="BP445/45"')
    found = read(add("P1_B02_T0001F001L01A01Z01C03.tif", Ch=3, ZImageProcessing="Maximum"))
    assert (found.channels, len(found.table)) == (("DNA", "Actin"), 24)
    assert [len(files) for files in found.left_out.values()] == [1]


def test_a_projection_whose_planes_were_not_kept_stays(add: Callable[..., Path]) -> None:
    found = read(add("P1_D04_T0001F001L01A01Z01C01.tif", Row=4, Column=4, ZImageProcessing="Maximum"))
    assert (found.channels, len(found.table)) == (("DNA", "DNA Maximum", "Actin"), 25)


def test_projections_alone_are_channels(add: Callable[..., Path]) -> None:
    folder = add("P1_B02_T0001F001L01A01Z01C03.tif", Ch=3, ZImageProcessing="Maximum")
    assert read(folder).channels == ("DNA", "Actin", "561 Maximum")


@pytest.mark.parametrize("suffix", [".mes", ".wpi", ".mrf"])
def test_what_lies_beside_the_records_may_lack(folder: Path, suffix: str) -> None:
    next(folder.glob(f"*{suffix}")).unlink()
    found = read(folder)
    names = ("Ch1", "Ch2") if suffix == ".mes" else ("DNA", "Actin")
    assert (found.plate, found.plate_format, found.channels, len(found.table)) == ("P1", 96, names, 24)
    assert found.pixel_size == (None if suffix == ".mrf" else 0.325)
    assert found.notes == (
        ("the size of a pixel is not known, as MeasurementDetail.mrf is not there or has no channel",)
        if suffix == ".mrf"
        else ()
    )


def test_the_records_alone(folder: Path) -> None:
    for file in folder.iterdir():
        if file.suffix in {".mes", ".wpi", ".mrf"}:
            file.unlink()
    found = read(folder)
    assert (found.plate, found.plate_format) == ("P1_20230918_135839", None)
    assert own_pixels(found, stamped(("Ch1", "Ch2")))


def test_of_several_protocols_the_one_that_was_used(folder: Path) -> None:
    (folder / "Other.mes").write_text(mes(("GFP", "RFP")))
    assert read(folder).channels == ("DNA", "Actin")
    (folder / "Protocol.mes").unlink()
    assert read(folder).channels == ("GFP", "RFP")


def test_targets_of_one_name_stay_apart(edit: Callable[..., Path]) -> None:
    assert read(edit("Protocol.mes", "Actin", "DNA")).channels == ("DNA (Ch1)", "DNA (Ch2)")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "old", "new", "attribute", "expected"),
    [
        ("MeasurementDetail.mrf", '"0.325"', '"0.65"', "pixel_size", 0.65),
        (
            "MeasurementDetail.mrf",
            'HorizontalPixelDimension="0.325"',
            'HorizontalPixelDimension="?"',
            "pixel_size",
            None,
        ),
        ("MeasurementDetail.mrf", 'RowCount="8"', 'RowCount="7"', "plate_format", None),
        ("MeasurementDetail.mrf", "MeasurementSamplePlate bts:Name", "MeasurementSamplePlate bts:No", "plate", "P1"),
        ("Protocol.mes", 'ExposureTime="100"', 'ExposureTime="long"', "exposure", {"Actin": 0.2}),
        ("Protocol.mes", 'Acquisition="BP445/45"', 'Acquisition="Through"', "emission", {"Actin": 528}),
        ("Protocol.mes", 'Name="405nm"', 'Name="Lamp"', "excitation", {"Actin": 488}),
        (
            "Protocol.mes",
            "</bts:LightSourceName>",
            "\n</bts:LightSourceName>",
            "excitation",
            {"DNA": 405, "Actin": 488},
        ),
        ("MeasurementData.mlf", 'bts:X="', 'bts:Other="', "positions", None),
        ("MeasurementData.mlf", 'bts:Z="6.0"', 'bts:Z="9.0"', "z_step", None),
        ("MeasurementData.mlf", "</bts:MeasurementData>", "</bts:MeasurementData>>", "notes", ()),
    ],
)
def test_odd_metadata_does_no_harm(
    edit: Callable[..., Path], file: str, old: str, new: str, attribute: str, expected: object
) -> None:
    found = read(edit(file, old, new))
    assert getattr(found, attribute) == expected
    assert len(found.table) == 24


def test_channels_of_other_pixels_have_no_common_size(edit: Callable[..., Path]) -> None:
    assert read(edit("MeasurementDetail.mrf", '"0.325"', '"0.65"', 2)).pixel_size is None


def test_any_spelling(folder: Path) -> None:
    for file in folder.iterdir():
        file.rename(file.with_name(file.name.swapcase()))
    assert cellvoyager.claim(folder.parent, list_files(folder.parent)) is not None
    found = read(folder.parent).without_absent_files()
    assert (found.absent, found.channels) == ((), ("DNA", "Actin"))
    assert own_pixels(found, stamped())


def test_accents_as_macos_writes_them(folder: Path, edit: Callable[..., Path]) -> None:
    edit("MeasurementData.mlf", ">P1_", ">Größe_")
    for file in folder.glob("P1_*.tif"):
        file.rename(file.with_name(file.name.replace("P1", normalize("NFD", "Größe"))))
    found = read(folder).without_absent_files()
    assert found.absent == ()
    assert own_pixels(found, stamped())


def test_images_that_were_compressed_later(folder: Path) -> None:
    for file in folder.glob("*.tif"):
        Image.fromarray(tifffile.imread(file)).save(file.with_suffix(".png"))
        file.unlink()
    found = read(folder).without_absent_files()
    assert found.absent == ()
    assert own_pixels(found, stamped())


def test_absent_files_leave_the_labels(folder: Path) -> None:
    (folder / FIRST).unlink()
    found = read(folder).without_absent_files()
    assert found.absent == (str(folder / FIRST),)
    assert len(found.table) == 23
    assert own_pixels(found, stamped())


def test_two_measurements_of_one_plate(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, stamped())
    with pytest.raises(ReaderError, match=r"the plate P1 is there twice: .*first.* and .*second.*; import each"):
        read_folder(tmp_path)


def test_an_image_twice(add: Callable[..., Path]) -> None:
    with pytest.raises(ReaderError, match=r"1 image\(s\) are there more than once; plate P1, well B02, field 1"):
        read(add("copy.tif"))


@pytest.mark.parametrize("name", ["../a.tif", "/etc/passwd", r"..\..\secret.tif", r"C:\secret.tif", r"\\server\a.tif"])
def test_names_that_lead_elsewhere(edit: Callable[..., Path], name: str) -> None:
    with pytest.raises(ReaderError, match="in its own folder or below"):
        read(edit("MeasurementData.mlf", FIRST, name))


@pytest.mark.parametrize("name", ["../Protocol.mes", r"C:\Protocol.mes", "/etc/passwd"])
def test_a_protocol_elsewhere_is_not_read(folder: Path, edit: Callable[..., Path], name: str) -> None:
    (folder / "Protocol.mes").rename(folder.parent / "Protocol.mes")
    assert read(edit("MeasurementDetail.mrf", "Protocol.mes", name)).channels == ("Ch1", "Ch2")


@pytest.mark.parametrize("file", ["MeasurementData.mlf", "MeasurementDetail.mrf", "Protocol.mes", "P1.wpi"])
@pytest.mark.parametrize(
    "definition", ['<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">', '<!ENTITY b SYSTEM "file:///etc/passwd">']
)
def test_entities(edit: Callable[..., Path], file: str, definition: str) -> None:
    with pytest.raises(ReaderError, match=f"{file} has a document type"):
        read(edit(file, DECLARATION, f"{DECLARATION}<!DOCTYPE bts [{definition}]>"))


@pytest.mark.parametrize("file", ["MeasurementData.mlf", "MeasurementDetail.mrf", "Protocol.mes", "P1.wpi"])
@pytest.mark.parametrize("kept", [0, 0.5, 0.95])
def test_truncated_files(folder: Path, file: str, kept: float) -> None:
    data = (folder / file).read_bytes()
    (folder / file).write_bytes(data[: int(kept * len(data))])
    with pytest.raises(ReaderError, match=f"{file} is not whole, well-formed XML: .*; is the copy complete"):
        read(folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('bts:Row="2"', "", "has the Row '', so its place on the plate is not known"),
        ('bts:Ch="2"', 'bts:Ch="two"', "has the Ch 'two'"),
        ('bts:Row="2"', 'bts:Row="0"', "row 0, column 2; expected rows 1 to 32"),
        ('bts:Column="3"', 'bts:Column="99"', "row 3, column 99; expected rows 1 to 32"),
    ],
)
def test_labels_that_are_not_known(edit: Callable[..., Path], old: str, new: str, message: str) -> None:
    with pytest.raises(ReaderError, match=rf"MeasurementData\.mlf.*{message}"):
        read(edit("MeasurementData.mlf", old, new))


def test_a_measurement_without_images(folder: Path) -> None:
    (folder / "MeasurementData.mlf").write_text(mlf(""))
    with pytest.raises(ReaderError, match="plate P1 has no image"):
        read(folder).info()


def test_a_single_image_with_nothing_optional(folder: Path) -> None:
    record = f'<bts:MeasurementRecord bts:Row="2" bts:Column="2">\n  {FIRST}\n</bts:MeasurementRecord>'
    (folder / "MeasurementData.mlf").write_text(mlf(record))
    found = read(folder)
    assert found.table.drop(columns="path").iloc[0].to_list() == ["B02", 1, 1, "DNA", 1, 0]
    assert own_pixels(found, stamped())
