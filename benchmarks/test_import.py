"""Import against the least that must be done: read every TIFF, write all pixels at once with the same codec.

The bare one writes a single array without the half-size levels that viewers want, and holds the whole plate in memory.
The unsynced one is ours without waiting for the disk (docs/durability.md), the undigested one without the SHA-256 of
each file that a well is made of.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from zarr.codecs import BloscCodec

from hcskit import digests, files
from hcskit.plate import FORMATS, Well
from hcskit.readers import Export, read_folder
from hcskit.store import convert_plates

SHAPE = (1080, 1080)
CHANNELS = ("DNA", "ER", "RNA", "AGP")
ROUNDS = 5


def write_export(folder: Path, wells: int, shape: tuple[int, int] = SHAPE) -> Path:
    """Write one field of four channels a well: even light with camera noise, which compresses to about a half."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    images = [rng.poisson(level, shape).astype(np.uint16) for level in (300, 700, 1500, 3000)]
    format = FORMATS[384 if wells > 96 else 96]
    names = [Well(row, column).name for row in range(format.rows) for column in range(format.columns)][:wells]
    for name in names:
        for number, channel in enumerate(CHANNELS):
            tifffile.imwrite(folder / f"bench_{name}_f01_{channel}.tif", np.roll(images[number], hash(name) % 997))
    return folder


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """24 wells: 224 MB of pixels."""
    return read_folder(write_export(tmp_path_factory.mktemp("bench") / "export", 24))


def _bare(export: Export, out: Path) -> None:
    """One array of the whole plate, one shard a field and one chunk an image, as our plates have them."""
    (index,) = export
    fields = [rows.sort_values("channel").path for _, rows in index.table.groupby(["well", "field"])]
    pixels = np.stack([np.stack([tifffile.imread(path) for path in paths]) for paths in fields])
    array = zarr.create_array(
        store=str(out),
        shape=pixels.shape,
        shards=(1, *pixels.shape[1:]),
        chunks=(1, 1, *pixels.shape[2:]),
        dtype=pixels.dtype,
        compressors=BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"),
    )
    array[...] = pixels


@pytest.mark.parametrize("what", ["bare", "undigested", "unsynced", "hcskit"])
@pytest.mark.parametrize("cores", [1, 2])
def test_import(
    what: str,
    cores: int,
    export: Export,
    tmp_path: Path,
    benchmark: Any,
    bind: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bind(cores)
    if what == "unsynced":
        monkeypatch.setattr(files, "_sync_one", lambda _: None)
    if what == "undigested":
        monkeypatch.setattr(digests.Digests, "_of_file", lambda *_: "0" * 64)

    def run() -> None:
        if what == "bare":
            _bare(export, tmp_path / "out")
        else:
            convert_plates(export, tmp_path / "out")

    amount = len(export.plates[0].table) * np.prod(SHAPE) * 2 / 1e6
    benchmark.group = f"import, {cores} core(s)"
    benchmark.extra_info.update(what=what, amount=amount, unit="MB")
    benchmark.pedantic(
        run, setup=lambda: shutil.rmtree(tmp_path / "out", ignore_errors=True), rounds=ROUNDS, warmup_rounds=1
    )


PEAK = """
import re, sys
from hcskit.readers import read_folder
from hcskit.store import convert_plates
convert_plates(read_folder(sys.argv[1]), sys.argv[2])
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


@pytest.mark.parametrize("wells", [48, 384])
@pytest.mark.benchmark(group="import, peak memory")
def test_peak_memory(wells: int, tmp_path: Path, benchmark: Any) -> None:
    """Print the peak of a process of its own that imports so many wells."""
    folder = write_export(tmp_path / "export", wells, (512, 512))

    def run() -> str:
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        command = [sys.executable, "-c", PEAK, str(folder), str(tmp_path / "out")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    peak = int(benchmark.pedantic(run, rounds=1)) * 1024
    benchmark.extra_info.update(what=f"{wells} wells", amount=wells, unit="wells", note=f"peak {peak / 1e6:.0f} MB")
