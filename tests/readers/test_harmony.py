"""Exports of PerkinElmer/Revvity Harmony, of all versions, whole and faulty."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tifffile

from hcskit.errors import ReaderError
from hcskit.flatfield import Flatfield
from hcskit.plate import FORMATS, parse_well
from hcskit.readers import ImageIndex, _acapella, harmony, list_files, read_folder, read_image
from hcskit.testing import CASES, Label, Numbering, StampedPlate, check_reader

NAMESPACES = {
    "V5": "http://www.perkinelmer.com/PEHH/HarmonyV5",
    "V6": "http://www.perkinelmer.com/PEHH/HarmonyV6",
    "V7": "43B2A954-E3C3-47E1-B392-6635266B0DD3/HarmonyV7",
    "Columbus": "http://www.perkinelmer.com/Columbus",
}
LIGHT = {0: (405, 456, 0.06), 1: (640, 706, 0.2)}
PROFILE = (
    "{Background: {Character: NonFlat, Mean: 1039.144, NoiseConst: 5.59, NonFlatness: {Corrected: 0.05, Original: 0.6, "
    "Random: INF}, Profile: {Coefficients: [[1.2], [0.1, -2E-2]], Dims: [20, 12], Origin: [9.5, 5.5], "
    'Scale: [0.05, 0.05], Type: Polynomial}, Quality: 1.0}, Channel: 1, ChannelName: "405ex, 570-630-em)", Foreground: '
    "{Character: NonFlat, Profile: {Coefficients: [[9]], Dims: [20, 12], Origin: [0, 0], Scale: [1, 1], "
    "Type: Polynomial}, Quality: 1.0}, Version: Acapella:2013}"
)
EVEN = "{Background: {Character: Null, Profile: {Type: Identity}, Quality: 1}, Channel: 2, Version: Acapella:2013}"


def channel_xml(name: str, channel: int) -> str:
    excitation, emission, exposure = LIGHT[channel]
    return f"""
      <ChannelName>{name}</ChannelName>
      <ImageType>Signal</ImageType>
      <AcquisitionType>NonConfocal</AcquisitionType>
      <IlluminationType>Epifluorescence</IlluminationType>
      <ChannelType>Fluorescence</ChannelType>
      <ImageResolutionX Unit="m">5.979760809567617E-07</ImageResolutionX>
      <ImageResolutionY Unit="m">5.979760809567617E-07</ImageResolutionY>
      <ImageSizeX>20</ImageSizeX>
      <ImageSizeY>12</ImageSizeY>
      <BinningX>2</BinningX>
      <BinningY>2</BinningY>
      <MaxIntensity>65535</MaxIntensity>
      <CameraType>AndorZylaCam</CameraType>
      <MainExcitationWavelength Unit="nm">{excitation}</MainExcitationWavelength>
      <MainEmissionWavelength Unit="nm">{emission}</MainEmissionWavelength>
      <ObjectiveMagnification Unit="">20</ObjectiveMagnification>
      <ObjectiveNA Unit="">1</ObjectiveNA>
      <ExposureTime Unit="s">{exposure}</ExposureTime>
      <OrientationMatrix>[[0.979062,0,0,-8.8],[0,-0.979062,0,39.9],[0,0,1.00,5.671]]</OrientationMatrix>"""


def file_name(label: Label, plate: StampedPlate) -> str:
    well, channel = parse_well(label.well), plate.channels.index(label.channel) + 1
    place = f"r{well.row + 1:02d}c{well.column + 1:02d}f{label.field:02d}p{label.z:02d}"
    return f"{place}-ch{channel}sk{label.time + 1}fk1fl1.tiff"


def image_xml(label: Label, plate: StampedPlate, version: str) -> str:
    well, channel = parse_well(label.well), plate.channels.index(label.channel)
    number = f"{well.row + 1:02d}{well.column + 1:02d}K{label.time + 1}F{label.field}P{label.z}R{channel + 1}"
    return f"""
    <Image Version="1">
      <id>{number}</id>
      <State>Ok</State>
      <URL>{file_name(label, plate)}</URL>
      <Row>{well.row + 1}</Row>
      <Col>{well.column + 1}</Col>
      <FieldID>{label.field}</FieldID>
      <PlaneID>{label.z}</PlaneID>
      <TimepointID>{label.time}</TimepointID>
      <ChannelID>{channel + 1}</ChannelID>
      <FlimID>1</FlimID>{channel_xml(label.channel, channel) if version in {"V5", "Columbus"} else ""}
      <PositionX Unit="m">{(label.field - 1) * 3.2e-4}</PositionX>
      <PositionY Unit="m">{(label.field - 1) * -1.6e-4}</PositionY>
      <PositionZ Unit="m">{-5e-6 + channel * 1e-6 + (label.z - 1) * 2e-6:.6g}</PositionZ>
      <AbsPositionZ Unit="m">0.134611905</AbsPositionZ>
      <MeasurementTimeOffset Unit="s">{label.time * 600}</MeasurementTimeOffset>
      <AbsTime>2021-03-29T16:55:28.987-04:00</AbsTime>
    </Image>"""


def index_xml(plate: StampedPlate, version: str = "V5") -> str:
    def entry(channel: int, content: str) -> str:
        return f'\n      <Entry ChannelID="{channel + 1}">{content}</Entry>'

    wells = sorted({parse_well(label.well) for label in plate.images})
    ids = {well: f"{well.row + 1:02d}{well.column + 1:02d}" for well in wells}
    wells_xml = "".join(
        f"<Well><id>{number}</id><Row>{well.row + 1}</Row><Col>{well.column + 1}</Col>"
        f'<Image id="{number}K1F1P1R1" /></Well>'
        for well, number in ids.items()
    )
    maps = [[f"<FlatfieldProfile>{profile}</FlatfieldProfile>" for profile in (PROFILE, EVEN)]]
    maps += [["<SkewcropParameters>H4sIAAAAAAAE</SkewcropParameters>"] * 2]
    if version in {"V6", "V7"}:
        maps += [[channel_xml(name, channel) for channel, name in enumerate(plate.channels)]]
    maps_xml = "".join(f"<Map>{''.join(map(entry, (0, 1), contents))}</Map>" for contents in maps)
    return f"""<?xml version="1.0" encoding="utf-8"?>
