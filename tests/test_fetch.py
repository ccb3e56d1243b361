"""Fetching from a server of this machine: whole, cut off, killed and gone on, changed and hostile."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hcskit import fetch
from hcskit.errors import InputError, StoreError
from hcskit.fetch import _archive, _download
from hcskit.platemap import read_plate_map
from hcskit.readers import list_files, presets, read_image

IMAGES = "/BBBC013/BBBC013_v1_images_bmp.zip"
DOSES = "/BBBC013/BBBC013_v1_platemap_all.txt"
TABLE = "/BBBC021/BBBC021_v1_image.csv"
PLATE = "/BBBC021/BBBC021_v1_images_Week1_22123.zip"
WORTMANNIN = ["0", "0", "0.98", "1.95", "3.91", "7.81", "15.63", "31.25", "62.5", "125", "250", "150"]
LY294002 = ["80", "0", "0.31", "0.63", "1.25", "2.5", "5", "10", "20", "40", "80", "0"]
PLATE_MAP = "\r\n".join(["DESCRIPTION BBBC013 doses", *WORTMANNIN * 4, *LY294002 * 4, ""]).encode()


@dataclass
class Site:
    """What the server has and how it behaves; `url` is where."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""
    break_after: int | None = None
    pause: float = 0.0
    has_ranges: bool = True
    tag: Callable[[bytes], dict[str, str]] = lambda data: {"ETag": f'"{sha256(data).hexdigest()}"'}
    shift: int = 0

    def ranges(self, path: str) -> list[str | None]:
        return [asked for name, asked in self.asked if name == path]


class Handler(BaseHTTPRequestHandler):
    def __init__(self, site: Site, *args: object) -> None:
        self.site = site
        super().__init__(*args)  # type: ignore[arg-type]

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        site, wanted = self.site, self.headers["Range"]
        site.asked.append((self.path, wanted))
        data = site.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        tags = site.tag(data)
        start = 0
        if wanted and site.has_ranges and self.headers["If-Range"] in tags.values():
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) + site.shift  # type: ignore[index]
            if start >= len(data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        for name, value in tags.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.send_bytes(data[start:])

    def send_bytes(self, data: bytes) -> None:
        end = self.site.break_after
        for first in range(0, len(data[:end]), 1 << 14):
            self.wfile.write(data[:end][first : first + (1 << 14)])
            time.sleep(self.site.pause)
        self.close_connection = True


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    site = Site()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, site)) as server:
        site.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield site
        server.shutdown()
        thread.join()


def zip_of(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in members.items():
            zipped.writestr(name, data)
    return stream.getvalue()


def noise(size: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def bmp(value: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 6), value, np.uint8)).save(stream, "BMP")
    return stream.getvalue()


def bbbc013() -> dict[str, bytes]:
    names = [
        f"Channel{channel}-{12 * row + column:02d}-{'ABCDEFGH'[row]}-{column:02d}.BMP"
        for channel in (1, 2)
        for row in range(8)
        for column in range(1, 13)
    ]
    images = {f"BBBC013_v1_images_bmp/{name}": bmp(value) for value, name in enumerate(names)}
    return {IMAGES: zip_of(images), DOSES: PLATE_MAP}


def bbbc021(plate: bytes) -> dict[str, bytes]:
    table = "TableNumber,Image_Metadata_Plate_DAPI\n1,Week1_22123\n1,Week10_40111\n2,Week1_22123\n1,../../evil\n"
    return {TABLE: table.encode(), "/BBBC021/BBBC021_v1_moa.csv": b"compound,concentration,moa\n", PLATE: plate}


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_bbbc013(site: Site, tmp_path: Path) -> None:
    site.files = bbbc013()
    folder = fetch.fetch_bbbc013(tmp_path / "new" / "out", base_url=f"{site.url}/")
    (index,) = presets()["bbbc013"].index(folder, list_files(folder))
    assert (index.plate, len(index.table), index.channels) == ("BBBC013", 192, ("FKHR-GFP", "DNA"))
    path = index.table.query("well == 'B03' and channel == 'DNA'").path.item()
    assert (read_image(path) == 96 + 12 + 2).all()
    assert names_in(folder.parent) - {f"BBBC013/{Path(path).name}" for path in index.table.path} == {
        "platemap.csv",
        "BBBC013_v1_platemap_all.txt",
    }


def test_the_plate_map_of_bbbc013(site: Site, tmp_path: Path, shared_data: Path) -> None:
    site.files = bbbc013()
    fetch.fetch_bbbc013(tmp_path, base_url=site.url)
    table = read_plate_map(tmp_path / "platemap.csv")
    assert len(table) == 96
    known = read_plate_map(shared_data / "bbbc013" / "platemap.csv")
    assert table.loc[known.index].equals(known)
    assert set(table.role[["D12", "H01"]]) == {"positive_control"}


