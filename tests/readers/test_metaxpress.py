"""MetaXpress: the database's folders, and exports with an HTD."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tifffile

from hcskit.actions import import_plates
from hcskit.errors import ReaderError
from hcskit.plate import parse_well
from hcskit.readers import ImageIndex, Reader, list_files, metaxpress, read_folder
from hcskit.testing import CASES, Label, Numbering, StampedPlate, check_reader

GUID = "6E3D1F9A-45E4-450A-9919-257C714278F7"
DESCRIPTION = """<MetaData>\r
<prop id="Description" type="string" value="Exposure: 15 ms&#13;&#10;Gain: 16-bit (low noise &#38; high capacity)"/>\r
<prop id="ApplicationName" type="string" value="MetaMorph"/>\r
<PlaneInfo>\r
<prop id="plane-type" type="string" value="plane"/>\r
<prop id="spatial-calibration-state" type="bool" value="on"/>\r
<prop id="spatial-calibration-x" type="float" value="0.3258"/>\r
<prop id="spatial-calibration-y" type="float" value="0.3258"/>\r
<prop id="spatial-calibration-units" type="string" value="um"/>\r
<prop id="image-name" type="string" value="DAPI"/>\r
<custom-prop id="Exposure Time" type="string" value="15 ms"/>\r
</PlaneInfo>\r
</MetaData>\r
"""


def write_image(path: Path, pixels: np.ndarray | None = None, description: str = DESCRIPTION) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((8, 12), 7, np.uint16) if pixels is None else pixels
    tifffile.imwrite(
        path, pixels, description=description, metadata=None, software="MetaSeries", resolution=(1, 1), resolutionunit=2
    )
    return path


def htd(
    waves: Sequence[str], wells: Iterable[str] = ("B02",), rows: int = 8, columns: int = 12, sites: int = 1, **more: int
) -> bytes:
    chosen = {(parse_well(well).row, parse_well(well).column) for well in wells}
    marks = [["TRUE" if (row, column) in chosen else "FALSE" for column in range(columns)] for row in range(rows)]
    lines = [
        '"HTSInfoFile", Version 1.0',
        f'"Description", "{len(waves)} waves\x82\x81DAPI: 1z"',
        '"PlateType", 2',
        f'"TimePoints", {more.get("times", 1)}',
        f'"ZSeries", {str(more.get("planes", 0) > 1).upper()}',
        f'"ZSteps", {more.get("planes", 0)}',
        '"ZProjection", TRUE',
        f'"XWells", {columns}',
        f'"YWells", {rows}',
        *(f'"WellsSelection{row + 1}", {", ".join(here)}' for row, here in enumerate(marks)),
        f'"Sites", {str(sites > 1).upper()}',
        f'"XSites", {sites}',
        '"YSites", 1',
        f'"SiteSelection1", {", ".join(["TRUE"] * sites)}',
        f'"Waves", {str(len(waves) > 1).upper()}',
        f'"NWavelengths", {len(waves)}',
        *(f'"WaveName{wave}", "{name}"' for wave, name in enumerate(waves, 1)),
        *(f'"WaveCollect{wave}", 1' for wave in range(1, len(waves) + 1)),
        '"UniquePlateIdentifier", "af67a541-a074-4ed4-a516-912d0171b177"',
        '"EndFile"',
    ]
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")


def name_of(plate: StampedPlate, label: Label, prefix: str) -> str:
    several = len({image.field for image in plate.images}) > 1
    site = f"_s{label.field}" if several else ""
    return f"{prefix}_{label.well}{site}_w{plate.channels.index(label.channel) + 1}"


def guid() -> str:
    return str(uuid.uuid4()).upper()


def is_stack(plate: StampedPlate) -> bool:
    return len({label.z for label in plate.images}) > 1


def write_database(folder: Path, plate: StampedPlate) -> None:
    home = folder / "2023-02-21" / plate.name
    several = len({label.time for label in plate.images}) > 1
    projected = set()
    for label in plate.images:
        name = name_of(plate, label, "Projection-Mix")
        time = home / f"TimePoint_{label.time}" if several else home
        place = time / f"ZStep_{label.z}" if is_stack(plate) else time
        write_image(place / f"{name}{guid()}.tif", plate.pixels(label))
        write_image(place / f"{name}_thumb{guid()}.tif")
        if is_stack(plate) and (time, name) not in projected:
            projected.add((time, name))
            write_image(time / f"{name}{guid()}.tif")


def write_export(folder: Path, plate: StampedPlate) -> None:
    home = folder / plate.name
    wells = {label.well for label in plate.images}
    sites = len({label.field for label in plate.images})
    text = htd(plate.channels, wells, plate.format.rows, plate.format.columns, sites)
    for label in plate.images:
        name = name_of(plate, label, plate.name)
        time = home / f"TimePoint_{label.time}"
        place = time / f"ZStep_{label.z}" if is_stack(plate) else time
        write_image(place / f"{name}.TIF", plate.pixels(label))
        if is_stack(plate):
            write_image(time / "ZStep_0" / f"{name}.TIF")
    for place in (home, home / "TimePoint_1"):
        place.mkdir(exist_ok=True)
        (place / f"{plate.name}.HTD").write_bytes(text)


def plates_of(folder: Path, reader: Reader = metaxpress) -> dict[str, ImageIndex]:
    return {index.plate: index for index in reader.index(folder, list_files(folder))}


def only_plate(folder: Path, reader: Reader = metaxpress) -> ImageIndex:
    (index,) = plates_of(folder, reader).values()
    return index


def labels_of(index: ImageIndex) -> set[tuple[str, int, int, str, int]]:
    return set(index.table[["well", "field", "time", "channel", "z"]].itertuples(index=False, name=None))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_conformance_of_the_database(case: str, tmp_path: Path) -> None:
    written = Numbering(channels=("w1", "w2"), metadata={"exposure": dict.fromkeys(("w1", "w2", "w3"), 0.015)})
    check_reader(metaxpress, write_database, tmp_path, case, written)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_conformance_of_an_export(case: str, tmp_path: Path) -> None:
    written = Numbering(metadata={"exposure": dict.fromkeys(("DNA", "Actin", "Tubulin"), 0.015)})
    check_reader(metaxpress, write_export, tmp_path, case, written)


def tagged(**properties: str) -> str:
    """The description of an image with these properties."""
    named = {name.replace("__", "-"): value for name, value in properties.items()}
    added = "".join(f'<prop id="{name}" type="string" value="{value}"/>' for name, value in named.items())
    return DESCRIPTION.replace("</PlaneInfo>", f"{added}</PlaneInfo>")


def test_channels_and_sites_are_those_of_the_tags(tmp_path: Path) -> None:
    for well, site, wave in product(("B02", "C03"), (1, 2), (1, 2)):
        where = {"OffsetFromWellCenterUmX": str(700 * site - 1050), "OffsetFromWellCenterUmY": "-350"}
        light = {"_IllumSetting_": ("DAPI", "FITC")[wave - 1], "wavelength": str((452, 536)[wave - 1])}
        write_image(tmp_path / "7" / f"P_{well}_s{site}_w{wave}{guid()}.tif", description=tagged(**where, **light))
    (index,) = read_folder(tmp_path)
    assert (index.channels, index.emission) == (("DAPI", "FITC"), {"DAPI": 452, "FITC": 536})
    assert index.exposure == {"DAPI": 0.015, "FITC": 0.015}
    assert index.positions is not None
    assert index.positions.loc["C03"].to_numpy().tolist() == [[-350, 350], [350, 350]]


def test_folders_of_planes_are_known_without_an_htd(tmp_path: Path) -> None:
    for plane in (1, 2):
        write_image(tmp_path / "P" / "TimePoint_1" / f"ZStep_{plane}" / "A01_s1_w1.TIF")
    found = read_folder(tmp_path)
    assert (found.reader, sorted(found.plates[0].table.z)) == ("metaxpress", [1, 2])


def test_without_offsets_the_middle_of_the_sites_is_the_wells(tmp_path: Path) -> None:
    for site, (x, y) in enumerate(((9000, 7000), (9700, 7000), (9700, 7700)), 1):
        where = {"stage__position__x": str(x), "stage__position__y": str(y)}
        write_image(tmp_path / "7" / f"P_B02_s{site}{guid()}.tif", description=tagged(**where))
    (index,) = read_folder(tmp_path)
    assert index.positions is not None
    assert index.positions.to_numpy().tolist() == [[-350, 350], [350, 350], [350, -350]]


def test_the_real_database(shared_data: Path) -> None:
    folder = shared_data / "vendor" / "metaxpress_database"
    claim = metaxpress.claim(folder, list_files(folder))
    assert claim is not None
    assert claim.names is None
    index = only_plate(folder)
    assert index.plate == "Projection-Mix"
    assert labels_of(index) == {(w, s, 1, "FITC_05", z) for w in ("E07", "E08") for s in (1, 2) for z in (1, 2)}
    assert Path(index.table.query("well == 'E08' and field == 1 and z == 2").path.item()).name.startswith(
        "Projection-Mix_E08_s14864BA30"
    )
    assert index.info().pixel_size == pytest.approx(1.3668)
    left_out = {reason.partition(" ")[0]: len(files) for reason, files in index.left_out.items()}
    assert left_out == {"thumbnail(s)": 12, "projection(s)": 4}


def test_the_projections_of_the_real_database(shared_data: Path) -> None:
    folder = shared_data / "vendor" / "metaxpress_database"
    reader: Reader = metaxpress.projections
    assert reader.claim(folder, list_files(folder)) is None
    index = only_plate(folder, reader)
    assert labels_of(index) == {(w, s, 1, "FITC_05", 1) for w in ("E07", "E08") for s in (1, 2)}
    assert {Path(path).parent.name for path in index.table.path} == {"1334"}
    assert len(index.left_out["image(s) of single planes; the reader metaxpress takes them"]) == 8


def test_the_real_export(shared_data: Path) -> None:
    folder = shared_data / "vendor" / "metaxpress_export"
    claim = metaxpress.claim(folder, list_files(folder))
    assert claim is not None
    assert claim.names is None
    index = only_plate(folder)
    assert (index.plate, labels_of(index), index.notes) == ("9987_Plate_3420", {("B02", 1, 1, "DAPI", 1)}, ())
    assert index.plate_format == 96
    assert index.info().pixel_size == pytest.approx(1.3672)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        (f"Plate_B02{GUID}.tif", ("B02", 1, 1, "w1", 1)),
        (f"Plate_B02_s12{GUID}.tif", ("B02", 12, 1, "w1", 1)),
        (f"Plate_B02_w3{GUID.lower()}.tif", ("B02", 1, 1, "w3", 1)),
        (f"Plate_B02_s3_w1[{GUID}].tif", ("B02", 3, 1, "w1", 1)),
        (f"Plate_A01_s1_[{GUID}].tif", ("A01", 1, 1, "w1", 1)),
        ("B02_s1_w1_z3.tif", ("B02", 1, 1, "w1", 3)),
        (f"G10_s1_w4{GUID}.tif", ("G10", 1, 1, "w4", 1)),
        (f"Week7_7__A01_AF48_s1_w2{GUID}.TIFF", ("AF48", 1, 1, "w2", 1)),
        (f"mcf-z-stacks-03212011_p23_s2_w2{GUID.lower()}.tif", ("P23", 2, 1, "w2", 1)),  # BBBC006
        ("TimePoint_3/Plate_H12.TIF", ("H12", 1, 3, "w1", 1)),
        ("timepoint_3/zstep_2/Plate_H12_s2_w2.tif", ("H12", 2, 3, "w2", 2)),
    ],
)
def test_names_in_the_field(name: str, label: tuple[str, int, int, str, int], tmp_path: Path) -> None:
    plates = ("mcf-z-stacks-03212011", "Week7_7__A01", "Plate")
    plate = next((plate for plate in plates if f"{plate}_" in name), "1075")
    file = write_image(tmp_path / "1075" / name)
    assert metaxpress.claim(tmp_path, [file]) is not None
    index = only_plate(tmp_path)
    assert (index.plate, labels_of(index)) == (plate, {label})


@pytest.mark.parametrize("name", [f"Plate_B02_w1_thumb{GUID}.tif", "Plate_B02_s1_w1.tif", "s_C001.tif", "B2.tif"])
def test_other_names_are_not_claimed(name: str, tmp_path: Path) -> None:
    assert metaxpress.claim(tmp_path, [write_image(tmp_path / name)]) is None


def test_an_export_without_folders_of_time_points(tmp_path: Path) -> None:
    (tmp_path / "P1" / "nested").mkdir(parents=True)
    (tmp_path / "P1" / "p1.htd").write_bytes(htd(["DAPI", "GFP"]))
    write_image(tmp_path / "P1" / "P1_B02_w2_t1.TIF")
    write_image(tmp_path / "P1" / "P1_B02_w2_t2.TIF")
    assert labels_of(only_plate(tmp_path)) == {("B02", 1, 1, "GFP", 1), ("B02", 1, 2, "GFP", 1)}


def test_a_wave_with_one_plane_sits_at_the_first(tmp_path: Path) -> None:
    home = tmp_path / "1334"
    for z in (2, 3):
        write_image(home / f"ZStep_{z}" / f"P_B02_w1{guid()}.tif")
    write_image(home / f"P_B02_w1{guid()}.tif")
    write_image(home / f"P_B02_w2{guid()}.tif")
    alone = write_image(home / f"P_B03_w1{guid()}.tif")  # a projection or not: there is nothing else of B03
    index = only_plate(tmp_path)
    stack = {("B02", 1, 1, "w1", 2), ("B02", 1, 1, "w1", 3), ("B02", 1, 1, "w2", 2)}
    assert labels_of(index) == {*stack, ("B03", 1, 1, "w1", 2)}
    assert index.table.path[index.table.well == "B03"].item() == str(alone)
    (left_out,) = (files for reason, files in index.left_out.items() if reason.startswith("projection"))
    assert [Path(path).parent.name for path in left_out] == ["1334"]
    flat = only_plate(tmp_path, metaxpress.projections)
    assert labels_of(flat) == {("B02", 1, 1, "w1", 1), ("B02", 1, 1, "w2", 1), ("B03", 1, 1, "w1", 1)}


def test_only_planes_have_no_projection(tmp_path: Path) -> None:
    write_image(tmp_path / "1334" / "ZStep_1" / f"P_B02{guid()}.tif")
    assert plates_of(tmp_path, metaxpress.projections) == {}


def test_waves_of_one_name_stay_apart(tmp_path: Path) -> None:
    (tmp_path / "P.HTD").write_bytes(htd(["DAPI", "Cy5, long", "DAPI"]))
    for wave in (1, 2, 3):
        write_image(tmp_path / "TimePoint_1" / f"P_B02_w{wave}.TIF")
    index = only_plate(tmp_path)
    assert index.channels == ("DAPI (w1)", "Cy5, long", "DAPI (w3)")
    channel = {Path(path).name: channel for path, channel in zip(index.table.path, index.table.channel, strict=True)}
    assert channel == {"P_B02_w1.TIF": "DAPI (w1)", "P_B02_w2.TIF": "Cy5, long", "P_B02_w3.TIF": "DAPI (w3)"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_wave_names_in_any_encoding(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "P.HTD").write_bytes('"WaveName1", "Größe 5 µm"\r\n"EndFile"\r\n'.encode(encoding))
    write_image(tmp_path / "P_B02.TIF")
    assert only_plate(tmp_path).channels == ("Größe 5 µm",)


@pytest.mark.parametrize(
    ("line", "name"),
    [(r'"Cy5 ""far"", 5%"', 'Cy5 "far", 5%'), (r'"10x "dry" DAPI"', '10x "dry" DAPI'), ('"DAPI" ', "DAPI")],
)
def test_wave_names_with_quotes(line: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "P.HTD").write_text(f'"WaveName1", {line}\n"EndFile"\n', encoding="utf-8")
    write_image(tmp_path / "P_B02.TIF")
    assert only_plate(tmp_path).channels == (name,)


@pytest.mark.parametrize("cut", [0, 40, 10**6], ids=["empty", "cut in its header", "binary"])
def test_a_damaged_htd_costs_only_names(cut: int, tmp_path: Path) -> None:
    whole = htd(["DAPI", "GFP"], wells=["B02", "B03"])
    (tmp_path / "P.HTD").write_bytes(b"\x00\xff" * 99 if cut > len(whole) else whole[:cut])
    write_image(tmp_path / "P_B02_w2.TIF")
    index = only_plate(tmp_path)
    assert labels_of(index) == {("B02", 1, 1, "w2", 1)}
    assert index.notes == ("P.HTD has no name for wave 2; is the copy of it complete?",)


def test_a_name_that_is_cut_off_is_no_name(tmp_path: Path) -> None:
    whole = htd(["DAPI", "Texas Red"])
    (tmp_path / "P.HTD").write_bytes(whole[: whole.index(b" Red")])
    write_image(tmp_path / "P_B02_w1.TIF")
    write_image(tmp_path / "P_B02_w2.TIF")
    assert only_plate(tmp_path).channels == ("DAPI", "w2")


def test_what_an_htd_says_is_there_is_compared_with_what_is(tmp_path: Path) -> None:
    wells = ["A01", "B02"]
    (tmp_path / "P.HTD").write_bytes(htd(["DAPI", "GFP", "Cy5"], wells=[*wells, "H12"], sites=2))
    for well in wells:
        for site in (1, 2):
            for wave in (1, 2):
                if (well, site, wave) != ("B02", 2, 2):
                    write_image(tmp_path / "TimePoint_1" / f"P_{well}_s{site}_w{wave}.TIF")
    index = only_plate(tmp_path)
    lost = {(well, site, 3) for well in wells for site in (1, 2)} | {("B02", 2, 2)}
    lost |= {("H12", site, wave) for site in (1, 2) for wave in (1, 2, 3)}
    assert set(index.absent) == {f"well {w}, site {s}, wave {wave}, by P.HTD" for w, s, wave in lost}
    assert len(index.absent) == len(lost)
    with pytest.raises(ReaderError, match=r"11 image\(s\) of plate .* are not there:(.|\n)*--allow-missing"):
        import_plates([index], tmp_path / "screen", progress=False)


def test_planes_and_time_points_that_an_htd_says_are_there(tmp_path: Path) -> None:
    (tmp_path / "P.HTD").write_bytes(htd(["DAPI", "GFP"], wells=["A01"], planes=3, times=2))
    for time, z in ((1, 1), (1, 2), (1, 3), (2, 1), (2, 3)):
        write_image(tmp_path / f"TimePoint_{time}" / f"ZStep_{z}" / "P_A01_w1.TIF")
    for time in (1, 2):
        write_image(tmp_path / f"TimePoint_{time}" / "P_A01_w2.TIF")  # a wave in 2-D
    assert only_plate(tmp_path).absent == ("well A01, site 1, wave 1, plane 2, time point 2, by P.HTD",)


def test_a_plate_of_the_database_is_called_as_its_files_are(tmp_path: Path) -> None:
    for barcode, number in (("PLATE7", "1334"), ("PLATE8", "1335")):
        write_image(tmp_path / barcode / "2023-02-21" / number / f"{barcode}_B02_s1_w1{guid()}.tif")
    assert set(plates_of(tmp_path)) == {"PLATE7", "PLATE8"}
    write_image(tmp_path / "PLATE8" / "2023-02-22" / "1340" / f"PLATE8_B02_s1_w1{guid()}.tif")
    assert set(plates_of(tmp_path)) == {"PLATE7", "PLATE8-1335", "PLATE8-1340"}


def test_a_plate_is_never_smaller_than_its_wells(tmp_path: Path) -> None:
    (tmp_path / "P.HTD").write_bytes(htd(["DAPI"]))
    write_image(tmp_path / "P_P24.TIF")
    assert only_plate(tmp_path).plate_format is None


def test_plates_of_one_name_have_the_names_of_their_folders(tmp_path: Path) -> None:
    for number in (3420, 3434):
        home = tmp_path / f"9987_Plate_{number}" / "TimePoint_1"
        write_image(home / "ZStep_1" / "9987_B02.TIF", np.full((8, 12), number, np.uint16))
        (home / "ZStep_1" / "9987.HTD").write_bytes(htd([f"Wave of {number}"]))
    found = plates_of(tmp_path)
    assert {name: index.channels for name, index in found.items()} == {
        "9987_Plate_3420": ("Wave of 3420",),
        "9987_Plate_3434": ("Wave of 3434",),
    }
    assert all(f"9987_Plate_{name[-4:]}" in index.table.path.item() for name, index in found.items())


def test_plates_in_one_folder_have_the_names_of_their_files(tmp_path: Path) -> None:
    for name in ("P1", "P2"):
        (tmp_path / f"{name}.HTD").write_bytes(htd([f"Wave of {name}"]))
        write_image(tmp_path / "TimePoint_1" / f"{name}_B02.TIF")
    write_image(tmp_path / "TimePoint_1" / "mask_B02.TIF")
    write_image(tmp_path / "overview.tif")
    found = plates_of(tmp_path)
    assert {name: index.channels for name, index in found.items()} == {"P1": ("Wave of P1",), "P2": ("Wave of P2",)}
    others = read_folder(tmp_path).others
    assert [file.name for file in others] == ["mask_B02.TIF", "overview.tif"]


def test_folders_of_wells_below_a_plate_that_an_htd_describes(tmp_path: Path) -> None:
    (tmp_path / "run" / "TimePoint_1").mkdir(parents=True)
    (tmp_path / "run" / "P.HTD").write_bytes(htd(["DAPI"]))
    for time in (1, 2):
        for well in ("A01", "B02"):
            write_image(tmp_path / "run" / f"TimePoint_{time}" / well / f"P_{well}_s1.TIF")
    (index,) = plates_of(tmp_path).values()
    assert (index.plate, index.channels) == ("run", ("DAPI",))
    assert labels_of(index) == {(well, 1, time, "DAPI", 1) for time in (1, 2) for well in ("A01", "B02")}


def test_an_image_that_is_there_twice(tmp_path: Path) -> None:
    for _ in range(2):
        write_image(tmp_path / "1334" / f"P_B02_s1_w1{guid()}.tif")
    with pytest.raises(ReaderError, match=r"1 image\(s\) are there more than once; plate P, well B02, field 1"):
        metaxpress.index(tmp_path, list_files(tmp_path))


ENTITIES = {
    "bomb": '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    "external": '<!DOCTYPE x [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
}


@pytest.mark.parametrize("entities", ENTITIES.values(), ids=ENTITIES)
def test_entities_in_a_header_are_not_read(entities: str, tmp_path: Path) -> None:
    text = DESCRIPTION.replace("0.3258", "&b;")
    for description in (entities + text, text.replace("<MetaData>", f"<MetaData>{entities}")):
        file = write_image(tmp_path / f"P_B02{GUID}.tif", description=description)
        assert metaxpress.index(tmp_path, [file])[0].info().pixel_size is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('type="bool" value="on"', 'type="bool" value="off"'),
        ('value="um"', 'value="pixel"'),
        ('value="0.3258"', 'value="wide"'),
        ("</PlaneInfo>", ""),
        ("spatial-calibration-x", "another"),
    ],
)
def test_a_calibration_that_is_none(old: str, new: str, tmp_path: Path) -> None:
    whole = write_image(tmp_path / "whole" / f"P_B02{GUID}.tif")
    assert metaxpress.index(tmp_path, [whole])[0].info().pixel_size == 0.3258
    broken = write_image(tmp_path / "broken" / f"P_B02{GUID}.tif", description=DESCRIPTION.replace(old, new))
    assert metaxpress.index(tmp_path, [broken])[0].info().pixel_size is None