<EvaluationInputData xmlns:xsd="http://www.w3.org/2001/XMLSchema" Version="1" xmlns="{NAMESPACES[version]}">
  <User>someone</User>
  <InstrumentType>Phenix</InstrumentType>
  <Plates>
    <Plate>
      <PlateID>{plate.name}</PlateID>
      <MeasurementID>5de72537-0fda-42a5-8715-2e605ccb652c</MeasurementID>
      <MeasurementStartTime>2021-03-29T16:51:44.6444882-04:00</MeasurementStartTime>
      <Name>Name of {plate.name}</Name>
      <PlateTypeName>{plate.format.size} PerkinElmer CellCarrier Ultra</PlateTypeName>
      <PlateRows>{plate.format.rows}</PlateRows>
      <PlateColumns>{plate.format.columns}</PlateColumns>
      {"".join(f'<Well id="{number}" />' for number in ids.values())}
    </Plate>
  </Plates>
  <Wells>{wells_xml}
  </Wells>
  <Maps>{maps_xml}
  </Maps>
  <Images>{"".join(image_xml(label, plate, version) for label in plate.images)}
  </Images>
</EvaluationInputData>
"""


def write(folder: Path, plate: StampedPlate, version: str = "V5") -> Path:
    images = folder / f"{plate.name}__2021-03-29T16_51_44-Measurement 1" / "Images"
    images.mkdir(parents=True)
    for label in plate.images:
        tifffile.imwrite(images / file_name(label, plate), plate.pixels(label))
    path = images / ("Index.idx.xml" if version == "V5" else "Index.xml")
    path.write_text(index_xml(plate, version), encoding="utf-8", newline="\r\n")
    return path


def write_columbus(folder: Path, plate: StampedPlate, suffix: str = ".tif") -> None:
    """Write the images of a well into one file, as a plate is exported from Columbus."""
    place = folder / plate.name
    place.mkdir()
    pages: dict[str, list[Label]] = {}
    for label in plate.images:
        pages.setdefault(label.well, []).append(label)
    text = index_xml(plate, "Columbus")
    for well, labels in pages.items():
        tifffile.imwrite(
            place / f"{well}{suffix}", np.stack([plate.pixels(label) for label in labels]), photometric="minisblack"
        )
        for page, label in enumerate(labels):
            text = text.replace(f"<URL>{file_name(label, plate)}</URL>", f'<URL BufferNo="{page}">{well}{suffix}</URL>')
    (place / "ImageIndex.ColumbusIDX.xml").write_text(text, encoding="utf-8")
    (place / "MeasurementIndex.ColumbusIDX.xml").write_text("<ColumbusMeasurementIndex/>")


def stamped(
    wells: Sequence[str] = ("B02", "C03"), planes: int = 1, channels: tuple[str, str] = ("DNA", "Actin")
) -> StampedPlate:
    labels = [Label(*label) for label in product(wells, (1, 2), (0,), channels, range(1, planes + 1))]
    return StampedPlate("P1", 0, FORMATS[96], channels, tuple(labels))


def read(folder: Path) -> ImageIndex:
    (found,) = harmony.index(folder, list_files(folder))
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The index of a small plate, V5."""
    return write(tmp_path, stamped())


