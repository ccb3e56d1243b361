"""Cross-validation: nobody is judged on what he has learned from, and nothing is lost with a worker."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from hcskit.actions import cross_validate
from hcskit.assay import ssmd, z_prime
from hcskit.cli import main
from hcskit.cluster import ClusterConfig, open_cluster
from hcskit.cluster._memory import image_memory, worker_memory
from hcskit.data import KEPT_SHARE, label_fields
from hcskit.errors import InputError, StoreError
from hcskit.inference._scores import score_folds
from hcskit.lazy import memory_to_spare
from hcskit.recipe import Recipe
from hcskit.results import HELD_OUT, SCORES, read_table
from hcskit.store import open_plates
from hcskit.training import load_model

RECIPE = Recipe.model_validate(
    {
        "data": {"crop": 32, "crops_per_field": 2},
        "model": {"scales": 2, "features": 8, "hidden": 8},
        "optimiser": {"epochs": 25, "batch": 8},
        "stop": {"window": None},  # all epochs, so that a worker can be lost between them
    }
)
FOLDS = 3


@pytest.mark.slow
def test_every_field_is_predicted_by_a_network_that_never_saw_it_even_if_a_worker_dies(
    screen: Path, tmp_path: Path, until: Any
) -> None:
    said: list[str] = []
    results: list[Any] = []
    histories = [tmp_path / f"fold-{fold}" / "history.csv" for fold in range(FOLDS)]
    with open_cluster(ClusterConfig(workers=2, cores=1)) as cluster:
        client, arguments = cluster.client, (screen, RECIPE, tmp_path, FOLDS)
        options = {"cluster": cluster, "say": said.append}
        work = Thread(target=lambda: results.append(cross_validate(*arguments, **options)))
        work.start()
        until(lambda: sum(path.exists() for path in histories) == 2)  # so whichever worker dies has begun
        early = {path: pd.read_csv(path) for path in histories if path.exists()}
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
        work.join(300)
        assert any("resumes elsewhere" in line for line in said)
        again = cross_validate(*arguments, **options)
    assert said[-1] == "3 folds by well, 3 of them done"
    found = results[0]
    pd.testing.assert_frame_equal(again.predictions, found.predictions)
    # Epochs that were done before the loss were not done again: their times are the same.
    for path, rows in early.items():
        pd.testing.assert_frame_equal(pd.read_csv(path).iloc[: len(rows)], rows)
    assert all(pd.read_csv(path)["epoch"].tolist() == list(range(1, 26)) for path in histories)
    _assert_held_out(found, tmp_path, label_fields(open_plates(screen), RECIPE.data))


def _assert_held_out(found: Any, folder: Path, fields: pd.DataFrame) -> None:
    keys = ["plate", "well", "field", "label"]
    pd.testing.assert_frame_equal(
        found.predictions[keys].drop_duplicates().sort_values(keys, ignore_index=True),
        fields[keys].sort_values(keys, ignore_index=True),
    )
    assert found.predictions.groupby(["plate", "well"])["fold"].nunique().eq(1).all()
    assert found.predictions.groupby(keys)["probability"].sum().to_numpy() == pytest.approx(1.0, abs=1e-5)
    for fold, rows in found.predictions.groupby("fold"):
        _, card = load_model(folder / f"fold-{fold}")
        assert sum(card.data.values()) == len(fields) - len(rows[keys].drop_duplicates())
    pd.testing.assert_frame_equal(read_table(folder, HELD_OUT), found.predictions)
    assert read_table(folder, SCORES).loc["all classes", "n_fields"] == len(fields)


@pytest.mark.slow
def test_what_a_fold_raises_reaches_the_user_and_the_worker_lives(screen: Path, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(screen, tmp_path / "screen"))
    for shard in damaged.glob("*.zarr/*/*/*/0/c/**/*"):
        if shard.is_file():
            shard.write_bytes(b"")
    with open_cluster(ClusterConfig(workers=1, cores=1)) as cluster:
        client = cluster.client
        before = client.run(os.getpid)
        with pytest.raises(StoreError, match="cannot be read") as caught:
            cross_validate(damaged, RECIPE, tmp_path / "out", FOLDS, cluster=cluster, say=lambda _: None)
        assert "This was fold 0." in caught.value.__notes__
        assert client.run(os.getpid) == before


@pytest.mark.slow
def test_folds_side_by_side_share_the_memory_of_their_host_and_ranks_that_of_their_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with open_cluster(ClusterConfig(workers=2, cores=1, memory="2GiB")) as cluster:
        for address in cluster.client.scheduler_info()["workers"]:
            assert worker_memory(cluster.client, [address]) == {"workers_on_host": 2, "worker_limit": 2 * 2**30}
    # Others use the machine's memory as well.
    assert image_memory(4, 0) == pytest.approx(KEPT_SHARE * memory_to_spare() / 4, rel=0.3)
    assert image_memory(2, 2**20) == 2**18
    monkeypatch.setenv("HOROVOD_LOCAL_SIZE", "4")
    assert image_memory(2, 2**20) == 2**16


@pytest.mark.slow
def test_a_fold_that_does_not_fit_into_a_worker_is_refused_at_once(screen: Path, tmp_path: Path) -> None:
    config = ClusterConfig(kind="slurm", cores=2, memory="1GB", walltime="1:00", ranks_per_worker=2, interface="lo")
    with pytest.raises(InputError, match="run 1 ranks a worker"):
        cross_validate(screen, RECIPE, tmp_path / "out", FOLDS, cluster=config)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_ranks_of_a_worker_train_a_fold_together(screen: Path, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"optimiser": RECIPE.optimiser.model_copy(update={"epochs": 1})})
    config = ClusterConfig(workers=1, cores=2, ranks_per_worker=2, threads_per_rank=1)
    found = cross_validate(screen, recipe, tmp_path, 2, cluster=config, say=lambda _: None)
    _assert_held_out(found, tmp_path, label_fields(open_plates(screen), recipe.data))
    for fold in range(2):
        logs = (tmp_path / f"fold-{fold}" / "logs").glob("rank-*.log")
        assert {path.name for path in logs} == {"rank-0.log", "rank-1.log"}


@pytest.mark.slow
def test_without_a_cluster_folds_are_trained_one_after_another(screen: Path, tmp_path: Path) -> None:
    recipe, said = RECIPE.model_copy(update={"optimiser": RECIPE.optimiser.model_copy(update={"epochs": 1})}), []
    found = cross_validate(screen, recipe, tmp_path, 2, say=said.append, progress=False)
    assert said == ["2 folds by well, 0 of them done", "fold 0", "fold 1"]
    _assert_held_out(found, tmp_path, label_fields(open_plates(screen), recipe.data))
    again = cross_validate(screen, recipe, tmp_path, 2, say=said.append, progress=False)
    assert said[3:] == ["2 folds by well, 2 of them done"]
    pd.testing.assert_frame_equal(again.predictions, found.predictions)


@pytest.mark.slow
def test_the_command_says_how_many_folds_there_can_be(screen: Path, tmp_path: Path) -> None:
    RECIPE.to_yaml(tmp_path / "recipe.yaml")
    command = ["cross-validate", str(tmp_path / "recipe.yaml"), "--data", str(screen), "--out", str(tmp_path / "out")]
    before = signal.getsignal(signal.SIGTERM)
    done = CliRunner().invoke(main, [*command, "--folds", "40"])
    signal.signal(signal.SIGTERM, before)
    assert done.exit_code == 2
    assert "40 folds cannot be: with 12 wells there can be 2 to 12" in done.stderr
    assert not (tmp_path / "out").exists()


def test_scores_are_those_of_hand() -> None:
    rows = [
        ("A01", "x", 0, 0.8, 0.2),
        ("A02", "y", 0, 0.6, 0.4),
        ("A03", "x", 1, 0.5, 0.5),
        ("A04", "y", 1, 0.0, 1.0),
    ]
    long = [
        ("p", well, 1, label, fold, name, value)
        for well, label, fold, x, y in rows
        for name, value in (("x", x), ("y", y))
    ]
    columns = ["plate", "well", "field", "label", "fold", "phenotype", "probability"]
    found = score_folds(pd.DataFrame(long, columns=columns), pd.DataFrame())
    everything = found.folds.loc["all classes"]
    assert everything["accuracy"].tolist() == [0.5, 1.0]
    assert everything["log_loss"].tolist() == pytest.approx([-(np.log(0.8) + np.log(0.4)) / 2, np.log(2) / 2])
    assert found.folds.loc[("y", 0), "accuracy"] == 0
    summary = found.summary.loc["all classes"]
    assert summary["accuracy"] == 0.75
    assert summary["accuracy_sd"] == pytest.approx(np.sqrt(0.125))
    assert summary[["n_folds", "n_fields"]].tolist() == [2, 4]
    # Two wells are no spread, and there are no negative controls.
    assert found.controls.empty
    # By 15 bins: 0.8 and right, 0.6 and wrong; 0.5 and right, 1.0 and right.
    assert everything["ece"].tolist() == pytest.approx([(0.2 + 0.6) / 2, 0.5 / 2])
    # Where the label is given, what a network says is no frequency.
    assert found.folds["ece"].drop("all classes", level="label").isna().all()


def test_the_balanced_accuracy_counts_classes_alike() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(["x", "y", "z"], [50, 7, 2]).tolist() * 2
    told = rng.dirichlet(np.ones(3), len(labels))
    wells = pd.DataFrame({"plate": "p", "well": [f"A{n}" for n in range(len(labels))], "field": 1, "label": labels})
    wells["fold"] = np.repeat([0, 1], len(labels) // 2)
    long = wells.join(pd.DataFrame(told, columns=list("xyz"))).melt(
        list(wells), var_name="phenotype", value_name="probability"
    )
    found = score_folds(long, pd.DataFrame()).folds
    for fold in (0, 1):
        own = wells["fold"] == fold
        best = np.array(list("xyz"))[told[own].argmax(axis=1)]
        expected = np.mean([(best[wells["label"][own] == label] == label).mean() for label in "xyz"])
        assert found.loc[("mean of classes", fold), "accuracy"] == pytest.approx(expected)
        assert found.loc[("mean of classes", fold), "n_fields"] == 59


def test_held_out_wells_are_compared_with_the_negative_controls() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(24):
        label = ("negative_control", "a", "b")[number % 3]
        share = rng.dirichlet(np.where(np.array(["negative_control", "a", "b"]) == label, 8, 1), size=2)
        rows += [
            ("p", f"A{number:02d}", field + 1, label, number % 4, name, share[field, place])
            for field in range(2)
            for place, name in enumerate(("negative_control", "a", "b"))
        ]
    columns = ["plate", "well", "field", "label", "fold", "phenotype", "probability"]
    table = pd.DataFrame(rows, columns=columns)
    found = score_folds(table, pd.DataFrame()).controls.set_index("readout")
    assert set(found.index) == {"a", "b", "logit a", "logit b"}
    for name in "ab":
        wells = table[table["phenotype"] == name].groupby(["label", "well"])["probability"].mean()
        logits = np.log(wells / (1 - wells))
        assert found.loc[name, "z_prime"] == pytest.approx(z_prime(wells[name], wells["negative_control"]))
        assert found.loc[f"logit {name}", "ssmd"] == pytest.approx(ssmd(logits[name], logits["negative_control"]))
