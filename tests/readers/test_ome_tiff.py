"""OME-TIFF sets with a plate: each label its own pixels, and OME-XML that is not what it should be."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
import tifffile

from hcskit.errors import ReaderError
from hcskit.plate import FORMATS, PlateFormat, parse_well
from hcskit.readers import ImageIndex, list_files, ome_tiff, read_image
from hcskit.readers._ome_plate import field_numbers
from hcskit.testing import CASES, Label, Numbering, StampedPlate, check_reader

JUNE_2016 = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
Sample = tuple[str, int]


def uuid(name: str) -> str:
    return f"urn:uuid:{uuid5(NAMESPACE_URL, name)}"


def document(body: str, own: str, namespace: str = JUNE_2016) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<OME xmlns="' + namespace + '" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="{namespace} {namespace}/ome.xsd" Creator="OME Bio-Formats 7.3" UUID="{uuid(own)}">'
        f"{body}</OME>"
    )


def plate_xml(name: str, format: PlateFormat, samples: dict[Sample, int], fields: int | None = None) -> str:
    """Describe a plate; `samples` are images by well and Index."""
    wells: dict[str, str] = defaultdict(str)
    references = ""
    for (well, number), image in samples.items():
        field = number % (fields or 100)
        wells[well] += (
            f'<WellSample ID="WellSample:0:{image}" Index="{number}" PositionX="{100.5 * field}" PositionXUnit="µm" '
            f'PositionY="{-0.2 * field}" PositionYUnit="mm"><ImageRef ID="Image:{image}"/></WellSample>'
        )
        references += f'<WellSampleRef ID="WellSample:0:{image}"/>'
    listed = "".join(
        f'<Well ID="Well:0:{number}" Row="{parse_well(well).row}" Column="{parse_well(well).column}">{inner}</Well>'
        for number, (well, inner) in enumerate(wells.items())
    )
    maximum = "" if fields is None else f' MaximumFieldCount="{fields}"'
    return (
        f'<Plate ID="Plate:0" Name={quoteattr(name)} Rows="{format.rows}" Columns="{format.columns}" '
        'RowNamingConvention="letter" ColumnNamingConvention="number" Status="done"><Description>a screen'
        f'</Description>{listed}<PlateAcquisition ID="PlateAcquisition:0:0"{maximum}>{references}'
        "</PlateAcquisition></Plate>"
    )


def image_xml(number: int, channels: tuple[str, ...], sizes: tuple[int, int, int], blocks: str) -> str:
    """Describe an image of `sizes` (t, c, z) and its TiffData."""
    times, count, planes = sizes
    described = "".join(
        f'<Channel ID="Channel:{number}:{c}" Name={quoteattr(name)} SamplesPerPixel="1" Color="-1" '
        f'ExcitationWavelength="{405 + 83 * c}" EmissionWavelength="0.{450 + 50 * c}" EmissionWavelengthUnit="µm"/>'
        for c, name in enumerate(channels)
    )
    planes_xml = "".join(
        f'<Plane TheC="{c}" TheT="0" TheZ="0" DeltaT="0.5" ExposureTime="{100 * (c + 1)}" ExposureTimeUnit="ms"/>'
        for c in range(len(channels))
    )
    return (
        f'<Image ID="Image:{number}" Name="image {number}"><AcquisitionDate>2024-05-01T10:00:00</AcquisitionDate>'
        f'<Pixels ID="Pixels:{number}" DimensionOrder="XYZCT" Type="uint16" BigEndian="false" Interleaved="false" '
        f'SizeX="20" SizeY="12" SizeZ="{planes}" SizeC="{count}" SizeT="{times}" PhysicalSizeX="650" '
        'PhysicalSizeXUnit="nm" PhysicalSizeY="0.65" PhysicalSizeYUnit="µm" PhysicalSizeZ="2" PhysicalSizeZUnit="µm">'
        f"{described}{blocks}{planes_xml}</Pixels></Image>"
    )


def block(file: str, **attributes: int) -> str:
    given = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f'<TiffData{given}><UUID FileName="{file}">{uuid(file)}</UUID></TiffData>'


def write_files(
    folder: Path, plate: StampedPlate, name_file: Callable[[Label], str], embedded: str | None = None
) -> dict[Sample, str]:
    """Write the pixels, several images a file; return the images' OME-XML."""
    pages: dict[str, list[Label]] = defaultdict(list)
    blocks: dict[Sample, str] = defaultdict(str)
    for label in plate.images:
        file = name_file(label)
        channel = plate.channels.index(label.channel)
        first = {"FirstC": channel, "FirstZ": label.z, "FirstT": label.time}
        blocks[label.well, label.field] += block(file, IFD=len(pages[file]), PlaneCount=1, **first)
        pages[file].append(label)
    sizes = (1 + max(at.time for at in plate.images), len(plate.channels), 1 + max(at.z for at in plate.images))
    images = {
        sample: image_xml(number, plate.channels, sizes, inner) for number, (sample, inner) in enumerate(blocks.items())
    }
    for file, labels in pages.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        text = document("".join(images.values()) + embedded if embedded else "", file) if embedded else None
        with tifffile.TiffWriter(folder / file) as tiff:
            for number, label in enumerate(labels):
                pixels = plate.pixels(label)
                tiff.write(pixels, description=text.encode() if text and not number else None, metadata=None)
    return images