@pytest.fixture
def edit(path: Path) -> Callable[[str, str], Path]:
    """Replace text in the index, and return the export's folder."""

    def replace(old: str, new: str, count: int = -1) -> Path:
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, count), encoding="utf-8")
        return path.parents[2]

    return replace


def own_pixels(found: ImageIndex, plate: StampedPlate) -> bool:
    """Whether each image that is there is the one of its label."""
    there = found.without_absent_files().table
    return all(
        np.array_equal(read_image(path, page), plate.pixels(Label(*label)))
        for *label, path, page in there.itertuples(index=False, name=None)
    )


WRITTEN = Numbering(
    more_channels=(),
    metadata={
        "pixel_size": 0.5979760809567617,
        "z_step": 2.0,
        "exposure": {"DNA": 0.06, "Actin": 0.2},
        "excitation": {"DNA": 405.0, "Actin": 640.0},
        "emission": {"DNA": 456.0, "Actin": 706.0},
    },
    position=lambda well, field: (320.0 * (field - 1), -160.0 * (field - 1)),
)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["V5", "V7"])
@pytest.mark.parametrize("case", CASES)
def test_conformance(case: str, version: str, tmp_path: Path) -> None:
    check_reader(harmony, partial(write, version=version), tmp_path, case, replace(WRITTEN, time=0))  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_conformance_of_columbus(case: str, tmp_path: Path) -> None:
    check_reader(harmony, write_columbus, tmp_path, case, WRITTEN)  # type: ignore[arg-type]


def test_the_files_of_an_opera(tmp_path: Path) -> None:
    write_columbus(tmp_path, stamped(), ".flex")
    found = read(tmp_path)
    assert found.info().wells == ("B02", "C03")
    assert own_pixels(found, stamped())


@pytest.mark.parametrize("version", NAMESPACES)
def test_metadata(version: str, tmp_path: Path) -> None:
    write(tmp_path, stamped(planes=3), version)
    found = read(tmp_path)
    assert (found.plate, found.plate_format, found.channels) == ("P1", 96, ("DNA", "Actin"))
    assert found.pixel_size == pytest.approx(0.597976081)
    assert found.z_step == pytest.approx(2)
    assert found.exposure == {"DNA": 0.06, "Actin": 0.2}
    assert found.excitation == {"DNA": 405, "Actin": 640}
    assert found.emission == {"DNA": 456, "Actin": 706}
    assert found.positions is not None
    assert found.positions.to_dict("index")[("C03", 2)] == {"x": 320, "y": -160}
    assert found.acquired is not None
    assert found.acquired[("C03", 2)] == datetime(2021, 3, 29, 20, 55, 28, 987000, tzinfo=UTC).timestamp()
    assert found.flatfield == {"DNA": Flatfield(((1.2,), (0.1, -0.02)), (9.5, 5.5), (0.05, 0.05))}
    assert found.notes == ()


def test_the_time_of_a_field_is_that_of_its_first_image(edit: Callable[..., Path]) -> None:
    (found,) = read_folder(edit("16:55:28.987", "15:55:28.987", 1))
    assert found.acquired is not None
    assert sorted(set(found.acquired - found.acquired.max())) == [-3600.0, 0.0]
    coordinate = found.info().coordinates["acquired"]
    assert (coordinate.dims, coordinate.unit) == (("well", "field"), "s")
    assert np.nanmin(np.asarray(coordinate.values)) == found.acquired.min()


