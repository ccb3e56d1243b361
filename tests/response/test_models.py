"""Curve models: each recovers its own curves, and models of other packages are fitted by the same engine."""

import sys
from pathlib import Path

import numpy as np
import pytest

from hcskit.errors import InputError
from hcskit.response import Axis, CurveModel, fit_curves, get_curve, hill, list_curves

SERIES = np.geomspace(1.0, 1e4, 12).repeat(2)
C = np.concatenate([np.zeros(8), SERIES])
WITH_LOCATION = ["5pl", "gain-loss", "hill", "step"]
DOCUMENT = Path(__file__).parents[2] / "docs" / "extend" / "curve-model.md"


@pytest.mark.parametrize("name", WITH_LOCATION)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_inverse_is_where_the_curve_has_gone_its_share(name: str, share: float) -> None:
    model = get_curve(name)
    axes = model.axes(0.0, 4.0)
    rng = np.random.default_rng(0)
    shape = [rng.uniform(axis.low + 0.3, axis.high - 0.3, 20) for axis in axes]
    if name == "gain-loss":  # a narrow flat bell hardly rises above its flanks
        shape[1], shape[2] = shape[1] + 1.0, np.maximum(shape[2], 0.5)

    place = model.inverse(share, *shape)
    reached = model.basis(place[:, None], *(own[:, None] for own in shape))[-1, :, 0]

    if name == "step":
        assert (place == shape[0]).all()
    else:
        assert reached == pytest.approx(np.full(20, share), rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_LOCATION)
def test_each_model_recovers_its_own_curves_and_is_preferred(name: str) -> None:
    model = get_curve(name)
    shapes = {
        "hill": ([2.0, 0.3],),
        "5pl": ([2.0, 0.5, 1.5], [2.0, 0.5, -1.5]),
        "gain-loss": ([1.2, 1.6, 0.8],),
        "step": ([2.05],),
    }[name]
    rng = np.random.default_rng(1)
    log_c = np.log10(np.maximum(C, 1e-300))
    curves = [np.array([1.0, 4.0]) @ model.basis(log_c, *np.array(shape)[:, None]) for shape in shapes]
    noise = 0.02 if name in ("hill", "step") else 0.005

    exact = fit_curves(C, curves, models=[model])
    found = fit_curves(C, curves + rng.normal(0, noise, (len(curves), len(C))), models=["constant", *WITH_LOCATION])

    assert exact["rss"].values == pytest.approx(0.0, abs=1e-9)
    assert (found["best"] == name).all()
    truth = [10 ** float(model.inverse(0.5, *shape)) for shape in shapes]
    ends = found["interval"].sel(model=name, share=0.5)
    assert (ends.sel(end="low").values <= np.array(truth) * 1.1).all()
    assert (ends.sel(end="high").values >= np.array(truth) / 1.1).all()


def test_noise_alone_is_a_constant() -> None:
    noise = np.random.default_rng(0).normal(5, 1, (60, len(C)))

    best = fit_curves(C, noise, models=["constant", "hill"])["best"]

    assert (best == "constant").mean() > 0.85


def test_a_fixed_asymptote_costs_no_parameter_and_is_kept() -> None:
    y = hill(C, 0, 0.8, 300, 1.2) + np.random.default_rng(0).normal(0, 0.05, len(C))

    free, three, two = (
        fit_curves(C, y, limits=limits) for limits in (None, {"bottom": (0, 0)}, {"bottom": (0, 0), "top": (0.8, 0.8)})
    )

    assert float(three["estimate"].sel(parameter="bottom").item()) == pytest.approx(0, abs=1e-12)
    assert float(two["estimate"].sel(parameter="top").item()) == pytest.approx(0.8)
    assert free["rss"].item() <= three["rss"].item() <= two["rss"].item()
    assert two["aicc"].item() < three["aicc"].item() + 1 < free["aicc"].item() + 5
    with pytest.raises(InputError, match="limits are given for ceiling"):
        fit_curves(C, y, limits={"ceiling": (0, 1)})


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A real little distribution outside the package: the model of the documentation, and a broken one."""
    text = DOCUMENT.read_text(encoding="utf-8")
    code = text.split("```python\n", 1)[1].split("```", 1)[0]
    (tmp_path / "my_curves.py").write_text(code)
    (tmp_path / "broken_curves.py").write_text("raise RuntimeError('no such luck')\n")
    info = tmp_path / "my_curves-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-curves\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[hcskit.curves]\ngompertz = my_curves:Gompertz\nbroken = broken_curves:Broken\nodd = builtins:dict\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_curves", raising=False)
    return tmp_path


@pytest.mark.usefixtures("elsewhere")
def test_a_model_of_another_package_is_found_and_fitted() -> None:
    assert "gompertz" in list_curves()
    model = get_curve("gompertz")
    assert isinstance(model, CurveModel)
    log_c = np.log10(np.maximum(C, 1e-300))
    with np.errstate(over="ignore"):
        truth = np.array([2.0, -1.0]) @ model.basis(log_c, np.array([2.2]), np.array([0.4]))
    y = truth + np.random.default_rng(0).normal(0, 0.02, len(C))

    found = fit_curves(C, y, models=["hill", "gompertz"], shares=[0.2, 0.5])

    assert found["best"].item() == "gompertz"
    own = found.sel(model="gompertz", curve=0)
    assert own["estimate"].sel(parameter=["bottom", "top", "log_k"]).values == pytest.approx([2, -1, 2.2], abs=0.05)
    for share in (0.2, 0.5):
        place = 10 ** float(model.inverse(share, np.array(2.2), np.array(0.4)))
        low, high = own["interval"].sel(share=share).values
        assert low < place < high


@pytest.mark.usefixtures("elsewhere")
def test_a_broken_model_does_not_keep_others_from_being_fitted() -> None:
    assert {"broken", "hill"} <= set(list_curves())
    assert fit_curves(C, hill(C, 0, 1, 30, 2))["best"].item() == "hill"
    with pytest.raises(InputError, match=r"broken.*cannot be loaded.*no such luck"):
        get_curve("broken")
    with pytest.raises(InputError, match="makes dict, which lacks part of"):
        get_curve("odd")
    with pytest.raises(InputError, match="no curve model 'sinus'; known: "):
        get_curve("sinus")


class _Careless:
    name = "careless"
    linear = ("bottom", "top")

    def axes(self, low: float, high: float) -> tuple[Axis, ...]:
        return (Axis("k", np.linspace(low, high, 20)),)

    def basis(self, log_c: np.ndarray, k: np.ndarray) -> np.ndarray:
        top = 1 / (1 + np.exp(k - log_c))
        return np.stack([np.ones_like(top), top])

    def inverse(self, share: float, k: np.ndarray) -> np.ndarray:
        return k


class _Stuck(_Careless):
    name = "stuck"

    def basis(self, log_c: np.ndarray, k: np.ndarray) -> np.ndarray:
        top = 1 / (1 + np.exp(-k - log_c))  # falls with the location
        return np.stack([1 - top, top])


def test_a_model_that_breaks_its_contract_is_refused_before_it_is_fitted() -> None:
    with pytest.raises(InputError, match="careless does not sum to one"):
        fit_curves(C, C, models=[_Careless()])
    with pytest.raises(InputError, match="does not move the curve"):
        fit_curves(C, C, models=[_Stuck()])