def write_companion(folder: Path, plate: StampedPlate) -> None:
    """Write a companion file; Index counts the fields of each well."""
    images = write_files(folder, plate, lambda at: f"{plate.name}_{at.well}_f{at.field}_t{at.time}.tiff")
    samples = {sample: number for number, sample in enumerate(images)}
    body = plate_xml(plate.name, plate.format, samples) + "".join(images.values())
    (folder / f"{plate.name}.companion.ome").write_text(document(body, plate.name), encoding="utf-8")


def write_embedded(folder: Path, plate: StampedPlate) -> None:
    """Write the whole OME-XML into each file, one file a well; Index counts over the plate."""
    wells = list(dict.fromkeys(label.well for label in plate.images))
    places = dict.fromkeys((label.well, label.field) for label in plate.images)
    most = max(4, *(1 + field for _, field in places))
    samples = {(well, most * wells.index(well) + field): image for image, (well, field) in enumerate(places)}
    described = plate_xml(plate.name, plate.format, samples, fields=most)
    write_files(folder, plate, lambda at: f"{plate.name}_{at.well}.ome.tif", embedded=described)


CHANNELS = ("DNA", "Actin", "Tubulin")
WRITTEN = Numbering(
    field=0,
    time=0,
    z=0,
    metadata={
        "pixel_size": 0.65,
        "z_step": 2.0,
        "exposure": {name: 0.1 * (c + 1) for c, name in enumerate(CHANNELS)},
        "excitation": {name: 405.0 + 83 * c for c, name in enumerate(CHANNELS)},
        "emission": {name: 450.0 + 50 * c for c, name in enumerate(CHANNELS)},
    },
    position=lambda well, field: (100.5 * field, 200.0 * field),
)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("write", [write_companion, write_embedded])
def test_conformance(write: Callable[[Path, StampedPlate], None], case: str, tmp_path: Path) -> None:
    check_reader(ome_tiff, write, tmp_path, case, WRITTEN)


def indexed(folder: Path) -> list[ImageIndex]:
    """Index a folder as the import does."""
    return [index.without_absent_files() for index in ome_tiff.index(folder, list_files(folder))]


def rows(index: ImageIndex) -> list[Any]:
    return list(index.table.itertuples())


def claimed(folder: Path) -> bool:
    return ome_tiff.claim(folder, list_files(folder)) is not None


def stamped(wells: tuple[str, ...] = ("A01", "B02"), fields: int = 2, name: str = "P1") -> StampedPlate:
    labels = [Label(well, field, 0, channel, 0) for well, field in product(wells, range(fields)) for channel in "ab"]
    return StampedPlate(name, 0, FORMATS[96], ("a", "b"), tuple(labels))


def small(folder: Path, edit: Callable[[str], str] = lambda text: text, **options: Any) -> Path:
    """Write a companion set, edit its XML, and return the companion."""
    plate = stamped(**options)
    write_companion(folder, plate)
    companion = folder / f"{plate.name}.companion.ome"
    companion.write_text(edit(companion.read_text(encoding="utf-8")), encoding="utf-8")
    return companion