@pytest.mark.parametrize("time", ["", "yesterday", "2021-03-29T16:55:28"])
def test_a_time_that_is_none_is_not_guessed(edit: Callable[..., Path], time: str) -> None:
    (found,) = read_folder(edit("2021-03-29T16:55:28.987-04:00", time))
    assert found.acquired is None
    assert "acquired" not in found.info().coordinates


def test_the_real_export(shared_data: Path) -> None:
    folder = shared_data / "vendor" / "harmony_v5"
    with (folder / "load_data_version1.csv").open(encoding="utf-8") as stream:
        (other,) = csv.DictReader(stream)
    found = read(folder)
    info = found.info()
    assert harmony.claim(folder, list_files(folder)) is not None
    assert (found.plate, info.wells, info.plate_format) == (other["Metadata_Plate"], (other["Metadata_Well"],), 384)
    assert info.shape == (1080, 1080)
    assert found.pixel_size == pytest.approx(1e6 * float(other["Metadata_ImageResolutionX"]))
    named = {other[f"Metadata_ChannelName_{key}"]: key for key in ("OrigDNA", "OrigER", "OrigRNA", "OrigBrightfield")}
    paths = found.table.set_index("channel").path
    for channel, key in named.items():
        assert Path(paths[channel]).name == other[f"FileName_{key}"]
        assert found.excitation[channel] == float(other[f"Metadata_MainExcitationWavelength_{key}"])
    assert info.channels == ("Alexa 647", "Alexa 568", "488 long", "Alexa 488", "HOECHST 33342", "Brightfield")
    assert "Brightfield" not in found.emission
    assert set(found.flatfield) == set(info.channels) - {"Brightfield"}


def test_the_profile_fits_the_real_images_as_it_is_drawn(shared_data: Path) -> None:
    """Not turned or mirrored: the background of the DNA channel, the emptiest, falls off as the profile says."""
    found = read(shared_data / "vendor" / "harmony_v5")
    (image,) = found.table[found.table.channel == "HOECHST 33342"].path
    blocks = read_image(image).reshape(27, 40, 27, 40).swapaxes(1, 2).reshape(27, 27, -1)
    background = np.percentile(blocks, 5, axis=2)
    profile = found.flatfield["HOECHST 33342"].draw((1080, 1080)).reshape(27, 40, 27, 40).mean((1, 3))
    turned = [np.rot90(one, turns) for one in (profile, profile.T) for turns in range(4)]
    fits = [np.corrcoef(one.ravel(), background.ravel())[0, 1] for one in turned]
    assert np.argmax(fits) == 0
    assert fits[0] > 0.97


@pytest.mark.parametrize("name", ["index.IDX.xml", "INDEX.XML", "Index.ref.xml"])
@pytest.mark.parametrize("parents", [0, 1, 2])
def test_any_spelling_from_any_folder(path: Path, name: str, parents: int) -> None:
    folder = path.rename(path.with_name(name)).parents[parents]
    assert harmony.claim(folder, list_files(folder)) is not None
    assert len(read(folder).table) == 8


def test_of_two_indexes_in_one_folder_one_is_read(path: Path) -> None:
    path.with_name("Index.xml").write_bytes(path.read_bytes())
    assert len(read(path.parents[2]).table) == 8


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_encodings(path: Path, encoding: str) -> None:
    text = path.read_text(encoding="utf-8").replace('encoding="utf-8"', f'encoding="{encoding[:6].strip("-")}"')
    path.write_text(text, encoding=encoding)
    assert harmony.claim(path.parent, list_files(path.parent)) is not None
    assert own_pixels(read(path.parent), stamped())


def test_files_in_another_case(path: Path) -> None:
    for image in path.parent.glob("*.tiff"):
        image.rename(image.with_name(image.name.upper()))
    found = read(path.parent).without_absent_files()
    assert found.absent == ()
    assert own_pixels(found, stamped())


def test_files_in_subfolders_with_backslashes(path: Path, edit: Callable[..., Path]) -> None:
    (path.parent / "r02c02").mkdir()
    for image in path.parent.glob("r02c02*.tiff"):
        image.rename(path.parent / "r02c02" / image.name)
    found = read(edit("<URL>r02c02", r"<URL>r02c02\r02c02")).without_absent_files()
    assert found.absent == ()
    assert own_pixels(found, stamped())


