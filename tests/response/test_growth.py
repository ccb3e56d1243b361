"""Growth-rate metrics against the outputs of their authors' implementations in R, Python and MATLAB."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hcskit.errors import InputError
from hcskit.response import fit_growth_rate, growth_rate

KEYS = ["cell_line", "agent", "perturbation", "replicate", "time"]
NAMES = {"GR_AUC": "GR_AOC", "EC50": "GEC50", "h_GR": "Hill"}  # as R has them


def outputs(folder: Path, language: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the growth rates and the metrics that one implementation gives."""
    where = folder / "curves" / "gr_metrics" / "OUTPUT"
    values, metrics = (
        pd.read_csv(where / f"{language}_input1_{kind}.tsv", sep="\t", comment="#")
        for kind in ("GRvalues", "GRmetrics")
    )
    return values.rename(columns={"GRvalue": "GR"}), metrics.rename(columns=NAMES).dropna(subset=["agent"])


@pytest.mark.slow
def test_metrics_are_those_of_three_implementations(shared_data: Path) -> None:
    values, _ = outputs(shared_data, "R")
    own = growth_rate(values["cell_count"], values["cell_count__ctrl"], values["cell_count__time0"])
    for language in ("R", "python", "matlab"):
        theirs = outputs(shared_data, language)[0].set_index([*KEYS, "concentration"])["GR"]
        mine = pd.Series(own, index=pd.MultiIndex.from_frame(values[[*KEYS, "concentration"]]))
        assert mine.loc[theirs.index].to_numpy() == pytest.approx(theirs.to_numpy(), rel=1e-9)

    fits = {key: fit_growth_rate(part["concentration"], part["GR"]) for key, part in values.groupby(KEYS)}
    assert len(fits) == 112
    for language in ("R", "python", "matlab"):
        known = outputs(shared_data, language)[1].set_index(KEYS)
        pairs = [(fit, known.loc[key]) for key, fit in fits.items()]
        gr50 = np.array([(fit.gr50, theirs["GR50"]) for fit, theirs in pairs], dtype=float).T
        finite = np.isfinite(gr50).all(axis=0)
        assert (np.isfinite(gr50[0]) == np.isfinite(gr50[1])).all()
        apart = np.abs(np.log10(gr50[0, finite] / gr50[1, finite]))
        assert np.quantile(apart, 0.95) < 1e-3  # a search of theirs may end before its optimum
        assert apart.max() < 0.03, language
        for name, theirs in (("gr_max", "GRmax"), ("gr_aoc", "GR_AOC")):
            assert [getattr(fit, name) for fit, _ in pairs] == pytest.approx([row[theirs] for _, row in pairs])
        ends = np.array([(fit.gr_inf, row["GRinf"]) for fit, row in pairs if fit.p_value < 0.05], dtype=float).T
        assert np.median(np.abs(ends[0] - ends[1])) < 1e-3


@pytest.mark.slow
def test_intervals_hold_the_truth() -> None:
    c = np.geomspace(0.001, 10, 9).repeat(3)
    truth = 0.1 + 0.9 / (1 + (c / 0.2) ** 1.3)
    gr50 = 0.2 * (0.9 / 0.4 - 1) ** (1 / 1.3)
    held = []
    for seed in range(40):
        rate = truth + np.random.default_rng(seed).normal(0, 0.05, len(c))
        fit = fit_growth_rate(c, rate)
        held.append(fit.gr50_low <= gr50 <= fit.gr50_high)
        assert fit.gr_aoc_low < fit.gr_aoc < fit.gr_aoc_high
    assert np.mean(held) >= 0.9
    assert fit_growth_rate(c, rate, level=0.5).gr50_low > fit.gr50_low


def test_cells_that_do_not_care_have_no_gr50() -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, 18)
    c = np.geomspace(0.001, 10, 9).repeat(2)
    assert fit_growth_rate(c, 0.95 + noise).gr50 == np.inf
    assert fit_growth_rate(c, 0.2 + noise).gr50 == -np.inf


def test_counts_that_tell_no_growth_rate_are_refused() -> None:
    with pytest.raises(InputError, match="0 cells after the treatment"):
        growth_rate([10, 0], 100, 10)
    with pytest.raises(InputError, match="untreated cells did not grow"):
        growth_rate([10, 5], 10, 10)
    with pytest.raises(InputError, match="3 concentrations cannot show a curve"):
        fit_growth_rate([1, 10, 100], [1, 0.5, 0.1])