def one_image(folder: Path, body: str, pages: int = 8, **sizes: int) -> Any:
    """Write one TIFF with OME-XML of one image of a plate, each page full of its number; return the index' table."""
    order = sizes.pop("order", "XYZCT")
    plate = plate_xml("P1", FORMATS[96], {("A01", 0): 0})
    size = " ".join(f'Size{axis}="{sizes.get(axis, 1)}"' for axis in "ZCT")
    image = f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="{order}" {size}>{body}</Pixels></Image>'
    with tifffile.TiffWriter(folder / "one.ome.tif") as tiff:
        for page in range(pages):
            text = None if page else document(plate + image, "one.ome.tif").encode()
            tiff.write(np.full((4, 6), page, np.uint8), description=text, metadata=None)
    (index,) = indexed(folder)
    return index.table


def place(table: Any) -> dict[tuple[int, str, int], int]:
    """Return the page of each time, channel and z."""
    return dict(
        zip(zip(table.time, table.channel.str.removeprefix("channel-"), table.z, strict=True), table.page, strict=True)
    )


EVERY = {"C": 2, "Z": 2, "T": 2}


@pytest.mark.parametrize(
    ("order", "pages"),
    [
        ("XYZCT", {(0, "0", 1): 1, (0, "1", 0): 2, (1, "0", 0): 4}),
        ("XYCZT", {(0, "1", 0): 1, (0, "0", 1): 2, (1, "0", 0): 4}),
        ("XYTCZ", {(1, "0", 0): 1, (0, "1", 0): 2, (0, "0", 1): 4}),
        ("XYTZC", {(1, "0", 0): 1, (0, "0", 1): 2, (0, "1", 0): 4}),
    ],
)
def test_a_bare_tiffdata_is_all_planes_in_the_dimension_order(order: Any, pages: Any, tmp_path: Path) -> None:
    found = place(one_image(tmp_path, "<TiffData/>", order=order, **EVERY))
    assert len(found) == 8
    assert found.items() >= pages.items()


@pytest.mark.parametrize(
    ("blocks", "pages"),
    [
        ('<TiffData IFD="5"/>', {(0, "0", 0): 5}),
        ('<TiffData PlaneCount="2"/>', {(0, "0", 0): 0, (0, "0", 1): 1}),
        ('<TiffData FirstC="1" FirstT="1" IFD="3" PlaneCount="2"/>', {(1, "1", 0): 3, (1, "1", 1): 4}),
        ('<TiffData FirstZ="1" FirstC="1" FirstT="1"/>', {(1, "1", 1): 0}),
        ('<TiffData IFD="7"/><TiffData IFD="7"/>', {(0, "0", 0): 7}),
    ],
)
def test_what_a_tiffdata_stands_for(blocks: str, pages: dict[Any, int], tmp_path: Path) -> None:
    assert place(one_image(tmp_path, blocks, **EVERY)) == pages


def test_a_tiffdata_without_a_count_ends_where_the_next_begins(tmp_path: Path) -> None:
    blocks = "".join(block(f"c{channel}.tif", FirstC=channel) for channel in (1, 0))

    def edit(text: str) -> str:
        start, end = text.index("<TiffData"), text.rindex("</TiffData>") + len("</TiffData>")
        return text[:start] + blocks + text[end:]

    small(tmp_path, edit, wells=("A01",), fields=1)
    for channel in range(2):
        tifffile.imwrite(tmp_path / f"c{channel}.tif", np.full((12, 20), channel, np.uint16))
    (index,) = indexed(tmp_path)
    assert {row.channel: (Path(row.path).name, row.page) for row in rows(index)} == {
        "a": ("c0.tif", 0),
        "b": ("c1.tif", 0),
    }


@pytest.mark.parametrize(
    "blocks",
    [
        '<TiffData FirstC="2"/>',
        '<TiffData FirstZ="1" PlaneCount="9"/>',
        '<TiffData IFD="first"/>',
        '<TiffData IFD="-1"/>',
    ],
)
def test_a_tiffdata_beyond_the_image_is_refused(blocks: str, tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match=r"one\.ome\.tif: .*(TiffData|expected a whole number)"):
        one_image(tmp_path, blocks, **EVERY)


