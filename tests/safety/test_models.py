"""Loading a model runs no code, whatever the file asks for."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hcskit.errors import InputError
from hcskit.training._archive import check_archive
from tests.safety.cases import CARD

DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 2}, "registered_name": None}


def model_file(path: Path, *layers: dict[str, Any]) -> Path:
    config = {"module": "keras", "class_name": "Sequential", "config": {"name": "m", "layers": [DENSE, *layers]}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.12.0"}))
    return path


def layer(module: str, name: str, **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": config, "registered_name": name}


@pytest.mark.parametrize(
    ("part", "named"),
    [
        (layer("keras.layers", "Lambda", function={"class_name": "__lambda__"}), "layer Lambda"),
        (layer("builtins", "__lambda__", value="x"), "layer __lambda__"),
        (layer("os", "system"), "part system of the module os"),
        (layer("kerasevil.layers", "Dense"), "part Dense of the module kerasevil.layers"),
        (layer("keras.layers", "Wrapper", layer=layer("subprocess", "Popen")), "part Popen of the module subprocess"),
        (layer("keras.layers", "TFSMLayer", filepath="x"), "layer TFSMLayer"),
    ],
)
def test_code_in_a_model_is_refused_in_a_sentence(tmp_path: Path, part: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=f"is not loaded: it has a {named}, which would run code"):
        check_archive(model_file(tmp_path / "model.keras", part))


def test_layers_of_keras_and_registered_ones_pass(tmp_path: Path) -> None:
    from hcskit.models import backend

    check_archive(model_file(tmp_path / "model.keras"))

    class Own(backend.keras.layers.Layer): ...

    backend.keras.saving.register_keras_serializable("labnet")(Own)
    own = {**layer("labnet.layers", "Own"), "registered_name": "labnet>Own"}
    check_archive(model_file(tmp_path / "own.keras", own))


def test_a_file_that_was_cut_off_or_is_a_bomb_is_refused(tmp_path: Path) -> None:
    path = model_file(tmp_path / "model.keras")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"model\.keras is not a whole model file"):
        check_archive(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b"[" * 65_000_000)
    with pytest.raises(InputError, match=r"config\.json has 65,000,000 bytes"):
        check_archive(path)


def test_a_crafted_model_leaves_no_trace(tmp_path: Path) -> None:
    from hcskit.models import backend
    from hcskit.training import ModelCard, load_model, save_model

    keras, trace = backend.keras, tmp_path / "trace"

    def code(x: Any, place: str = str(trace)) -> Any:
        Path(place).touch()
        return x

    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(code)])
    trace.unlink()  # to make it ran it
    card = ModelCard.model_validate(CARD)
    folder = save_model(tmp_path / "model", model, card)
    trace.unlink(missing_ok=True)
    with pytest.raises(InputError, match="layer Lambda, which would run code"):
        load_model(folder)
    assert not trace.exists()
