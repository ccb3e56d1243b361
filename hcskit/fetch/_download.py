"""Files over HTTP. An interrupted download resumes where it stopped.

The received part of ``NAME`` is in ``NAME.part``, and beside it, ``NAME.part.tag`` identifies this version of the file,
so that parts of two versions are never joined.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pooch
import requests
from tqdm import tqdm

from hcskit.errors import HcskitError, InputError, StoreError

__all__ = ["AGAIN", "BASE_URL", "SHA256", "download"]

#: Where the collection is.
BASE_URL = "https://data.broadinstitute.org/bbbc/"
#: Digests by address, as several projects that use these files have published them; of others the size is checked and,
#: in a zip, the CRC of each file.
SHA256 = {
    f"{BASE_URL}BBBC013/BBBC013_v1_images_bmp.zip": "c059b569d96f70ad5626fad144867e6ece4353622119c46a8af8f9794f1e7985",
    f"{BASE_URL}BBBC013/BBBC013_v1_platemap_all.txt": (
        "e8db6666271d47962fa7d2abfa3ea965352b8e87bee461f2983d0f667bc7ff08"
    ),
}
#: What to do after most errors.
AGAIN = "the same command resumes where this one stopped"
_TIMEOUT = (10, 60)  # seconds to connect, and without a byte
_CHUNK = 1 << 16


def download(url: str, folder: Path) -> Path:
    """Fetch a file into a folder, unless it is there and, if its digest is known, has that."""
    target = folder / url.rpartition("/")[2]
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        pooch.retrieve(url, SHA256.get(url), target.name, folder, downloader=_Resuming(target))
    except HcskitError:
        raise
    except requests.RequestException as error:
        raise StoreError(
            f"{url} was not fetched completely: {error}; the received part is kept, and {AGAIN}"
        ) from error
    except ValueError as error:  # pooch found a different digest
        raise StoreError(f"{url} is another file than hcskit knows: {error}; fetch it again") from error
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error}; then {AGAIN}") from error
    return target


class _Resuming:
    """Downloads a file for pooch, from where an earlier download stopped."""

    def __init__(self, target: Path) -> None:
        self.part = target.with_name(f"{target.name}.part")
        self.tag = target.with_name(f"{target.name}.part.tag")

    def __call__(self, url: str, output_file: str, _: object) -> None:
        if not self._receive(url):
            self.part.unlink()
            if not self._receive(url):
                raise StoreError(f"{url}: the server sends a part that was not asked for; try again later")
        self.part.replace(output_file)
        self.tag.unlink(missing_ok=True)

    def _receive(self, url: str) -> bool:
        """Receive the missing part, or all; False if the existing part is not the beginning of the file."""
        tag = self.tag.read_text(encoding="utf-8") if self.tag.exists() and self.part.exists() else ""
        start = self.part.stat().st_size if tag else 0
        headers = {"Accept-Encoding": "identity"}  # a size and a range are of the file itself
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": tag}
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as reply:
            first, size = _extent(reply)
            if start and reply.status_code == requests.codes.requested_range_not_satisfiable:
                return start == size
            _check_status(reply)
            goes_on = reply.status_code == requests.codes.partial_content
            if goes_on and (first != start or _tag(reply) not in ("", tag)):
                return False
            self._write(reply, start if goes_on else 0, size)
        came = self.part.stat().st_size
        if size not in (None, came):
            raise requests.ConnectionError(f"{came:,} of {size:,} bytes came")
        return True

    def _write(self, reply: requests.Response, start: int, size: int | None) -> None:
        name = self.part.stem
        bar = tqdm(total=size, initial=start, unit="B", unit_scale=True, desc=name, disable=None)
        with self.part.open("ab" if start else "wb") as stream, bar:
            if not start:  # nothing of another version is left now
                self.tag.write_text(_tag(reply), encoding="utf-8")
            for chunk in reply.iter_content(_CHUNK):
                stream.write(chunk)
                bar.update(len(chunk))


def _check_status(reply: requests.Response) -> None:
    said = f"{reply.url}: the server says {reply.status_code} {reply.reason}"
    if reply.status_code >= 500 or reply.status_code == requests.codes.too_many_requests:
        raise StoreError(f"{said}; try again later")
    if reply.status_code not in (requests.codes.ok, requests.codes.partial_content):
        raise InputError(f"{said}; is base_url that of the collection?")


def _extent(reply: requests.Response) -> tuple[int, int | None]:
    """Return the first byte that a reply has, and the size of the whole file."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", reply.headers.get("Content-Range", ""))
    size = match[2] if match else reply.headers.get("Content-Length", "")
    return int(match[1] or 0) if match else 0, int(size) if size.isdecimal() else None


def _tag(reply: requests.Response) -> str:
    """Return the identifier of this version of the file, if a range can be requested by it (RFC 9110, 13.1.5)."""
    tag = reply.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else reply.headers.get("Last-Modified", "")