def test_an_image_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="1,000,000,000,000 planes"):
        one_image(tmp_path, "<TiffData/>", T=10**12)


def test_what_tifffile_writes(tmp_path: Path) -> None:
    path = tmp_path / "by tifffile.ome.tif"
    images = [np.random.default_rng(0).integers(0, 999, (2, 3, 12, 20), np.uint16) for _ in range(2)]
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for image in images:
            channels = {"Channel": {"Name": ["a", "b"]}, "PhysicalSizeX": 0.65, "PhysicalSizeXUnit": "µm"}
            tiff.write(image, photometric="minisblack", metadata={"axes": "CZYX", **channels})
    plate = plate_xml("by tifffile", FORMATS[96], {("A01", 0): 0, ("H12", 0): 1})
    tifffile.tiffcomment(path, str(tifffile.tiffcomment(path)).replace("<Image ", plate + "<Image ", 1).encode())
    assert claimed(tmp_path)
    (index,) = indexed(tmp_path)
    assert (len(index.table), index.pixel_size) == (12, 0.65)
    for row in rows(index):
        expected = images[row.well == "H12"]["ab".index(row.channel), row.z]
        np.testing.assert_array_equal(read_image(row.path, row.page), expected)


def test_the_metadata_of_a_plate(tmp_path: Path) -> None:
    small(tmp_path)
    (index,) = indexed(tmp_path)
    info = index.info()
    assert (info.plate_format, info.pixel_size, info.z_step) == (96, 0.65, None)
    assert (index.exposure, index.excitation) == ({"a": 0.1, "b": 0.2}, {"a": 405.0, "b": 488.0})
    assert index.emission == {"a": 450.0, "b": 500.0}
    assert index.positions is not None
    assert index.positions.query("well == 'B02' and field == 1").to_dict("records") == [{"x": 100.5, "y": 200.0}]
    assert index.notes == ()


def test_positions_in_a_frame_without_a_unit_are_left_out(tmp_path: Path) -> None:
    small(tmp_path, lambda text: text.replace(' PositionXUnit="µm"', "").replace(' PositionYUnit="mm"', ""))
    assert indexed(tmp_path)[0].positions is None


def test_a_channel_without_a_name_and_one_that_repeats(tmp_path: Path) -> None:
    small(tmp_path, lambda text: text.replace(' Name="a"', ""), wells=("A01",))
    assert indexed(tmp_path)[0].channels == ("channel-0", "b")
    small(tmp_path, lambda text: text.replace(' Name="a"', ' Name="b"'), wells=("A01",))
    assert indexed(tmp_path)[0].channels == ("b (0)", "b (1)")


def minimal(text: str) -> str:
    """Leave only what the schema requires (and what ome_model.experimental writes)."""
    for optional in (' Rows="8" Columns="12"', ' Name="P1"', ' Status="done"', "<Description>a screen</Description>"):
        text = text.replace(optional, "")
    head, _, rest = text.partition("<PlateAcquisition")
    return head + rest.partition("</PlateAcquisition>")[2]


def old_namespaces(text: str) -> str:
    """Spell as 2013-06 does: plates have a namespace of their own."""
    for name in ("Plate", "Well", "WellSample", "PlateAcquisition", "WellSampleRef"):
        text = text.replace(f"<{name} ", f"<SPW:{name} ").replace(f"</{name}>", f"</SPW:{name}>")
    return text.replace("2016-06", "2013-06").replace(
        "<OME ", '<OME xmlns:SPW="http://www.openmicroscopy.org/Schemas/SPW/2013-06" '
    )


def prefixed(text: str) -> str:
    return (
        text.replace("<", "<ome:").replace("<ome:/", "</ome:").replace("<ome:?", "<?").replace("xmlns=", "xmlns:ome=")
    )