def test_files_in_subfolders_that_are_not_named(path: Path) -> None:
    for image in list(path.parent.glob("*.tiff")):
        (path.parent / image.name[:6]).mkdir(exist_ok=True)
        image.rename(path.parent / image.name[:6] / image.name)
    found = read(path.parents[2]).without_absent_files()
    assert found.absent == ()
    assert own_pixels(found, stamped())


def test_an_archive(path: Path, edit: Callable[..., Path]) -> None:
    """Harmony 7 archives index, images and profiles into folders of their own."""
    measurement = edit("<PlateID>P1</PlateID>", "") / path.parents[1].name
    edit("<Name>Name of P1</Name>", "")
    edit("FlatfieldProfile>", "Other>")
    for image in list(path.parent.glob("*.tiff")):
        place = measurement / "images" / image.name[:6]
        place.mkdir(parents=True, exist_ok=True)
        image.rename(place / image.name)
    (measurement / "index").mkdir()
    path.rename(measurement / "index" / "5de72537.xml")
    (measurement / "flatfieldcorrection").mkdir()
    (measurement / "flatfieldcorrection" / "5de72537.xml").write_text(
        f'<Results><Map><Entry ChannelID="1"><FlatfieldProfile>{PROFILE}</FlatfieldProfile></Entry></Map></Results>'
    )
    (found,) = read_folder(measurement.parent)
    assert (found.plate, found.absent, set(found.flatfield)) == (measurement.name, (), {"DNA"})
    assert own_pixels(found, stamped())


def test_an_image_that_was_put_aside_is_absent(path: Path) -> None:
    (path.parent / "out of focus").mkdir()
    aside = path.parent / "r02c02f01p01-ch1sk1fk1fl1.tiff"
    aside.rename(path.parent / "out of focus" / aside.name)
    assert read(path.parents[2]).without_absent_files().absent == (str(aside),)


@pytest.mark.parametrize(("raw", "kept"), [("Index.xml", "raw"), ("Index.ref.xml", "corrected")])
def test_of_raw_and_corrected_images_one_is_read(path: Path, raw: str, kept: str) -> None:
    """Harmony's flat-field script writes corrected images into a folder below, with an index of their own."""
    corrected = path.parent / "flex" / "index.flex.xml"
    corrected.parent.mkdir()
    corrected.write_bytes(path.read_bytes())
    for image in path.parent.glob("*.tiff"):
        (corrected.parent / image.name).write_bytes(image.read_bytes())
    path = path.rename(path.with_name(raw))
    other = corrected if kept == "raw" else path
    (found,) = read_folder(path.parents[2])
    assert found.notes == (
        f"{other} left out, as {(path if kept == 'raw' else corrected).name} is the index of the same measurement",
    )
    assert bool(found.flatfield) == (kept == "raw")
    assert read(corrected.parent).notes == ()
    assert own_pixels(found, stamped())


def test_other_folders_are_not_claimed(tmp_path: Path) -> None:
    (tmp_path / "Index.xml").write_text("<Library/>")
    assert harmony.claim(tmp_path, list_files(tmp_path)) is None


def test_channels_of_one_name_stay_apart(tmp_path: Path) -> None:
    path = write(tmp_path, stamped())
    path.write_text(path.read_text(encoding="utf-8").replace(">Actin<", ">DNA<"), encoding="utf-8")
    assert read(tmp_path).channels == ("DNA (1)", "DNA (2)")


def test_channels_come_by_their_number(tmp_path: Path) -> None:
    plate = stamped()
    write(tmp_path, StampedPlate(plate.name, 0, plate.format, plate.channels, plate.images[::-1]))
    assert read(tmp_path).channels == ("DNA", "Actin")


def test_failed_images_are_left_out_and_counted(edit: Callable[..., Path]) -> None:
    edit("<State>Ok</State>", "<State>Error</State>", 2)
    found = read(edit("<URL>r03c03f02p01-ch2sk1fk1fl1.tiff</URL>", "<URL />"))
    assert len(found.table) == 5
    assert found.notes == ("2 image(s) in the state Error left out", "1 image(s) without a file left out")