def test_what_is_there_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    site.files = bbbc013()
    fetch.fetch_bbbc013(tmp_path, base_url=site.url)
    (tmp_path / "platemap.csv").write_text("mine")
    asked = len(site.asked)
    fetch.fetch_bbbc013(tmp_path, base_url=site.url)
    assert len(site.asked) == asked
    assert (tmp_path / "platemap.csv").read_text() == "mine"


def test_bbbc021(site: Site, tmp_path: Path) -> None:
    site.files = bbbc021(zip_of({"Week1_22123/B02_s1_w1.tif": noise(5000)}))
    folders = fetch.fetch_bbbc021(tmp_path, ["22123", "Week1_22123"], base_url=site.url)
    assert folders == [tmp_path / "Week1_22123"]
    assert (folders[0] / "B02_s1_w1.tif").read_bytes() == noise(5000)
    assert names_in(tmp_path) == {"BBBC021_v1_image.csv", "BBBC021_v1_moa.csv", "Week1_22123/B02_s1_w1.tif"}


@pytest.mark.parametrize("plates", [["Week1_1"], ["22123", "evil"], ["../../evil"], []])
def test_plates_that_do_not_exist(plates: list[str], site: Site, tmp_path: Path) -> None:
    site.files = bbbc021(b"")
    with pytest.raises(InputError, match=r"BBBC021 has no plate .*; its plates are Week10_40111, Week1_22123$"):
        fetch.fetch_bbbc021(tmp_path, plates, base_url=site.url)
    assert site.ranges(PLATE) == []


def test_a_connection_that_breaks(site: Site, tmp_path: Path) -> None:
    data = noise(600_000)
    site.files, site.break_after = bbbc021(zip_of({"Week1_22123/a.tif": data})), 200_000
    size = len(site.files[PLATE])
    for went_before in (0, 1):
        with pytest.raises(StoreError, match=r"not fetched completely: .*; the received part is kept, and the same"):
            fetch.fetch_bbbc021(tmp_path, ["22123"], base_url=site.url)
        part = tmp_path / "BBBC021_v1_images_Week1_22123.zip.part"
        assert went_before * 190_000 < part.stat().st_size < size
        assert not (tmp_path / "Week1_22123").exists()
    site.break_after = None
    (folder,) = fetch.fetch_bbbc021(tmp_path, ["22123"], base_url=site.url)
    assert (folder / "a.tif").read_bytes() == data
    first, *later = site.ranges(PLATE)
    assert first is None
    assert all(asked and int(asked[6:-1]) > 100_000 for asked in later)
    assert not list(tmp_path.glob("*.part*"))


KILLED = """
import sys
from hcskit.fetch import fetch_bbbc021
fetch_bbbc021(sys.argv[1], ["22123"], base_url=sys.argv[2])
"""


@pytest.mark.slow
def test_a_download_that_is_killed_goes_on(site: Site, tmp_path: Path) -> None:
    data = noise(3_000_000)
    site.files, site.pause = bbbc021(zip_of({"Week1_22123/a.tif": data})), 0.02
    part = tmp_path / "BBBC021_v1_images_Week1_22123.zip.part"
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), site.url]) as process:
        while process.poll() is None and (not part.exists() or part.stat().st_size < 500_000):
            time.sleep(0.02)
        process.kill()
    there = part.stat().st_size
    assert 0 < there < len(data)
    site.pause = 0.0
    (folder,) = fetch.fetch_bbbc021(tmp_path, ["22123"], base_url=site.url)
    assert (folder / "a.tif").read_bytes() == data
    assert site.ranges(PLATE) == [None, f"bytes={there}-"]


def begin(site: Site, folder: Path, keep: int = 300_000) -> Path:
    """Fetch a file whose connection breaks, and return what came of it, cut or padded to a size."""
    site.break_after = 400_000
    with pytest.raises(StoreError):
        _download.download(f"{site.url}/file", folder)
    site.break_after = None
    part = folder / "file.part"
    part.write_bytes(part.read_bytes().ljust(keep, b"?")[:keep])
    return part


def last_modified(data: bytes) -> dict[str, str]:
    return {"ETag": 'W/"weak"', "Last-Modified": f"Wed, 21 Oct 2015 07:28:{data[0] % 60:02d} GMT"}


@pytest.mark.parametrize("tag", [Site.tag, last_modified, lambda data: {}], ids=["strong", "date", "none"])
@pytest.mark.parametrize("has_ranges", [True, False], ids=["ranges", "no ranges"])
def test_a_file_that_changed_is_not_put_together(
    has_ranges: bool, tag: Callable[[bytes], dict[str, str]], site: Site, tmp_path: Path
) -> None:
    site.files, site.tag, site.has_ranges = {"/file": noise(700_000)}, tag, has_ranges
    begin(site, tmp_path)
    site.files["/file"] = noise(650_000, seed=1)
    assert _download.download(f"{site.url}/file", tmp_path).read_bytes() == noise(650_000, seed=1)