@pytest.mark.parametrize("edit", [minimal, old_namespaces, prefixed])
def test_variants_of_the_schema(edit: Callable[[str], str], tmp_path: Path) -> None:
    small(tmp_path, edit)
    assert claimed(tmp_path)
    (index,) = indexed(tmp_path)
    assert index.plate == "P1"
    assert (len(index.table), sorted(set(index.table.well)), sorted(set(index.table.field))) == (
        8,
        ["A01", "B02"],
        [0, 1],
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1"])
def test_encodings_and_windows_newlines(encoding: str, tmp_path: Path) -> None:
    companion = small(tmp_path, name="Größe")
    text = companion.read_text(encoding="utf-8").replace('encoding="UTF-8"', f'encoding="{encoding.split("-sig")[0]}"')
    companion.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    assert claimed(tmp_path)
    (index,) = indexed(tmp_path)
    assert (index.plate, len(index.table)) == ("Größe", 8)


def test_indices_over_a_sparse_plate(tmp_path: Path) -> None:
    """As in the sparse set that the OME team shared: field 0 of the second well was not acquired."""
    plate = plate_xml("P1", FORMATS[96], {("A01", 0): 0, ("A01", 1): 1, ("A02", 3): 2, ("B01", 4): 3, ("B01", 5): 4})
    images = "".join(image_xml(n, ("a",), (1, 1, 1), block(f"{n}.tif", IFD=0)) for n in range(5))
    (tmp_path / "x.companion.ome").write_text(document(plate + images, "x"), encoding="utf-8")
    for number in range(5):
        tifffile.imwrite(tmp_path / f"{number}.tif", np.full((12, 20), number, np.uint16))
    (index,) = indexed(tmp_path)
    fields = {(row.well, row.field): Path(row.path).stem for row in rows(index)}
    assert fields == {("A01", 0): "0", ("A01", 1): "1", ("A02", 1): "2", ("B01", 0): "3", ("B01", 1): "4"}


def acquisitions(text: str, parts: list[list[int]]) -> str:
    head, _, rest = text.partition("<PlateAcquisition")
    described = "".join(
        f'<PlateAcquisition ID="PlateAcquisition:{number}">'
        + "".join(f'<WellSampleRef ID="WellSample:0:{image}"/>' for image in images)
        + "</PlateAcquisition>"
        for number, images in enumerate(parts)
    )
    return head + described + rest.partition("</PlateAcquisition>")[2]


def test_each_acquisition_is_a_plate(tmp_path: Path) -> None:
    small(tmp_path, lambda text: acquisitions(text, [[0, 2], [1, 3]]))
    first, second = indexed(tmp_path)
    assert (first.plate, second.plate) == ("P1-acquisition-0", "P1-acquisition-1")
    assert [{Path(path).name for path in one.table.path} for one in (first, second)] == [
        {f"P1_{well}_f{field}_t0.tiff" for well in ("A01", "B02")} for field in (0, 1)
    ]


def test_acquisitions_of_one_field_each_are_no_plates(tmp_path: Path) -> None:
    small(tmp_path, lambda text: acquisitions(text, [[0], [1], [2], [3]]))
    (index,) = indexed(tmp_path)
    assert (index.plate, len(index.table)) == ("P1", 8)


def test_the_layout_of_the_cq1(tmp_path: Path) -> None:
    """Images in a folder, backslashes, projections beside the planes, and a copy of the OME-XML in a TIFF."""

    def write(name: str, folder: str) -> str:
        plate = stamped()
        images = write_files(tmp_path, plate, lambda at: f"{folder}/W{at.well}F{at.field}{at.channel}.tif")
        samples = {sample: number for number, sample in enumerate(images)}
        first = image_xml(99, ("a",), (1, 1, 1), "")
        text = first + plate_xml("microplate", plate.format, samples) + "".join(images.values())
        text = document(text.replace(f'FileName="{folder}/', f'FileName="{folder}\\'), name)
        (tmp_path / name).write_text(text, encoding="utf-8")
        return text

    text = write("MeasurementResult.ome.xml", "Image")
    write("MeasurementResultMIP.ome.xml", "Projection")
    tifffile.imwrite(
        tmp_path / "MeasurementResult.ome.tif", np.zeros((8, 8), np.uint8), description=text.encode(), metadata=None
    )
    planes, projections = indexed(tmp_path)
    assert (planes.plate, projections.plate) == ("MeasurementResult", "MeasurementResultMIP")
    assert ({Path(path).parent.name for path in planes.table.path}, len(planes.table)) == ({"Image"}, 8)
    assert planes.notes == ("1 image(s) belong to no well",)


def test_files_that_each_describe_only_themselves_are_one_plate(tmp_path: Path) -> None:
    for well in ("A01", "C07"):
        image = image_xml(0, ("a",), (1, 1, 1), "<TiffData/>")
        text = document(plate_xml("P1", FORMATS[96], {(well, 0): 0}) + image, well)
        tifffile.imwrite(
            tmp_path / f"{well}.ome.tif", np.zeros((12, 20), np.uint16), description=text.encode(), metadata=None
        )
    (index,) = indexed(tmp_path)
    assert {row.well: Path(row.path).name for row in rows(index)} == {
        "A01": "A01.ome.tif",
        "C07": "C07.ome.tif",
    }


def test_files_that_only_point_to_their_document(tmp_path: Path) -> None:
    companion = small(tmp_path)
    companion.rename(tmp_path / "described.xml")
    pointer = document('<BinaryOnly MetadataFile="described.xml" UUID="urn:uuid:1"/>', "a")
    tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros((12, 20), np.uint16), description=pointer, metadata=None)
    assert claimed(tmp_path)
    assert len(indexed(tmp_path)[0].table) == 8
    (tmp_path / "described.xml").unlink()
    assert claimed(tmp_path)
    with pytest.raises(ReaderError, match=r"a\.ome\.tif says that described\.xml describes it, but there is no such"):
        indexed(tmp_path)