def test_absent_files_leave_the_labels(path: Path) -> None:
    (path.parent / "r02c02f01p01-ch1sk1fk1fl1.tiff").unlink()
    found = read(path.parent).without_absent_files()
    assert [Path(file).name for file in found.absent] == ["r02c02f01p01-ch1sk1fk1fl1.tiff"]
    assert len(found.table) == 7
    assert own_pixels(found, stamped())


def test_two_measurements_of_one_plate(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, stamped())
    with pytest.raises(ReaderError, match=r"the plate P1 is there twice: .*first.* and .*second.*; import each"):
        read_folder(tmp_path)


@pytest.mark.parametrize("tag", ["FieldID", "ChannelID"])
def test_an_image_twice(edit: Callable[..., Path], tag: str) -> None:
    with pytest.raises(ReaderError, match=r"4 image\(s\) are there more than once; plate P1, well B02"):
        read(edit(f"<{tag}>2<", f"<{tag}>1<"))


def test_delays_of_a_lifetime_measurement_are_refused(edit: Callable[..., Path]) -> None:
    edit("<FieldID>2<", "<FieldID>1<")
    with pytest.raises(ReaderError, match="more than once"):
        read(edit("<FlimID>1<", "<FlimID>2<", 1))


@pytest.mark.parametrize(
    "name", ["../r02c02f01p01.tiff", "/etc/passwd", r"..\..\secret.tiff", r"C:\secret.tiff", r"\\server\a.tiff"]
)
def test_names_that_lead_elsewhere(edit: Callable[..., Path], name: str) -> None:
    with pytest.raises(ReaderError, match="in its own folder or below"):
        read(edit("r02c02f01p01-ch1sk1fk1fl1.tiff", name))


@pytest.mark.parametrize(
    "definition", ['<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">', '<!ENTITY b SYSTEM "file:///etc/passwd">']
)
def test_entities(path: Path, edit: Callable[..., Path], definition: str) -> None:
    edit("<User>someone</User>", "<User>&b;</User>")
    folder = edit("<EvaluationInputData", f"<!DOCTYPE EvaluationInputData [{definition}]>\n<EvaluationInputData")
    assert harmony.claim(folder, list_files(folder)) is not None
    with pytest.raises(ReaderError, match=r"Index\.idx\.xml has a document type"):
        read(folder)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_truncated_index(path: Path, kept: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(ReaderError, match=r"Index\.idx\.xml is not whole, well-formed XML: .*; is the copy complete"):
        read(path.parent)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<Row>2</Row>", "", "has the Row '', so its place on the plate is not known"),
        ("<Row>2<", "<Row>B<", "has the Row 'B'"),
        ("<ChannelID>2<", "<ChannelID>two<", "has the ChannelID 'two'"),
        ("<Row>2<", "<Row>33<", "row 33, column 2; expected rows 1 to 32"),
        ("<Col>2<", "<Col>0<", "row 2, column 0; expected rows 1 to 32"),
        ("<Plates>", "<Plates><Plate><PlateID>P2</PlateID></Plate>", r"is of 2 plates \(P1, P2\)"),
    ],
)
def test_labels_that_are_not_known(edit: Callable[..., Path], old: str, new: str, message: str) -> None:
    with pytest.raises(ReaderError, match=rf"Index\.idx\.xml.*{message}"):
        read(edit(old, new))


def test_an_index_without_images(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("<Images>")] + "</EvaluationInputData>", encoding="utf-8")
    with pytest.raises(ReaderError, match="plate P1 has no image"):
        read(path.parent).info()


def test_all_that_is_optional_may_lack(path: Path) -> None:
    """A plate of one field, with nothing but what an image needs."""
    text = "".join(
        f"<Image><URL>r02c02f01p01-ch{channel}sk1fk1fl1.tiff</URL><Row>2</Row><Col>2</Col><ChannelID>{channel}</ChannelID>"
        "</Image>"
        for channel in (1, 2)
    )
    path.write_text(f"<EvaluationInputData><Images>{text}</Images></EvaluationInputData>")
    found = read(path.parent)
    assert (found.plate, found.channels) == (path.parents[1].name, ("Channel 1", "Channel 2"))
    assert found.info().wells == ("B02",)
    for attribute in ("pixel_size", "z_step", "plate_format", "positions"):
        assert getattr(found, attribute) is None
    for attribute in ("exposure", "excitation", "emission", "flatfield"):
        assert getattr(found, attribute) == {}


