"""The report and the dashboard's plots of a large screen: how long, and how large.

``python benchmarks/dashboards.py`` (300 compounds on ten 384-well plates; ``--compounds 2000 --plates 20 --wells 1536``
for a larger one) makes a screen without images, writes its report, and times what a dashboard does at a selection.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import holoviews as hv
import numpy as np
import pandas as pd

import hcskit
from hcskit.plate import FORMATS, row_name
from hcskit.response import fit_responses, hill
from hcskit.results import CURVES, POINTS, READOUTS, RESPONSES, write_table
from hcskit.views import plate_drawing, response_drawing


def readouts(compounds: int, plates: int, size: int) -> pd.DataFrame:
    """Return wells of a screen: each compound at eight concentrations, a third of them active."""
    rng = np.random.default_rng(0)
    format = FORMATS[size]
    wells = [f"{row_name(row)}{column + 1:02d}" for row in range(format.rows) for column in range(format.columns)]
    controls = size // 24
    table = pd.DataFrame({"plate": np.repeat([f"P{n:02d}" for n in range(plates)], size), "well": wells * plates})
    table["role"] = (["negative_control"] * controls + ["treatment"] * (size - controls)) * plates
    treated = (table["role"] == "treatment").to_numpy()
    place = np.arange(treated.sum())
    dose = 3.0 ** (place % 8)
    number = place // 8 % compounds
    ec50 = np.where(number % 3 == 0, rng.uniform(5, 500, compounds)[number], np.inf)
    value = rng.normal(0.05, 0.02, len(table))
    value[treated] += np.where(np.isfinite(ec50), hill(dose, 0.0, 0.9, np.where(np.isfinite(ec50), ec50, 1), 1.2), 0)
    table["compound"], table["concentration"] = "", 0.0
    table.loc[treated, "compound"] = [f"compound {n:04d}" for n in number]
    table.loc[treated, "concentration"] = dose
    return table.assign(concentration_unit="nM", readout="toxic", value=np.clip(value, 0, 1))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    for name, default in (("compounds", 300), ("plates", 10), ("wells", 384)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = readouts(given.compounds, given.plates, given.wells)
        fits = fit_responses(table)
        for part, frame in (
            (READOUTS, table),
            (RESPONSES, fits.responses),
            (POINTS, fits.points),
            (CURVES, fits.curves),
        ):
            write_table(folder, part, frame)
        start = time.perf_counter()
        report = hcskit.report(folder, Path(folder) / "report.html")
        size = report.stat().st_size / 1e6
        print(f"report: written in {time.perf_counter() - start:.1f} s, {size:.1f} MB")
    tables = fits.responses, fits.points, fits.curves
    keys = list(fits.responses.index)
    figure = hv.render(response_drawing(*tables, keys[:1]).view(), backend="bokeh")
    _median("curves of seven compounds", lambda n: response_drawing(*tables, keys[n : n + 7]).swap(figure))
    values = table[table["plate"] == "P00"].set_index("well")["value"]
    heat = hv.render(plate_drawing(values).view(), backend="bokeh")
    _median("heat map of a plate", lambda n: plate_drawing(values + n).swap(heat))


def _median(what: str, draw: object) -> None:
    seconds = []
    for number in range(9):
        start = time.perf_counter()
        draw(number)  # type: ignore[operator]
        seconds.append(time.perf_counter() - start)
    print(f"{what}: {1000 * float(np.median(seconds)):.0f} ms")


if __name__ == "__main__":
    main()
