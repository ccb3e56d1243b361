"""Sources: the light that is cut from them is that of the textbook formula, wherever the counts come from."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import xarray as xr

from hcskit.data import ArraySource, KeptSource, Normalisation, PlateSource, RandomCrops, TrainingFields
from hcskit.data._fields import open_field, survey
from hcskit.errors import InputError
from hcskit.lazy import unchunked
from hcskit.preprocess import correct_illumination
from hcskit.recipe import Recipe
from hcskit.screen import PlateInfo, field_table, make_plate
from hcskit.store import open_plates, write_plate

CHANNELS = ("DNA", "ER", "RNA")
SHAPE = (37, 50)
CONSTANTS = Normalisation(centre=(120.0, 90.0, 30.0), scale=(20.0, 31.0, 7.5))


@pytest.fixture(scope="module", params=[np.uint8, np.uint16])
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, xr.Dataset]:
    folder = tmp_path_factory.mktemp("screen")
    rng = np.random.default_rng(0)
    for number, name in enumerate(("P1", "P2")):
        info = PlateInfo(name, ("A01", "B02"), (1, 3), CHANNELS, SHAPE, np.dtype(request.param), 0.6 + 0.01 * number)
        counts = rng.integers(0, np.iinfo(request.param).max, (2, 2, 3, *SHAPE), request.param, endpoint=True)
        write_plate(make_plate(info, counts, np.ones((2, 2, 3), bool)), folder, progress=False)
    return open_plates(folder)


@pytest.fixture(scope="module")
def illumination() -> xr.Dataset:
    rng = np.random.default_rng(1)
    return xr.Dataset(
        {
            "flat": (("plate", "channel", "y", "x"), rng.uniform(0.7, 1.3, (2, 3, *SHAPE)).astype(np.float32)),
            "dark": (("plate", "channel"), rng.uniform(0, 100, (2, 3)).astype(np.float32)),
        },
        coords={"plate": ["P2", "P1"], "channel": ["RNA", "DNA", "ER"]},
    )


def _table(plates: dict[str, xr.Dataset]) -> pd.DataFrame:
    return pd.concat([field_table(plate) for plate in plates.values()], ignore_index=True)


def _oracle(
    plates: dict[str, xr.Dataset], illumination: xr.Dataset, row: Any, channels: tuple[str, ...], binning: int
) -> npt.NDArray[np.float64]:
    image = plates[row.plate]["image"].sel(well=row.well, field=row.field, channel=list(channels)).astype(float)
    light = correct_illumination(image, illumination.sel(plate=row.plate)).astype(float)
    return light.coarsen(y=binning, x=binning, boundary="trim").mean().transpose("y", "x", "channel").to_numpy()


@pytest.mark.slow
@pytest.mark.parametrize("binning", [1, 2, 3])
@pytest.mark.parametrize("channels", [CHANNELS, ("RNA", "DNA")])
def test_light_is_that_of_correct_illumination_normalised(
    stored: dict[str, xr.Dataset], illumination: xr.Dataset, channels: tuple[str, ...], binning: int
) -> None:
    table = _table(stored)
    source = PlateSource(stored, illumination, table, channels, binning)
    constants = Normalisation(centre=CONSTANTS.centre[: len(channels)], scale=CONSTANTS.scale[: len(channels)])
    assert (source.shape, source.pixel_size_um) == ((37 // binning, 50 // binning), 0.6)
    for number, row in enumerate(table.itertuples()):
        light = _oracle(stored, illumination, row, channels, binning)
        crop = np.empty((11, 13, len(channels)), np.float32)
        open_field(source, number, constants).cut((1, 2), crop, np.float32(1.5), np.float32(-0.25))
        expected = 1.5 * (light[1:12, 2:15] - constants.centre) / constants.scale - 0.25
        # Rounding is that of the largest term.
        np.testing.assert_allclose(crop, expected, rtol=2e-6, atol=2e-6 * float(np.abs(light).max()))


def test_a_source_reads_from_any_plate(stored: dict[str, xr.Dataset], illumination: xr.Dataset) -> None:
    """Of the store and without Dask, of the store in another order and with it, and in memory."""
    table = _table(stored).iloc[::-1].reset_index(drop=True)
    changed = {name: plate.isel(well=[1, 0], field=[1, 0]) for name, plate in stored.items()}
    loaded = {name: plate.compute() for name, plate in changed.items()}
    assert unchunked(stored["P1"]["image"].variable).chunks is None
    assert unchunked(changed["P1"]["image"].variable).chunks is not None
    sources = [PlateSource(plates, illumination, table, CHANNELS) for plates in (stored, changed, loaded)]
    for row in range(len(table)):
        one, *others = (source.read(row) for source in sources)
        assert one.dtype == stored["P1"]["image"].dtype
        for other in others:
            np.testing.assert_array_equal(one, other)


def test_reading_looks_up_no_label(stored: dict[str, xr.Dataset], monkeypatch: pytest.MonkeyPatch) -> None:
    """In threads, pandas may miss a label that is there, the first time that it is asked."""
    source = PlateSource(stored, None, _table(stored), CHANNELS)
    for method in ("get_loc", "get_indexer"):
        monkeypatch.delattr(pd.Index, method)
    assert len({source.read(row).tobytes() for row in range(len(source.table))}) == len(source.table)


def test_plates_that_do_not_fit_are_refused(stored: dict[str, xr.Dataset], illumination: xr.Dataset) -> None:
    with pytest.raises(InputError, match="no channel AGP; it has DNA, ER, RNA"):
        PlateSource(stored, illumination, _table(stored), ("DNA", "AGP"))
    with pytest.raises(InputError, match="differ in size"):
        PlateSource(stored | {"P2": stored["P2"].isel(y=slice(20))}, illumination, _table(stored), CHANNELS)
    with pytest.raises(InputError, match=r"differ in type: .*'P2': 'float32'"):
        PlateSource(stored | {"P2": stored["P2"].astype("float32")}, illumination, _table(stored), CHANNELS)


@pytest.mark.slow
@pytest.mark.parametrize("binning", [1, 2])
def test_constants_are_the_mean_and_deviation_of_the_chosen_images(
    stored: dict[str, xr.Dataset], illumination: xr.Dataset, binning: int
) -> None:
    table = _table(stored)
    chosen = np.arange(len(table)) % 3 != 1
    source = PlateSource(stored, illumination, table, CHANNELS, binning)
    constants, digests = survey(source, chosen)
    light = np.stack([_oracle(stored, illumination, row, CHANNELS, binning) for row in table[chosen].itertuples()])
    np.testing.assert_allclose(constants.centre, light.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(constants.scale, light.std((0, 1, 2)), rtol=1e-6)
    assert digests == survey(source, ~chosen)[1]
    assert len({digests[start : start + 32] for start in range(0, len(digests), 32)}) == len(table)


def test_an_even_channel_has_the_scale_one() -> None:
    constants = Normalisation.pool(np.full((3, 1), 7.0), np.zeros((3, 1)))
    assert (constants.centre, constants.scale) == ((7.0,), (1.0,))


class _Counting(ArraySource):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.reads: Counter[int] = Counter()

    def read(self, row: int) -> npt.NDArray[Any]:
        self.reads[row] += 1
        return super().read(row)


@pytest.mark.parametrize("room", [0, 1, 3])
def test_images_are_kept_until_memory_is_full(room: int) -> None:
    images = np.arange(5 * 4 * 4, dtype=np.uint16).reshape(5, 4, 4, 1)
    source = _Counting(images, pd.DataFrame({"label": list("ababa")}))
    kept = KeptSource(source, room * images[0].nbytes + 1)
    for _ in range(3):
        for row in range(5):
            np.testing.assert_array_equal(kept.read(row), images[row])
    assert [source.reads[row] for row in range(5)] == [1] * room + [3] * (5 - room)


def test_a_rank_reads_only_what_its_share_needs() -> None:
    """Without mixing, the ranks together open each field once for each of its crops at most."""
    images = np.zeros((12, 4, 4, 1), np.float32)
    recipe = Recipe.model_validate({"augmentation": {"mixup": 0}})
    reads = Counter[int]()
    for rank in range(3):
        source = _Counting(images, pd.DataFrame({"label": ["a"] * 12}))
        constants = Normalisation(centre=(0.0,), scale=(1.0,))
        fields = TrainingFields(source, np.arange(12), np.zeros(12, int), ("a",), constants)
        batches = RandomCrops(fields, (4, 4), 1, 6, recipe.augmentation, 0, rank=rank, ranks=3)
        for index in range(len(batches)):
            batches[index]
        assert sum(source.reads.values()) == 4
        reads += source.reads
    assert reads == Counter(range(12))