def test_a_part_that_is_whole(site: Site, tmp_path: Path) -> None:
    site.files = {"/file": noise(700_000)}
    part = begin(site, tmp_path)
    part.write_bytes(noise(700_000))  # killed before it got its name
    assert _download.download(f"{site.url}/file", tmp_path).read_bytes() == noise(700_000)
    assert site.ranges("/file") == [None, "bytes=700000-"]


def test_a_part_that_is_longer_than_the_file(site: Site, tmp_path: Path) -> None:
    site.files = {"/file": noise(700_000)}
    begin(site, tmp_path, keep=800_000)
    assert _download.download(f"{site.url}/file", tmp_path).read_bytes() == noise(700_000)


def test_a_server_that_sends_another_range(site: Site, tmp_path: Path) -> None:
    site.files, site.shift = {"/file": noise(700_000)}, 10
    begin(site, tmp_path)
    assert _download.download(f"{site.url}/file", tmp_path).read_bytes() == noise(700_000)


def test_a_damaged_part_of_a_zip(site: Site, tmp_path: Path) -> None:
    site.files, site.break_after = bbbc021(zip_of({"Week1_22123/a.tif": noise(600_000)})), 300_000
    with pytest.raises(StoreError):
        fetch.fetch_bbbc021(tmp_path, ["22123"], base_url=site.url)
    site.break_after = None
    part = tmp_path / "BBBC021_v1_images_Week1_22123.zip.part"
    data = bytearray(part.read_bytes())
    data[100_000] ^= 255
    part.write_bytes(data)
    with pytest.raises(StoreError, match=r"is not a valid zip file and was removed: .*; fetch it again"):
        fetch.fetch_bbbc021(tmp_path, ["22123"], base_url=site.url)
    (folder,) = fetch.fetch_bbbc021(tmp_path, ["22123"], base_url=site.url)
    assert (folder / "a.tif").read_bytes() == noise(600_000)


def test_a_digest_that_is_known(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.files = {"/file": noise(700_000)}
    monkeypatch.setitem(_download.SHA256, f"{site.url}/file", sha256(noise(700_000)).hexdigest())
    part = begin(site, tmp_path)
    part.write_bytes(noise(300_000, seed=1))  # damaged
    with pytest.raises(StoreError, match=r"is another file than hcskit knows: .*; fetch it again"):
        _download.download(f"{site.url}/file", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert _download.download(f"{site.url}/file", tmp_path).read_bytes() == noise(700_000)


def test_a_file_the_server_does_not_have(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"platemap_all.txt: the server says 404 Not Found; is base_url that of"):
        fetch.fetch_bbbc013(tmp_path, base_url=site.url)
    assert list(tmp_path.iterdir()) == []


def test_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(StoreError, match=r"platemap_all.txt was not fetched completely"):
        fetch.fetch_bbbc013(tmp_path, base_url="http://127.0.0.1:9")


def test_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file cannot be made a folder: .*; choose another"):
        fetch.fetch_bbbc013(tmp_path / "file")


@pytest.mark.parametrize("path", [TABLE, DOSES])
def test_a_web_page_instead_of_a_table(path: str, site: Site, tmp_path: Path) -> None:
    site.files = bbbc013() | bbbc021(b"") | {path: b"<html>\n<p>Log in\n</html>"}
    with pytest.raises(StoreError, match="is removed; is base_url that of the collection"):
        fetch.fetch_bbbc021(tmp_path, ["22123"], base_url=site.url) if path == TABLE else fetch.fetch_bbbc013(
            tmp_path, base_url=site.url
        )
    assert list(tmp_path.iterdir()) == []


def damaged() -> bytes:
    data = bytearray(zip_of({"Week1_22123/a.tif": noise(5000)}))
    data[2000] ^= 255
    return bytes(data)


HOSTILE = {
    "a path upwards": zip_of({"Week1_22123/../../evil.tif": b"x"}),
    "an absolute path": zip_of({"/evil.tif": b"x"}),
    "backslashes": zip_of({"..\\..\\evil.tif": b"x"}),
    "a drive": zip_of({"C:\\evil.tif": b"x"}),
    "a bomb": zip_of({"Week1_22123/a.tif": bytes(20_000)}),
    "nothing in it": zip_of({}),
    "damaged": damaged(),
    "cut off": zip_of({"Week1_22123/a.tif": noise(5000)})[:3000],
    "a web page": b"<html></html>",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_zip_that_is_not_sound(data: bytes, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_archive, "_MOST_BYTES", 10_000)
    out = tmp_path / "some" / "out"
    site.files = bbbc021(data)
    with pytest.raises(StoreError, match=r"22123.zip is not a valid zip file and was removed: .*; fetch it again"):
        fetch.fetch_bbbc021(out, ["22123"], base_url=site.url)
    assert names_in(tmp_path) == {"some/out/BBBC021_v1_image.csv", "some/out/BBBC021_v1_moa.csv"}
