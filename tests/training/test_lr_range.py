"""The range test: against a problem whose largest rate is known, and against the training it is a part of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from hcskit.cli import main
from hcskit.data import ScreenData, open_data
from hcskit.errors import InputError
from hcskit.recipe import Recipe
from hcskit.training import lr_range, network_and_batches
from hcskit.training._lr_range import suggest_rate

RECIPE: dict[str, Any] = {
    "data": {"crop": 32, "crops_per_field": 10},
    "model": {"scales": 2, "features": 8, "hidden": 8},
    "optimiser": {"kind": "sgd", "batch": 7, "reference_batch": None},
}


@pytest.mark.parametrize("curvature", [0.5, 20.0])
def test_a_tenth_of_the_largest_rate_that_converges_is_suggested(curvature: float) -> None:
    # Gradient descent on curvature · w² / 2 multiplies w by 1 - rate · curvature: it diverges beyond 2 / curvature.
    rates = np.geomspace(1e-5, 10, 400) / curvature
    loss = np.cumprod((1 - rates * curvature) ** 2)
    suggested = suggest_rate(pd.DataFrame({"learning_rate": rates, "smoothed": loss}))
    assert 0.1 * 2 / curvature == pytest.approx(suggested, rel=0.05)


def test_the_rates_are_two_in_order() -> None:
    with pytest.raises(InputError, match=r"from 0.1 to 0.01"):
        lr_range(ScreenData({}), Recipe(), lowest=0.1, highest=0.01)


@pytest.mark.slow
def test_it_is_the_training_itself_until_it_diverges(screen: Path, tmp_path: Path) -> None:
    recipe = Recipe.model_validate(RECIPE)
    recipe.to_yaml(tmp_path / "recipe.yaml")
    arguments = [
        "lr-range",
        tmp_path / "recipe.yaml",
        "--data",
        screen,
        "--out",
        tmp_path / "range",
        "--highest",
        "1e4",
        "--steps",
        "100",
    ]
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "range" / "lr_range.csv")
    assert "learning_rate: " in done.stdout
    assert "Bokeh" in (tmp_path / "range" / "lr_range.html").read_text(encoding="utf-8")

    ratios = table["learning_rate"].to_numpy()[1:] / table["learning_rate"].to_numpy()[:-1]
    np.testing.assert_allclose(ratios, ratios[0])
    assert 1e-6 < suggest_rate(table) < 10

    model, batches = network_and_batches(open_data(screen), recipe, rates=lambda *_: table["learning_rate"].to_numpy())
    assert len(batches) < len(table) < 100  # it did not go on to a rate of 10,000
    history = model.fit(batches, shuffle=False, verbose=0).history
    sizes = [len(batches[step][0]) for step in range(len(batches))]
    assert np.average(table["loss"][: len(batches)], weights=sizes) == pytest.approx(history["loss"][0], rel=1e-4)