def test_a_file_that_got_another_name(tmp_path: Path) -> None:
    plate = stamped(wells=("A01",))
    write_embedded(tmp_path, plate)
    (tmp_path / "P1_A01.ome.tif").rename(tmp_path / "renamed.ome.tif")
    (index,) = indexed(tmp_path)
    assert {Path(path).name for path in index.table.path} == {"renamed.ome.tif"}
    assert index.absent == ()


def test_a_file_in_another_case(tmp_path: Path) -> None:
    small(tmp_path, lambda text: text.replace(".tiff", ".TIFF"), wells=("A01",))
    (index,) = indexed(tmp_path)
    assert (len(index.table), index.absent) == (4, ())


def test_several_plates_under_one_folder(tmp_path: Path) -> None:
    for day in ("Monday", "Tuesday"):
        (tmp_path / day).mkdir()
        small(tmp_path / day)
    assert [index.plate for index in indexed(tmp_path)] == ["Monday-P1", "Tuesday-P1"]
    shutil.rmtree(tmp_path / "Tuesday")
    assert [index.plate for index in indexed(tmp_path)] == ["P1"]


def test_what_has_no_plate_is_not_claimed(tmp_path: Path) -> None:
    assert not claimed(tmp_path)
    tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros((3, 8, 8), np.uint16), ome=True, photometric="minisblack")
    tifffile.imwrite(tmp_path / "b.ome.tif", np.zeros((8, 8), np.uint16), description="<PlateDescription/>")
    (tmp_path / "c.ome.tif").write_bytes(b"not a TIFF")
    (tmp_path / "d.companion.ome").write_text(document(image_xml(0, ("a",), (1, 1, 1), ""), "d"), encoding="utf-8")
    assert not claimed(tmp_path)
    assert indexed(tmp_path) == []


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    def edit(text: str) -> str:
        text = text.replace('<ImageRef ID="Image:0"/>', '<ImageRef ID="Image:7"/>')
        start = text.rindex("<TiffData")
        start = text[:start].rindex("<TiffData")
        return text[:start] + "<MetadataOnly/>" + text[text.rindex("</TiffData>") + len("</TiffData>") :]

    small(tmp_path, edit)
    (index,) = indexed(tmp_path)
    assert index.notes == (
        "1 field(s) have no pixels in TIFF files",
        "1 field(s) refer to an image that the OME-XML does not describe",
        "1 image(s) belong to no well",
    )
    assert set(zip(index.table.well, index.table.field, strict=True)) == {("A01", 1), ("B02", 0)}


def test_files_that_are_not_there_are_listed(tmp_path: Path) -> None:
    small(tmp_path)
    gone = tmp_path / "P1_A01_f0_t0.tiff"
    gone.unlink()
    (index,) = indexed(tmp_path)
    assert index.absent == (str(gone),)
    assert set(zip(index.table.well, index.table.field, strict=True)) == {("A01", 1), ("B02", 0), ("B02", 1)}


