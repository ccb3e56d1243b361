"""How a folder finds its reader, what is said about it, and what several plates in one folder are."""

import shutil
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from hcskit import plugins
from hcskit.actions import import_plates
from hcskit.errors import ReaderError
from hcskit.readers import Claim, ImageIndex, Reader, _registry, read_folder, readers
from hcskit.store import open_plate


class Named:
    """A reader of a third party: whatever has its suffix is plate X."""

    def __init__(self, suffix: str = ".tif", names: int | None = None) -> None:
        self.suffix, self.names = suffix, names

    def claim(self, folder: Path, files: Sequence[Path]) -> Claim | None:
        fits = [file for file in files if file.suffix == self.suffix]
        return Claim(f"files end in {self.suffix}", self.names and len(fits)) if fits else None

    def index(self, folder: Path, files: Sequence[Path]) -> list[ImageIndex]:
        rows = [
            {"well": f"A{number:02d}", "field": 1, "channel": "DNA", "path": str(file)}
            for number, file in enumerate(sorted(files), start=1)
        ]
        return [ImageIndex(folder.name, pd.DataFrame(rows), ("DNA",), str(folder))]


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let these readers be installed by other packages."""

    def install(**loaded: object) -> None:
        class Installed(EntryPoint):
            def load(self) -> object:
                if isinstance(loaded[self.name], Exception):
                    raise loaded[self.name]
                return loaded[self.name]

        entries = [Installed(name, "somewhere", _registry.GROUP) for name in loaded]
        monkeypatch.setattr(plugins, "entry_points", lambda group: entries)

    return install


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "X").mkdir()
    for name in ("one.tif", "two.tif"):
        tifffile.imwrite(tmp_path / "X" / name, np.zeros((4, 5), np.uint16))
    return tmp_path / "X"


def test_a_reader_of_a_third_party_is_found_and_says_why(known, folder: Path) -> None:
    known(theirs=Named())
    found = read_folder(folder)
    assert (found.reader, found.reason) == ("theirs", "files end in .tif")
    assert found.describe() == "reader theirs: files end in .tif\nplate X: 2 images of 2 wells"
    assert isinstance(Named(), Reader)


def test_a_broken_reader_warns_and_the_others_work(known, folder: Path) -> None:
    known(theirs=Named(), broken=ImportError("no module named rust"))
    with pytest.warns(
        UserWarning, match=r"the reader 'broken' cannot be loaded from somewhere: .*no module named rust"
    ):
        assert read_folder(folder).reader == "theirs"


def test_a_reader_that_fails_to_look_does_not_stop_the_others(known, folder: Path) -> None:
    class Failing(Named):
        def claim(self, folder: Path, files: Sequence[Path]) -> Claim | None:
            raise KeyError("its own fault")

    known(failing=Failing(), theirs=Named())
    with pytest.warns(UserWarning, match="the reader failing failed to look at .*its own fault"):
        assert read_folder(folder).reader == "theirs"


def test_an_index_outweighs_names_and_more_names_fewer(known, folder: Path) -> None:
    (folder / "three.png").write_bytes(b"")
    known(index=Named(".png"), many=Named(".tif", 1), few=Named(".png", 1))
    assert read_folder(folder).reader == "index"
    known(few=Named(".png", 1), many=Named(".tif", 1))
    assert read_folder(folder).reader == "many"


def test_two_equal_claims_are_not_guessed_between(known, folder: Path) -> None:
    known(one=Named(), other=Named())
    with pytest.raises(ReaderError, match=r"several readers know this layout: one \(.*\); other \(.*choose .*--reader"):
        read_folder(folder)
    assert read_folder(folder, "other").reader == "other"


def test_every_shipped_reader_keeps_the_contract() -> None:
    for name, reader in readers().items():
        assert isinstance(reader, Reader), name
        assert reader.claim(Path("nowhere"), []) is None, name


def test_a_barcode_that_is_there_twice_is_refused_with_both_places(tmp_path: Path, export) -> None:
    for day in ("monday", "tuesday"):
        (tmp_path / day).mkdir()
        (tmp_path / day / "MeasurementData.mlf").write_text(
            '<bts:MeasurementData xmlns:bts="http://www.yokogawa.co.jp/BTS/BTSSchema/1.0">'
            '<bts:MeasurementRecord bts:Type="IMG" bts:Column="1" bts:Row="1" bts:TimePoint="1" bts:FieldIndex="1" '
            'bts:ZIndex="1" bts:Ch="1">a.tif</bts:MeasurementRecord></bts:MeasurementData>'
        )
        (tmp_path / day / "MeasurementDetail.mrf").write_text(
            '<bts:MeasurementDetail xmlns:bts="http://www.yokogawa.co.jp/BTS/BTSSchema/1.0">'
            '<bts:MeasurementSamplePlate bts:Name="BC1"/></bts:MeasurementDetail>'
        )
        tifffile.imwrite(tmp_path / day / "a.tif", np.zeros((4, 5), np.uint16))
    with pytest.raises(ReaderError, match=r"the plate BC1 is there twice: .*monday.* and .*tuesday.*--plate"):
        read_folder(tmp_path)
    assert [index.plate for index in read_folder(tmp_path / "monday", plate="BC1-monday")] == ["BC1-monday"]


def test_several_plates_cannot_have_one_name(tmp_path: Path, export) -> None:
    for plate in ("P1", "P2"):
        export(tmp_path, [("A01", 1, "DNA")], plate=plate)
    with pytest.raises(ReaderError, match=r"holds 2 plates \(P1, P2\), so they cannot all be called X"):
        read_folder(tmp_path, plate="X")


def test_links_are_followed_and_hidden_files_left_out(tmp_path: Path, export) -> None:
    export(tmp_path / "archive", [("A01", 1, "DNA")])
    (tmp_path / "export" / ".cache").mkdir(parents=True)
    (tmp_path / "export" / ".cache" / "P1_A02_f01_DNA.tif").touch()
    (tmp_path / "export" / "images").symlink_to(tmp_path / "archive")
    (tmp_path / "export" / "again").symlink_to(tmp_path / "export")  # a link that leads back is followed once
    with pytest.raises(ReaderError, match=r"images is or lies behind a link that leads out of .*--follow-links"):
        read_folder(tmp_path / "export")
    (index,) = read_folder(tmp_path / "export", follow_links=True)
    assert list(index.table.well) == ["A01"]


def test_images_that_no_plate_has_are_told(tmp_path: Path) -> None:
    for name in ("Channel1-01-A-01.tif", "overview.tif"):
        tifffile.imwrite(tmp_path / name, np.zeros((4, 5), np.uint16))
    told = read_folder(tmp_path).describe()
    assert told.endswith(f"1 image file(s) are in none of the plates, such as {tmp_path / 'overview.tif'}")


def test_a_screen_below_its_own_images_is_no_part_of_them(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "Channel1-01-A-01.tif", np.zeros((4, 5), np.uint16))
    for screen in (tmp_path / "screen", tmp_path):
        for _ in range(2):
            found = read_folder(tmp_path, screen=screen)
            assert found.reader == "bbbc013"
            import_plates(found, screen)
        shutil.rmtree(screen / f"{tmp_path.name}.zarr")


@pytest.mark.slow
def test_one_time_point_of_a_series(tmp_path: Path) -> None:
    export = tmp_path / "export"
    export.mkdir()
    for time in (0, 6):
        name = f"plate--fsk--0.32--W0001--P001--T{time:04d}--C00.tif"
        tifffile.imwrite(export / name, np.full((4, 5), time, np.uint8), photometric="minisblack")
    for wanted, time in (("last", 6), ("6", 6), (0, 0)):
        (path,) = import_plates(export, tmp_path / f"screen-{wanted}", time=wanted, progress=False)
        plate = open_plate(path)
        assert "time" not in plate.dims
        assert plate["image"].max() == time
    told = read_folder(export, time="last").describe()
    assert "left out: 1 of a time point that was not asked for" in told
    with pytest.raises(ReaderError, match="plate plate has no time point 5; it has 0, 6: give one of these, or last"):
        read_folder(export, time=5)
