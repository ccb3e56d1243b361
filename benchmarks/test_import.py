"""Import against the least that must be done: read every TIFF, write all pixels with the same codec."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from zarr.codecs import BloscCodec

from hcskit.platemap import read_plate_map
from hcskit.readers import ImageIndex, read_folder
from hcskit.simulate import PlateDesign, simulate_plate
from hcskit.store import import_plate

ROUNDS = 5


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 96-well plate, 192 fields of two channels, 512×512: 200 MB of pixels."""
    folder = tmp_path_factory.mktemp("bench") / "export"
    simulate_plate(folder, PlateDesign(image_size=(512, 512)))
    return folder


def _megabytes(index: ImageIndex) -> float:
    return len(index.table) * 512 * 512 * 2 / 1e6


def _bare(index: ImageIndex, out: Path) -> None:
    """One array for the whole plate, one shard a field, one chunk a channel, as the plates have them; no pyramid."""
    fields = [rows.sort_values("channel").path for _, rows in index.table.groupby(["well", "field"])]
    first = np.stack([tifffile.imread(path) for path in fields[0]])
    array = zarr.create_array(
        store=str(out),
        shape=(len(fields), *first.shape),
        shards=(1, *first.shape),
        chunks=(1, 1, *first.shape[1:]),
        dtype=first.dtype,
        compressors=BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"),
    )
    for number, paths in enumerate(fields):
        array[number] = np.stack([tifffile.imread(path) for path in paths])


@pytest.mark.parametrize("what", ["bare", "hcskit"])
@pytest.mark.benchmark(group="import")
def test_import(what: str, export: Path, tmp_path: Path, benchmark: Any) -> None:
    plate_map = read_plate_map(export / "plate_map.csv")
    index = read_folder(export / "images")

    def run() -> None:
        if what == "bare":
            _bare(index, tmp_path / "out")
        else:
            import_plate(index, tmp_path / "out", plate_map, progress=False)

    benchmark.extra_info.update(what=what, amount=_megabytes(index), unit="MB")
    benchmark.pedantic(
        run, setup=lambda: shutil.rmtree(tmp_path / "out", ignore_errors=True), rounds=ROUNDS, warmup_rounds=1
    )
