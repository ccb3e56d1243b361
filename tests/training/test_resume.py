"""A training that is killed goes on to the very network it would have become; what it keeps on the way."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from hcskit import training
from hcskit.data import open_data
from hcskit.errors import RunError
from hcskit.recipe import Recipe, learning_rates
from hcskit.training import TrainingResult, _checkpoints, each_network, load_card

SCRIPT = Path(__file__).parents[1] / "parallel" / "in_rank.py"
TIMES = ["seconds", "images_per_second"]
BASE: dict[str, Any] = {
    "data": {"crop": 32, "crops_per_field": 2},
    "model": {"scales": 2, "features": 8, "hidden": 8, "dropout": 0.25},
    "optimiser": {"epochs": 4, "batch": 7},
}


def fit(screen: Path, out: Path, **sections: Any) -> TrainingResult:
    recipe = Recipe.model_validate(BASE | sections)
    return training.fit(open_data(screen), recipe, out, progress=False)


def states(out: Path) -> Iterator[set[str]]:
    for folder in sorted(out.glob(".training-*")):
        yield {path.stem for path in folder.glob("*.npz")}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
def test_kill_9_in_mid_epoch_changes_no_bit_of_the_result(screen: Path, tmp_path: Path) -> None:
    recipe = Recipe.model_validate(
        BASE
        | {
            "optimiser": {"epochs": 8, "batch": 9, "kind": "sgd", "parts": 2, "warmup_epochs": 1},
            "schedule": {"kind": "batch_growth", "largest_batch": 18, "factor": 2, "milestones": [0.4, 0.7]},
            "run": {"deterministic": True},
        }
    )
    recipe.to_yaml(screen / "recipe.yaml")

    def start(name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, SCRIPT, tmp_path / f"{name}.pickle", "train_plate", screen, tmp_path / name]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HOROVOD_")}
        return subprocess.Popen(command, env=environment)

    undisturbed, killed = start("undisturbed"), start("killed")
    history = tmp_path / "killed" / "history.csv"
    while not (history.exists() and len(pd.read_csv(history)) >= 2):
        assert killed.poll() is None
        time.sleep(0.001)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    done = len(pd.read_csv(history))
    assert 2 <= done < 8
    assert start("killed").wait(timeout=240) == 0
    assert undisturbed.wait(timeout=240) == 0
    answers = [pickle.loads((tmp_path / f"{name}.pickle").read_bytes()) for name in ("undisturbed", "killed")]  # noqa: S301
    (expected, weights), (found, again) = answers
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    for ours, theirs in zip(again, weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_as_many_states_are_kept_as_asked_for(screen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = fit(screen, tmp_path, run={"keep": 3, "tensorboard": True})
    best = 1 + int(result.history["val_loss"].argmin())
    (kept,) = states(tmp_path)
    assert kept == {f"epoch{epoch}" for epoch in {2, 3, 4, best}}
    assert not result.model.compiled

    # TensorBoard's files hold the history.
    logged: dict[tuple[str, int], float] = {}
    for path in (tmp_path / "logs").iterdir():
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                logged[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
        np.testing.assert_allclose([logged[name, epoch] for epoch in range(1, 5)], result.history[name], rtol=1e-6)

    # Without its last state, and without the one before, it goes on from the last that is there.
    (folder,) = tmp_path.glob(".training-*")
    (folder / "epoch4.npz").unlink()
    there: list[bool] = []

    def restore(variables: list[Any], path: Path, plain: Any = _checkpoints._restore) -> None:
        there.append((tmp_path / "history.csv").exists())
        plain(variables, path)

    monkeypatch.setattr(_checkpoints, "_restore", restore)
    again = fit(screen, tmp_path, run={"keep": 1})
    assert all(there)  # whoever looks how far it is does not find it gone
    pd.testing.assert_frame_equal(again.history.drop(columns=TIMES), result.history.drop(columns=TIMES), rtol=1e-4)


@pytest.mark.slow
def test_a_training_that_has_learned_what_it_can_stops_and_resumes_alike(screen: Path, tmp_path: Path) -> None:
    # At this rate nothing is learned: the loss is flat after two blocks, and the end of the schedule follows.
    how: dict[str, Any] = {
        "data": {"crop": 32, "crops_per_field": 1},
        "optimiser": {"epochs": 12, "batch": 16, "learning_rate": 1e-9, "warmup_epochs": 0},
        "stop": {"window": 3},
        "run": {"keep": 9, "deterministic": True},
    }
    result = fit(screen, tmp_path, **how)
    assert result.history["epoch"].tolist() == list(range(1, 10))
    whole = learning_rates(Recipe.model_validate(BASE | how), 1)
    steps = [1, 2, 3, 4, 5, 6, 10, 11, 12]  # one batch in an epoch; the rate is that of the next step
    np.testing.assert_allclose(result.history["learning_rate"], whole[steps], rtol=1e-5)
    weights = result.model.get_weights()
    (folder,) = tmp_path.glob(".training-*")
    for last in (6, 7):  # before the decision, and after it
        for epoch in range(last + 1, 10):
            (folder / f"epoch{epoch}.npz").unlink()
        again = fit(screen, tmp_path, **how)
        pd.testing.assert_frame_equal(again.history.drop(columns=TIMES), result.history.drop(columns=TIMES))
        for ours, theirs in zip(again.model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_another_training_in_the_same_folder_is_not_taken_for_this_one(screen: Path, tmp_path: Path) -> None:
    options, keep = BASE["optimiser"] | {"warmup_epochs": 0}, {"keep": 1}
    first = fit(screen, tmp_path, optimiser=options, run=keep, prediction={"weights": "last"})
    other = fit(screen, tmp_path, optimiser=options, run=keep, schedule={"kind": "snapshots", "cycles": 2})
    bests = [1 + int(result.history["val_loss"].argmin()) for result in (first, other)]
    # The ends of the cycles, 2 and 4, are kept for an ensemble.
    expected = [{f"epoch{epoch}" for epoch in kept} for kept in ({4, bests[0]}, {2, 4, bests[1]})]
    assert sorted(map(sorted, states(tmp_path))) == sorted(map(sorted, expected))
    # And make the ensemble; the other networks are what their recipes say.
    assert [each_network(result.model).output.shape[1] for result in (first, other)] == [1, 2]
    again = fit(screen, tmp_path, optimiser=options, run=keep)
    assert [result.card.metrics["epoch"] for result in (first, other, again)] == [4, 4, bests[0]]
    pd.testing.assert_frame_equal(again.history, first.history)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "history.csv"), first.history)


@pytest.mark.slow
def test_where_nothing_is_held_out_all_is_learned_from(screen: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"split": {"validation": 0}, "prediction": {"weights": "last"}}
    result = fit(screen, tmp_path, **options)
    assert not result.fields["validation"].any()
    assert result.history[["val_loss", "val_accuracy"]].isna().all(axis=None)
    assert list(states(tmp_path)) == [{"epoch3", "epoch4"}]
    metrics = load_card(tmp_path).metrics
    assert metrics["epoch"] == 4
    assert not {name for name in metrics if name.startswith(("val", "held_out"))}
    # It goes on from there as well.
    (folder,) = tmp_path.glob(".training-*")
    (folder / "epoch4.npz").unlink()
    again = fit(screen, tmp_path, **options)
    pd.testing.assert_frame_equal(again.history.drop(columns=TIMES), result.history.drop(columns=TIMES), rtol=1e-4)


@pytest.mark.slow
def test_a_training_that_diverges_says_so_and_keeps_no_broken_network(screen: Path, tmp_path: Path) -> None:
    optimiser = {"epochs": 3, "batch": 7, "kind": "sgd", "learning_rate": 1e30, "reference_batch": None}
    with pytest.raises(RunError, match=r"diverged in epoch 1: .* at a learning rate of about .*e\+\d+.*lr-range"):
        fit(screen, tmp_path, optimiser={**optimiser, "warmup_epochs": 0}, model={**BASE["model"], "batch_norm": False})
    assert not list(tmp_path.rglob("*.npz"))
    assert not list(tmp_path.glob("*.keras"))
