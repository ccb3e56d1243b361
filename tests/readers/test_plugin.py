"""A reader from outside the package: a distribution of its own, found by its entry point."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from hcskit import open_screen
from hcskit.readers import read_folder, readers
from hcskit.testing import CASES, Numbering, StampedPlate, check_reader

MODULE = '''
"""Plates of the Acme Imager: ``acme.txt`` has a line for each image."""

import pandas as pd

from hcskit.readers.toolkit import Claim, ImageIndex, inside, label, parse_xml, plate_size, well_name


def claim(folder, files):
    found = [file for file in files if file.name == "acme.txt"]
    return Claim(f"{found[0].relative_to(folder)} is an index of the Acme Imager") if found else None


def index(folder, files):
    plates = []
    for path in sorted(file for file in files if file.name == "acme.txt"):
        title, *lines = path.read_text(encoding="utf-8").splitlines()
        rows = []
        for line in lines:
            name, row, column, field, time, channel, z = line.split("\\t")
            place = [label(text, "number", name, path) for text in (row, column, field, time, z)]
            file = inside(path.parent, name)
            rows.append((well_name(place[0], place[1], path), *place[2:4], channel, place[4], file))
        table = pd.DataFrame(rows, columns=["well", "field", "time", "channel", "z", "path"])
        plates.append(ImageIndex(title, table, ("DNA", "Actin"), source=f"{path} (acme)", pixel_size=0.5))
    return plates
'''
ENTRY_POINTS = "[hcskit.readers]\nacme = acme_reader\nbroken = acme_reader.nowhere\n"


def write_acme(folder: Path, plate: StampedPlate) -> None:
    """Write a plate as an Acme Imager would."""
    home = folder / plate.name
    home.mkdir()
    lines = [plate.name]
    for number, image in enumerate(plate.images):
        tifffile.imwrite(home / f"{number}.tif", plate.pixels(image))
        row, column = image.well.rstrip("0123456789"), int(image.well.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        rank = ord(row[-1]) - 64 + 26 * (len(row) - 1)
        place = (f"{number}.tif", rank, column, image.field, image.time, image.channel, image.z)
        lines.append("\t".join(map(str, place)))
    (home / "acme.txt").write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small distribution, on the path as if pip had put it there."""
    site = tmp_path / "site"
    metadata = site / "acme_reader-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "acme_reader.py").write_text(MODULE, encoding="utf-8")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-reader\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "acme_reader", raising=False)
    return site


@pytest.fixture
def export(tmp_path: Path) -> Path:
    from hcskit.plate import FORMATS
    from hcskit.testing import Label

    images = tuple(Label(well, 1, 1, channel, 1) for well in ("A01", "B02") for channel in ("DNA", "Actin"))
    (tmp_path / "export").mkdir()
    write_acme(tmp_path / "export", StampedPlate("Acme-7", 0, FORMATS[96], ("DNA", "Actin"), images))
    return tmp_path / "export"


def test_a_reader_of_another_package_is_found(installed: Path, export: Path) -> None:
    with pytest.warns(UserWarning, match=r"the reader 'broken' cannot be loaded from acme_reader\.nowhere: .*nowhere"):
        found = read_folder(export)
    assert (found.reader, found.reason) == ("acme", "Acme-7/acme.txt is an index of the Acme Imager")
    with pytest.warns(UserWarning, match="broken"):
        plate = open_screen(export)["Acme-7"].to_dataset()
    assert plate.attrs["pixel_size_um"] == 0.5
    pixels = tifffile.imread(export / "Acme-7" / "3.tif")
    np.testing.assert_array_equal(plate.image.sel(well="B02", field=1, channel="Actin"), pixels)


@pytest.mark.slow
def test_hcskit_import_uses_it(installed: Path, export: Path, tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(installed)!r}); from hcskit.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "import", export, tmp_path / "screen"], capture_output=True, text=True, check=True
    )
    assert "reader acme: Acme-7/acme.txt is an index" in done.stdout
    assert (tmp_path / "screen" / "Acme-7.zarr" / "zarr.json").exists()
    assert "the reader 'broken'" in done.stderr


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:left out. the reader 'broken'")
@pytest.mark.parametrize("case", CASES)
def test_it_can_be_held_to_the_conformance_suite(installed: Path, case: str, tmp_path: Path) -> None:
    written = Numbering(more_channels=(), metadata={"pixel_size": 0.5})
    check_reader(readers()["acme"], write_acme, tmp_path / "case", case, written)
