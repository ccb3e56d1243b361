"""The recipe: what is written is what is read, old files mean what they meant, mistakes are named."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hcskit.errors import InputError
from hcskit.parallel import decided
from hcskit.recipe import Recipe

RECIPES = sorted((Path(__file__).parents[2] / "pipelines" / "recipes").glob("*.yaml"))
SECTIONS: list[dict[str, Any]] = [
    {},
    {"optimiser": {"kind": "sgd", "momentum": 0.8}, "schedule": {"kind": "triangular2"}},
    {"optimiser": {"kind": "lars", "learning_rate": 5.0}, "schedule": {"kind": "polynomial", "power": 2.0}},
    {"optimiser": {"kind": "lamb", "learning_rate": 0.01, "parts": 2}, "run": {"keep": 5, "tensorboard": True}},
]


@pytest.mark.parametrize("section", SECTIONS)
def test_what_is_written_is_what_is_read(section: dict[str, Any], tmp_path: Path) -> None:
    recipe = Recipe.model_validate(section)
    recipe.to_yaml(tmp_path / "recipe.yaml")
    assert Recipe.from_yaml(tmp_path / "recipe.yaml") == recipe
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_a_recipe_without_kinds_is_that_of_earlier_versions() -> None:
    # All that a recipe could say about optimiser and schedule before there were kinds, with other than default values.
    old = {"epochs": 12, "batch": 8, "learning_rate": 2e-3, "warmup_epochs": 2.0, "weight_decay": 1e-3}
    recipe = Recipe.model_validate({"optimiser": {**old, "label_smoothing": 0.1}})
    assert recipe.optimiser.model_dump() == {
        **old,
        "label_smoothing": 0.1,
        "kind": "adamw",
        "parts": 1,
        "reference_batch": None,
        "clip_norm": None,
    }
    assert recipe.schedule.kind == "cosine"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_can_be_read(path: Path) -> None:
    assert Recipe.from_yaml(path).optimiser.epochs > 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("optimiser: {momentum: 0.9}", "optimiser.momentum: there is no such field"),
        ("optimiser: {kind: lars}", "optimiser.learning_rate: is missing"),
        (
            "optimiser: {kind: adagrad}",
            "optimiser.kind: there is no optimiser 'adagrad'; known: adamw, lamb",
        ),
        ("model: {features: many}", "model.features: found 'many'; it must be a valid integer"),
        ("model: {kind: [mcnn]}", "model.kind: there is no network"),
        ("schedule: {power: 2}", "schedule.power: there is no such field"),
        ("schedule: {kind: snapshots}", "make it 30 epochs without warm-up"),
        ("prediction: {weights: snapshots}", "needs a schedule that keeps some"),
        ("optimizer: {batch: 4}", "optimizer: there is no such field; did you mean optimiser?"),
        ("split: {validation: 0}", "nothing is held out to choose an epoch by"),
        ("{split: {validation: 0}, prediction: {weights: last, calibrate: true}}", "or to calibrate on"),
        ("optimiser: 3", "optimiser: found 3; it must be a section, such as {kind: adamw}"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        Recipe.from_yaml(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mcnn", "mcnn_residual", "resnet"])
def test_a_recipe_names_its_network_and_the_precision_it_computes_in(kind: str) -> None:
    recipe = Recipe.model_validate({"model": {"kind": kind, "features": 4, "precision": "bfloat16"}})
    model = recipe.model.build((32, 32, 2), 3)
    assert model.name == kind
    assert {layer.compute_dtype for layer in model.layers if layer.weights} == {"bfloat16", "float32"}
    assert model.output.shape == (None, 3)
    branches = [layer for layer in model.layers if re.fullmatch(r"scale\d+_conv1?", layer.name)]
    assert recipe.model.branches(32) == max(1, len(branches))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("from hcskit.recipe import Recipe; Recipe.from_yaml(sys.argv[1])", "tensorflow keras dask holoviews"),
        ("import hcskit.recipe, hcskit.data, hcskit.models, hcskit.optimisers", "tensorflow keras dask holoviews"),
        ("import hcskit.cluster", "tensorflow keras holoviews"),
    ],
)
def test_what_a_recipe_needs_is_loaded_and_no_more(code: str, unwanted: str) -> None:
    told = f"import sys; {code}; print(*sorted(set('{unwanted}'.split()) & set(sys.modules)))"
    command = [sys.executable, "-c", told, str(RECIPES[0])]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == []


def test_the_digest_that_a_training_resumes_by_stays() -> None:
    # As version 0.1.0 wrote it: another order of fields, and every training would start anew.
    recipe = Recipe.model_validate({"model": {"kind": "mcnn_residual"}, "optimiser": {"kind": "sgd", "momentum": 0.8}})
    written = decided(recipe).model_dump_json(include={"model", "optimiser", "schedule"})
    assert written == (
        '{"model":{"precision":"float32","kind":"mcnn_residual","scales":null,"features":16,"join":96,"blocks":2,'
        '"dropout":0.2},"optimiser":{"epochs":30,"batch":16,"parts":1,"learning_rate":0.1,"reference_batch":256,'
        '"warmup_epochs":5.0,"weight_decay":0.0001,"label_smoothing":0.0,"clip_norm":null,"kind":"sgd",'
        '"momentum":0.8},"schedule":{"kind":"cosine"}}'
    )


def test_a_warm_up_longer_than_the_training_is_refused() -> None:
    with pytest.raises(ValueError, match="a warm-up of 5 epochs does not fit into 4 epochs"):
        Recipe.model_validate({"optimiser": {"kind": "sgd", "epochs": 4}})
