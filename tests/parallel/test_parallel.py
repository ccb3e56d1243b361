"""Several ranks train the network that one process trains: real Horovod, in processes on this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hcskit.cluster.ranks._rendezvous import number_ranks, rendezvous
from hcskit.data import RandomCrops, TrainingFields
from hcskit.errors import InputError
from hcskit.models.backend import keras
from hcskit.parallel import ranks
from hcskit.recipe import Recipe

EXACT = ("sgd", "adamw", "accumulated")
ROUNDED = ("compressed", "half")
RECIPES = ("lars", "parts")
Run = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def one(run_ranks: Run, folder: Path) -> dict[str, SimpleNamespace]:
    """What a process trains that knows nothing of ranks."""
    return run_ranks(0, "fit", folder, *EXACT, *ROUNDED, *RECIPES)[0]


@pytest.fixture(scope="module")
def two(run_ranks: Run, folder: Path) -> list[dict[str, SimpleNamespace]]:
    """What each of two ranks trains; their models replace those of the one process in the folder."""
    return run_ranks(2, "fit", folder, *EXACT, *ROUNDED, *RECIPES)


def _furthest(fitted: SimpleNamespace, other: SimpleNamespace) -> float:
    pairs = zip(fitted.weights, other.weights, strict=True)
    return max(float(np.abs(a.astype(float) - b.astype(float)).max()) for a, b in pairs)


def _assert_same(one: SimpleNamespace, ranks: list[SimpleNamespace], tolerance: float) -> None:
    for rank in ranks:
        assert _furthest(rank, ranks[0]) == 0
        assert _furthest(rank, one) < tolerance
        assert rank.history.keys() == one.history.keys()
        for name, values in one.history.items():
            np.testing.assert_allclose(rank.history[name], values, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*EXACT, *RECIPES])
def test_two_ranks_train_what_one_process_trains(name: str, one: Any, two: Any) -> None:
    _assert_same(one[name], [rank[name] for rank in two], 1e-5)


@pytest.mark.slow
def test_four_ranks_train_what_one_process_trains(run_ranks: Run, one: Any, folder: Path) -> None:
    four = run_ranks(4, "fit", folder / "four", "accumulated")
    _assert_same(one["accumulated"], [rank["accumulated"] for rank in four], 1e-5)


@pytest.mark.slow
def test_one_rank_is_a_plain_process(run_ranks: Run, one: Any, folder: Path) -> None:
    (alone,) = run_ranks(1, "fit", folder / "alone", "sgd")
    _assert_same(one["sgd"], [alone["sgd"]], 1e-12)


@pytest.mark.slow
def test_compression_costs_no_more_than_its_rounding(one: Any, two: Any) -> None:
    # 20 steps of 1e-2, gradients of up to about 1 with 11 bits, momentum 0.9: 20 × 1e-2 × 2⁻¹¹ × 10.
    _assert_same(one["compressed"], [rank["compressed"] for rank in two], 1e-3)
    assert _furthest(one["compressed"], two[0]["compressed"]) > _furthest(one["sgd"], two[0]["sgd"])


@pytest.mark.slow
def test_ranks_skip_the_same_steps_when_half_precision_overflows(one: Any, two: Any) -> None:
    mine, other = (rank["half"] for rank in two)
    for a, b in zip(mine.optimizer, other.optimizer, strict=True):
        np.testing.assert_array_equal(a, b)
    assert _furthest(mine, other) == 0
    # The scales they settle at differ, since a rank's loss is the mean of fewer crops; so does the number of steps.
    assert _furthest(mine, one["half"]) < 2e-2


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), [("adamw", "AdamW"), ("half", "LossScaleOptimizer")])
def test_a_model_of_two_ranks_loads_as_any_other(name: str, kind: str, two: Any, folder: Path) -> None:
    model = keras.models.load_model(folder / f"{name}.keras", safe_mode=True)
    assert type(model.optimizer) is getattr(keras.optimizers, kind)
    for loaded, trained in zip(model.weights, two[0][name].weights, strict=True):
        np.testing.assert_array_equal(loaded.numpy(), trained)
    for loaded, trained in zip(model.optimizer.variables, two[0][name].optimizer, strict=True):
        np.testing.assert_array_equal(loaded.numpy(), trained)


@pytest.mark.slow
def test_a_rank_that_raises_ends_all_with_its_exception(run_ranks: Run, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="rank 1") as caught:
        run_ranks(2, "fail", tmp_path)
    assert isinstance(caught.value.__cause__, ValueError)
    assert "microscope" in str(caught.value.__cause__)


@pytest.mark.slow
def test_ranks_train_a_plate_as_one_process_does_even_if_stopped(run_ranks: Run, screen: Path, tmp_path: Path) -> None:
    recipe = Recipe.model_validate(
        {
            "data": {"crop": 32, "crops_per_field": 2},
            "model": {"scales": 2, "features": 8, "hidden": 8, "dropout": 0.25},
            "optimiser": {"epochs": 4, "batch": 7},
        }
    )
    recipe.to_yaml(screen / "recipe.yaml")
    (alone,) = run_ranks(0, "train_plate", screen, tmp_path / "one")
    with pytest.raises(RuntimeError):
        run_ranks(2, "train_and_die", screen, tmp_path / "two")
    assert 1 <= len(pd.read_csv(tmp_path / "two" / "history.csv")) < 4

    def again(size: int) -> list[Any]:
        return run_ranks(size, "train_plate", screen, tmp_path / "two")

    # Three ranks go on from where two were cut off, and one finds nothing left to do.
    for history, weights in [*again(3), *again(1)]:
        pd.testing.assert_frame_equal(history, alone[0], atol=1e-4)
        for ours, theirs in zip(weights, alone[1], strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert {path.name for path in (tmp_path / "two").iterdir()} == {path.name for path in (tmp_path / "one").iterdir()}


@pytest.mark.slow
def test_ranks_stop_after_the_same_epoch(run_ranks: Run, screen: Path, tmp_path: Path) -> None:
    # So slow a rate that the loss is flat from the start, but for the noise of crops, which each rank has of its own.
    recipe = Recipe.model_validate(
        {
            "data": {"crop": 32, "crops_per_field": 2},
            "model": {"scales": 1, "features": 4, "hidden": 4},
            "optimiser": {"epochs": 40, "batch": 7, "learning_rate": 1e-7, "warmup_epochs": 0},
            "stop": {"window": 3},
        }
    )
    recipe.to_yaml(screen / "recipe.yaml")

    (one, weights), (two, others) = run_ranks(2, "train_plate", screen, tmp_path / "model")

    assert 9 <= len(one) < 40
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    for mine, theirs in zip(weights, others, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("mixup", [0.0, 0.4])
def test_the_shares_of_a_batch_are_the_batch(count: int, mixup: float) -> None:
    rng = np.random.default_rng(0)
    fields = TrainingFields.from_arrays(rng.random((5, 24, 30, 2), np.float32), np.arange(5) % 2, ("a", "b"))
    augmentation = Recipe().augmentation.model_copy(update={"mixup": mixup})
    whole = RandomCrops(fields, (16, 16), 3, 4, augmentation, 7)
    shares = [RandomCrops(fields, (16, 16), 3, 4, augmentation, 7, rank=rank, ranks=count) for rank in range(count)]
    assert sum(share.own_size for share in shares) == whole.own_size == 15
    for index in range(len(whole)):
        sizes = [len(share[index][0]) for share in shares]
        assert max(sizes) - min(sizes) <= 1
        for part in range(2):
            np.testing.assert_array_equal(np.concatenate([share[index][part] for share in shares]), whole[index][part])


def test_a_batch_smaller_than_the_ranks_is_refused() -> None:
    fields = TrainingFields.from_arrays(np.zeros((3, 16, 16, 1), np.float32), np.arange(3) % 2, ("a", "b"))
    with pytest.raises(InputError, match=r"3 crops .* by 4 ranks"):
        RandomCrops(fields, (16, 16), 1, 8, Recipe().augmentation, 7, rank=0, ranks=4)


def test_several_ranks_without_horovod_name_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("horovod", "horovod.runner.http.http_server"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("HOROVOD_SIZE", "1")
    assert ranks().size == 1
    monkeypatch.setenv("HOROVOD_SIZE", "2")
    with pytest.raises(InputError, match="make horovod"):
        ranks()
    with pytest.raises(InputError, match="make horovod"), rendezvous(["localhost"] * 2):
        pass


def test_ranks_are_numbered_host_by_host() -> None:
    slots = number_ranks(["b", "a", "b", "c", "b"])
    assert [(slot.hostname, slot.rank, slot.local_rank) for slot in slots] == [
        ("b", 0, 0),
        ("a", 3, 0),
        ("b", 1, 1),
        ("c", 4, 0),
        ("b", 2, 2),
    ]
    assert [(slot.cross_rank, slot.cross_size) for slot in slots] == [(0, 3), (1, 3), (0, 1), (2, 3), (0, 1)]