BOMB = '<!DOCTYPE OME [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>\n<OME'
EXTERNAL = '<!DOCTYPE OME [<!ENTITY a SYSTEM "file:///etc/passwd">]>\n<OME'


@pytest.mark.parametrize("head", [BOMB, EXTERNAL])
@pytest.mark.parametrize("embedded", [False, True])
def test_entities_are_refused(head: str, embedded: bool, tmp_path: Path) -> None:
    companion = small(tmp_path, lambda text: text.replace("<OME", head, 1).replace("a screen", "&a;"))
    if embedded:
        pixels, text = np.zeros((12, 20), np.uint16), companion.read_bytes()
        tifffile.imwrite(tmp_path / "x.ome.tif", pixels, description=text, metadata=None)
        companion.unlink()
    with pytest.raises(ReaderError, match=r"(P1\.companion\.ome|x\.ome\.tif) has a document type"):
        indexed(tmp_path)


@pytest.mark.parametrize("path", ["../P1.tif", "/etc/passwd", "..\\P1.tif", "C:\\data\\P1.tif", "\\\\server\\P1.tif"])
def test_a_file_elsewhere_is_refused(path: str, tmp_path: Path) -> None:
    small(tmp_path, lambda text: text.replace("P1_B02_f1_t0.tiff", path))
    with pytest.raises(ReaderError, match="in its own folder or below"):
        indexed(tmp_path)


def test_a_document_elsewhere_is_refused(tmp_path: Path) -> None:
    pointer = document('<BinaryOnly MetadataFile="../x.companion.ome" UUID="urn:uuid:1"/>', "a")
    tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros((12, 20), np.uint16), description=pointer, metadata=None)
    with pytest.raises(ReaderError, match="in its own folder or below"):
        indexed(tmp_path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text[: len(text) // 2], r"P1\.companion\.ome is not whole, well-formed XML"),
        (lambda text: text.replace("<OME", "<HTML").replace("</OME", "</HTML"), "its first element is HTML"),
        (lambda text: text.replace('Row="1"', 'Row="B"'), "has Row='B'"),
        (lambda text: text.replace('Row="1"', 'Row="40"'), "row 41"),
        (lambda text: text.replace('Row="1" ', ""), "has Row=None"),
        (lambda text: text.replace("XYZCT", "XYZ"), "DimensionOrder"),
        (lambda text: text.replace('<UUID FileName="P1_A01_f0_t0.tiff">', "<UUID>"), "does not name its file"),
        (lambda text: text.replace('<ImageRef ID="Image:3"/>', '<ImageRef ID="Image:0"/>'), "is said to be two images"),
        (lambda text: text.replace("_f1_t0", "_f0_t0"), "is said to be two images, of well A01"),
        (lambda text: text.replace('Index="1"', 'Index="0"'), "there more than once"),
    ],
)
def test_malformed_and_contradictory_documents_are_refused(
    edit: Callable[[str], str], message: str, tmp_path: Path
) -> None:
    small(tmp_path, edit)
    assert claimed(tmp_path)
    with pytest.raises(ReaderError, match=message):
        indexed(tmp_path)


def test_a_file_with_fewer_images_than_its_document_says(tmp_path: Path) -> None:
    small(tmp_path)
    tifffile.imwrite(tmp_path / "P1_A01_f0_t0.tiff", np.zeros((12, 20), np.uint16))
    (index,) = indexed(tmp_path)
    with pytest.raises(ReaderError, match=r"holds 1 image\(s\), but image 2 of it is wanted"):
        index.info()


@pytest.mark.parametrize(
    ("wells", "stated", "fields", "told"),
    [
        ({"A01": [0], "A02": [1]}, 2, [0, 1], False),  # one of two fields in each well
        ({"A01": [0], "A02": [1]}, 1, [0, 0], False),
        ({"A01": [0, 1, 2], "A02": [3], "A03": [4, 5]}, 3, [0, 1, 2, 0, 0, 1], True),  # whose fields lack, nobody knows
    ],
)
def test_what_is_counted_over_the_plate(
    wells: dict[str, list[int]], stated: int, fields: list[int], told: bool
) -> None:
    numbers, notes = field_numbers(wells, stated)
    assert [numbers[well, index] for well, indices in wells.items() for index in indices] == fields
    assert bool(notes) == told
