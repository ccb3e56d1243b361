"""Prediction on a cluster is what one process predicts, whatever becomes of the workers."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from hcskit import open_screen
from hcskit.actions import _over_fields, predict
from hcskit.cli import main
from hcskit.cluster import Cluster, ClusterConfig, _jobs, open_cluster
from hcskit.cluster._checks import versions
from hcskit.data import Normalisation, Tiles, TrainingFields
from hcskit.errors import InputError, RunError
from hcskit.inference import Predictions, gather_predictions
from hcskit.models import mcnn
from hcskit.models.backend import keras
from hcskit.recipe import Recipe
from hcskit.results import READOUTS, read_table
from hcskit.training import ModelCard, TrainedModel, load_card, save_model
from hcskit.training._ensemble import finish

CLASSES = ("negative_control", "active", "other")


def _save(folder: Path, seed: int = 0, channels: tuple[str, ...] = ("GFP", "DNA")) -> Path:
    """Two networks that were never trained, but tell fields apart."""
    keras.utils.set_random_seed(seed)
    networks = []
    for number in range(2):
        one = mcnn((32, 32, 2), 3, head="pool", scales=2, features=8, hidden=8, batch_norm=False, dropout=0.0)
        one.layers[-1].set_weights([10 * weight for weight in one.layers[-1].get_weights()])
        networks.append(keras.Model(one.input, one.output, name=f"network_{number}"))
    fields = TrainingFields.from_arrays(np.zeros((1, 32, 32, 2)), np.zeros(1, int), CLASSES)
    model, _ = finish(networks, Recipe().prediction, Tiles(fields, (32, 32), 1))
    card = ModelCard(
        classes=CLASSES,
        negative_class=CLASSES[0],
        channels=channels,
        crop=(32, 32),
        binning=1,
        pixel_size_um=None,
        normalisation=Normalisation(centre=(100.0, 100.0), scale=(50.0, 50.0)),
        recipe=Recipe(),
        data={},
        fingerprint="",
        metrics={},
        hcskit_version="",
    )
    return save_model(folder, model, card)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _save(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def serial(screen: Path, model: Path) -> Predictions:
    found = predict(screen, model, progress=False)
    assert found.wells["probability"].std() > 0.02
    assert len(found.fields) == 2 * (12 * 2 - 1) * len(CLASSES)
    return found


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with open_cluster(ClusterConfig(workers=2, cores=1)) as cluster:
        yield cluster


def _assert_same(found: Predictions, serial: Predictions) -> None:
    pd.testing.assert_frame_equal(found.fields, serial.fields, check_exact=True)
    pd.testing.assert_frame_equal(found.wells, serial.wells, check_exact=True)


def _is_at_work(dask_worker: Any) -> bool:
    return bool(_over_fields._network.cache_info().currsize and dask_worker.state.executing_count)


@pytest.mark.slow
def test_a_cluster_predicts_what_one_process_does_even_if_a_worker_dies(
    cluster: Cluster, screen: Path, model: Path, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_over_fields, "_FIELDS", 1)
    serial, found, client = predict(screen, model, progress=False), list[Predictions](), cluster.client
    processes = client.run(os.getpid)
    work = Thread(target=lambda: found.append(predict(screen, model, cluster=cluster, progress=False)))
    work.start()
    until(lambda: any(client.run(_is_at_work).values()))
    victim = next(address for address, at_work in client.run(_is_at_work).items() if at_work)
    os.kill(processes[victim], signal.SIGKILL)
    assert not found
    work.join(120)
    assert victim not in client.nthreads()
    assert not client.futures
    _assert_same(found[0], serial)


@pytest.mark.slow
def test_workers_that_come_late_are_used_and_none_at_all_is_told(
    screen: Path, model: Path, serial: Any, until: Callable[..., None]
) -> None:
    with open_cluster(ClusterConfig(workers=1, cores=1)) as cluster:
        client = cluster.client
        client.cluster.scale(0)
        until(lambda: not client.nthreads())
        impatient = Cluster(client, ClusterConfig(start_timeout=1))
        with pytest.raises(RunError, match="no worker for 1 s"):
            predict(screen, model, cluster=impatient, progress=False)
        client.cluster.adapt(minimum=0, maximum=1, interval="100ms")
        _assert_same(predict(screen, model, cluster=cluster, progress=False), serial)


@pytest.mark.slow
def test_what_does_not_fit_is_refused_and_a_worker_notices_another_model_or_software(
    cluster: Cluster, screen: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"cluster": cluster, "progress": False}
    with pytest.raises(InputError, match="plate p1 has no channel ER, which the model needs; it has DNA, GFP"):
        predict(screen, _save(tmp_path / "er", channels=("DNA", "ER")), **options)
    with monkeypatch.context() as patch:
        patch.setattr(_jobs, "versions", lambda: versions() | {"keras": "4.0"})
        with pytest.raises(InputError, match=r"worker tls://\S+ has keras 3\.\S+ \(here 4\.0\)"):
            predict(screen, model, **options)
    # The driver's copy of the folder holds another network than the one that the workers read.
    here = TrainedModel(model, load_card(_save(tmp_path / "other", seed=1)))
    with pytest.raises(InputError, match="another model for this worker"):
        predict(screen, here, **options)


@pytest.mark.slow
def test_the_command_writes_what_a_screen_joins(screen: Path, model: Path, serial: Any, tmp_path: Path) -> None:
    own = tmp_path / "screen"
    shutil.copytree(screen, own, ignore=shutil.ignore_patterns("export*"))
    (tmp_path / "cluster.yaml").write_text("{kind: local, workers: 1, cores: 1}")
    before = signal.getsignal(signal.SIGTERM)
    done = CliRunner().invoke(main, ["predict", str(model), str(own), "--cluster", str(tmp_path / "cluster.yaml")])
    signal.signal(signal.SIGTERM, before)
    assert done.exit_code == 0, done.output
    names = ["field_predictions", "predictions", "distances", "readouts", "phenotype_controls"]
    assert [line for line in done.stdout.splitlines() if line.startswith("wrote")] == [
        f"wrote {own / 'results' / name}.parquet" for name in names
    ]
    joined = open_screen(own)["p2/predictions"]["probability"].sel(well="A02", phenotype="active")
    assert float(joined) == pytest.approx(serial.wells.loc[("p2", "A02", "active"), "probability"], abs=1e-6)
    assert set(read_table(own, READOUTS)["readout"]) == {"active", "other"}


@pytest.mark.parametrize("networks", [1, 3])
def test_crops_are_averaged_to_fields_and_fields_to_wells(networks: int) -> None:
    rng = np.random.default_rng(0)
    fields = pd.DataFrame({"plate": "p", "well": ["A01", "A01", "B01"], "field": [1, 2, 1]})
    crops = [rng.dirichlet(np.ones(3), (count, networks)) for count in (4, 1, 2)]
    found = gather_predictions(fields, crops, CLASSES)
    for number, name in enumerate(CLASSES):
        own = [crop[:, :, number] for crop in crops]
        first = found.wells.loc[("p", "A01", name)]
        assert first["probability"] == pytest.approx((own[0].mean() + own[1].mean()) / 2)
        assert first["sd"] == pytest.approx(np.concatenate(own[:2]).mean(axis=1).std(ddof=1))
        assert first["n_fields"] == 2
        assert found.fields.loc[("p", "A01", 1, name)].tolist() == pytest.approx([own[0].mean(), 4])
        each = first.filter(like="network_")
        assert each.tolist() == pytest.approx(
            ((own[0].mean(axis=0) + own[1].mean(axis=0)) / 2).tolist() if networks > 1 else []
        )