@pytest.mark.parametrize(
    ("old", "new", "attribute", "expected"),
    [
        ("<PlateRows>8<", "<PlateRows>9<", "plate_format", None),
        ("<PlateRows>8<", "<PlateRows>2<", "plate_format", None),
        ("<PlateID>P1<", "<PlateID> <", "plate", "Name of P1"),
        ('Unit="m">5.979760809567617E-07', 'Unit="µm">0.5', "pixel_size", 0.5),
        ('Unit="m">5.979760809567617E-07', 'Unit="parsec">0.5', "pixel_size", None),
        ('Unit="m">5.979760809567617E-07', 'Unit="m">much', "pixel_size", None),
        ('<ExposureTime Unit="s">0.06', '<ExposureTime Unit="ms">30', "exposure", {"DNA": 0.03, "Actin": 0.2}),
        ('nm">405<', 'nm">NaN<', "excitation", {"Actin": 640}),
        ("<State>Ok</State>", "", "notes", ()),
    ],
)
def test_odd_metadata_does_no_harm(
    edit: Callable[..., Path], old: str, new: str, attribute: str, expected: object
) -> None:
    found = read(edit(old, new))
    assert getattr(found, attribute) == expected
    assert len(found.table) == 8


@pytest.mark.parametrize(("away", "count"), [(1e-6, 0), (1e-3, 1)])
def test_fields_of_different_places_are_counted(edit: Callable[..., Path], away: float, count: int) -> None:
    found = read(edit('<PositionX Unit="m">0.0<', f'<PositionX Unit="m">{away}<', 1))
    assert found.notes == ("1 field(s) have images of different places; their x and y are those of the first",) * count


def test_planes_at_uneven_distances_have_none(tmp_path: Path) -> None:
    path = write(tmp_path, stamped(planes=3))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('<PositionZ Unit="m">-1e-06', '<PositionZ Unit="m">9e-06'), encoding="utf-8")
    assert read(tmp_path).z_step is None


def test_profiles_in_a_file_of_their_own(path: Path, edit: Callable[..., Path]) -> None:
    edit("FlatfieldProfile>", "Other>")
    place = path.parents[1] / "FFC_Profile"
    place.mkdir()
    (place / "FFC_Profile_Measurement 1.xml").write_text(
        f'<Results xmlns="{NAMESPACES["V5"]}"><Version>2</Version><Map><Entry ChannelID="2"><FlatfieldProfile>{PROFILE}'
        "</FlatfieldProfile></Entry></Map></Results>"
    )
    assert set(read(path.parents[2]).flatfield) == {"Actin"}


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("Dims: [20, 12]", "Dims: [1080, 1080]", "it is of images of 1080×1080 pixels"),
        ("[0.1, -2E-2]", "[0.1]", "its rows of coefficients are not of 1, 2, 3 … numbers"),
        ("[0.1, -2E-2]", "[0.1, no]", "could not convert string to float: 'no'"),
        ("Coefficients: ", "Others: ", "it lacks a background profile ('Coefficients')"),
        ("{Background: ", "{Darkness: ", "it lacks a background profile ('Background')"),
        ("{Background: ", "Background", "there is more after its end: '{Character: NonFlat,'"),
        ("Acapella:2013}", "", "there is no value at ''"),
        ("[[1.2]", "[" * 5000 + "[[1.2]", "there is no value at '[[[[[[[[[[[[[[[[[[[['"),
    ],
)
def test_a_profile_that_cannot_be_used_is_left_out(edit: Callable[..., Path], old: str, new: str, why: str) -> None:
    found = read(edit(old, new, 1))
    assert found.flatfield == {}
    assert found.notes == (f"the flat-field profile of channel DNA left out: {why}",)


@pytest.mark.parametrize("text", ["", "{", "}", "[1 [2]", "{a: 1,}", "{a}", "{: 1}", "[1}", "{a: 1} 2", "[,]"])
def test_malformed_notation(text: str) -> None:
    with pytest.raises(ValueError, match="there is"):
        _acapella.parse(text)


def test_notation() -> None:
    assert _acapella.parse(' { A : [ ] , B: {}, D: "a, {b", C: [[1.0], [-2E-3, NaN]] } ') == {
        "A": [],
        "B": {},
        "D": "a, {b",
        "C": [["1.0"], ["-2E-3", "NaN"]],
    }
