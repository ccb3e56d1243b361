"""Networks, optimisers and schedules of another package, found by their entry points; the code is that of the docs."""

from __future__ import annotations

import doctest
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

DOCS = Path(__file__).parents[2] / "docs" / "extend"

READ = """
import json, sys, warnings
from hcskit.errors import InputError
from hcskit.models import get_model, list_models
from hcskit.optimisers import list_optimisers
from hcskit.recipe import Recipe
from hcskit.schedules import list_schedules

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    listed = [list_models(), list_optimisers(), list_schedules()]
recipe = Recipe.from_yaml(sys.argv[1])
recipe.to_yaml(sys.argv[2])
assert Recipe.from_yaml(sys.argv[2]) == recipe
assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
said = []
for name in ("broken", "no_kind", "no_network", "own_build", "wrong", "absent"):
    try:
        get_model(name)
    except InputError as error:
        said.append(str(error))
print(json.dumps({
    "recipe": recipe.model_dump(mode="json"),
    "listed": listed,
    "warned": [str(one.message) for one in caught],
    "said": said,
    "loaded": [name for name in ("tensorflow", "keras", "dask") if name in sys.modules],
}))
"""

TRAIN = """
import sys
import numpy as np
from hcskit.data import open_data
from hcskit.recipe import Recipe
from hcskit.training import fit

images, recipe, model, out = sys.argv[1:]
result = fit(open_data(images), Recipe.from_yaml(recipe), model, progress=False)
assert len(result.history) == 2
np.savez(out, told=result.model.predict_on_batch(np.load(images + ".npy")), rates=result.history["learning_rate"])
"""

PREDICT = """
import sys
import numpy as np
from hcskit.training import load_model

model, images, out = sys.argv[1:]
network, card = load_model(model)
np.save(out, network.predict_on_batch(np.load(images)))
print(card.recipe.model.kind, card.recipe.optimiser.kind, card.recipe.schedule.kind)
"""


@pytest.fixture
def recipe(sections: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({"data": {"crop": None}, "prediction": {"calibrate": True}, **sections}))
    return path


@pytest.mark.slow
def test_a_recipe_names_parts_of_another_package(
    outside: Callable[..., str], recipe: Path, sections: dict[str, Any], tmp_path: Path
) -> None:
    found = json.loads(outside(READ, recipe, tmp_path / "again.yaml"))
    for name, section in sections.items():
        assert section.items() <= found["recipe"][name].items()
    models, optimisers, schedules = found["listed"]
    assert {"mcnn", "squeezed"} <= set(models)
    assert {"adamw", "lion"} <= set(optimisers)
    assert {"cosine", "cooldown"} <= set(schedules)
    assert found["loaded"] == []


@pytest.mark.slow
def test_a_part_that_cannot_be_is_left_out_and_says_why(
    outside: Callable[..., str], recipe: Path, tmp_path: Path
) -> None:
    found = json.loads(outside(READ, recipe, tmp_path / "again.yaml"))
    assert set(found["listed"][0]) == {"mcnn", "mcnn_residual", "resnet", "squeezed"}
    *faults, absent = found["said"]
    for fault, said in zip(
        faults,
        [
            "'broken' cannot be loaded from my_package.absent:Nothing: ModuleNotFoundError",
            "'no_kind', NoKind, has no field kind; expected a subclass of hcskit.models.Network with one",
            "'no_network', NoNetwork, does not define make_network",
            "'own_build', OwnBuild, overrides build, which is final",
            "'wrong' is <class 'my_package.schedule.Cooldown'>; expected a subclass of hcskit.models.Network",
        ],
        strict=True,
    ):
        assert f"the network {said}" in fault
    twice, *left_out = found["warned"]
    assert "the network 'resnet' is there twice; my_package.network:Squeezed is left out" in twice
    assert left_out == [f"left out: {fault}" for fault in faults]
    assert "there is no network 'absent'; known: broken, mcnn, mcnn_residual, no_kind" in absent


@pytest.mark.slow
def test_a_network_of_another_package_is_trained_saved_and_loaded(
    outside: Callable[..., str], recipe: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for label, level in (("dark", 60), ("bright", 180)):
        (tmp_path / "images" / label).mkdir(parents=True)
        for number in range(8):
            pixels = rng.normal(level, 10, (16, 16)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / label / f"{number}.png")
    images = tmp_path / "images.npy"
    np.save(images, rng.standard_normal((5, 16, 16, 1), np.float32))
    outside(TRAIN, tmp_path / "images", recipe, tmp_path / "model", tmp_path / "told.npz")
    kinds = outside(PREDICT, tmp_path / "model", images, tmp_path / "found.npy")
    assert kinds.split() == ["squeezed", "lion", "cooldown"]
    told = np.load(tmp_path / "told.npz")
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), told["told"], rtol=1e-6)
    np.testing.assert_allclose(told["told"].sum(axis=1), 1, rtol=1e-5)
    # Two steps an epoch: the rate falls from 1e-4, in the second half of the training, to zero.
    np.testing.assert_allclose(told["rates"], [1e-4, 0], atol=1e-10)


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda path: path.stem)
def test_what_the_pages_show_is_so(page: Path) -> None:
    assert doctest.testfile(str(page), module_relative=False).failed == 0
