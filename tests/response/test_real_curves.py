"""Real viability curves against the published fits of another program (CTRPv2 by CurveCurator)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hcskit.response import HillFit, fit_hill

DOSE = [0, 0.0012, 0.0024, 0.0049, 0.0097, 0.019, 0.039, 0.078, 0.16, 0.31, 0.62, 1.2, 2.5, 5, 10, 20, 40]


@pytest.mark.slow
def test_well_determined_viabilities_have_their_published_ec50(shared_data: Path) -> None:
    folder = shared_data / "curves" / "ctrp"
    wells = pd.read_csv(folder / "dose_responses_40.0.tsv", sep="\t").drop_duplicates("Name").set_index("Name")
    known = pd.read_csv(folder / "curves_40.0.txt", sep="\t").set_index("Name")
    published = 10 ** (6 - known["pEC50"])
    chosen = known.index[(known["Curve Regulation"] == "down") & (published < 30) & (known["pEC50 Error"] < 0.2)]

    fits: list[HillFit] = [fit_hill(DOSE, wells.loc[name].to_numpy(dtype=float)) for name in chosen]

    assert len(fits) > 100
    distance = np.abs(np.log10([fit.ec50 for fit in fits]) - np.log10(published[chosen].to_numpy()))
    assert np.mean(distance < 0.1) >= 0.95  # NaN is not within
    assert np.mean([fit.category == "outside the tested range" for fit in fits]) <= 0.02
