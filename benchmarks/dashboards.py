"""The dashboard and the report of a large screen, in Chromium: how long, how large.

``python benchmarks/dashboards.py`` simulates 300 compounds on ten 384-well plates, with images of some wells; for 2,000
on twenty 1536-well plates: ``--compounds 2000 --plates 20 --wells 1536``. Of each step it prints the time that passed
until the browser showed it, and the processor's time that the server took for it: on a busy machine only the second
says something. With ``--folder`` the screen is kept, and taken when it is there.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from playwright.sync_api import Page, sync_playwright

import hcskit
from hcskit.plate import FORMATS, row_name
from hcskit.platemap import check_plate_map
from hcskit.response import fit_responses, hill
from hcskit.results import CURVES, HITS, POINTS, PREDICTIONS, READOUTS, RESPONSES, write_table
from hcskit.screen import PlateInfo, make_plate
from hcskit.store import write_plate

EDGE, SMALL, FIELDS, CHANNELS = 1080, 64, 2, ("DNA", "GFP")
IMAGED = 8  # wells of the first plate whose images are looked at; those of the other plates are small
TIMES = 7


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


def make_screen(folder: Path, compounds: int, plates: int, size: int) -> None:
    """Write the tables of a screen, and its plates."""
    table = readouts(compounds, plates, size)
    fits = fit_responses(table)
    read = table.rename(columns={"readout": "phenotype", "value": "probability"}).assign(sd=0.05, n_fields=FIELDS)
    found = {RESPONSES: fits.responses, POINTS: fits.points, CURVES: fits.curves, HITS: fits.hits, READOUTS: table}
    found[PREDICTIONS] = read.set_index(PREDICTIONS.labels)[["probability", "sd", "n_fields"]]
    for part, frame in found.items():
        write_table(folder, part, frame)
    for name, own in table.groupby("plate"):
        wells = own[["well", "compound", "concentration", "concentration_unit", "role"]].astype(str)
        wells.loc[wells["role"] != "treatment", ["concentration", "concentration_unit"]] = ""
        write_plate(_plate(str(name), check_plate_map(wells)), folder, progress=False)


def _plate(name: str, plate_map: pd.DataFrame) -> Any:
    """Return a plate of which some wells were imaged; all have the same cells."""
    edge = EDGE if name == "P00" else SMALL
    y, x = np.mgrid[:edge, :edge]
    cells = 400 + 3000 * (np.sin(x / 9) * np.sin(y / 11)).clip(0) + np.random.default_rng(1).normal(0, 30, x.shape)
    wells = tuple(plate_map.index)
    shape = (len(wells), FIELDS, len(CHANNELS))
    present = np.zeros(shape, dtype=bool)
    controls = len(wells) // 24
    present[0] = present[controls : controls + IMAGED] = True
    info = PlateInfo(
        name, wells, tuple(range(1, FIELDS + 1)), CHANNELS, (edge, edge), np.dtype("uint16"), pixel_size=0.6
    )
    return make_plate(info, np.broadcast_to(cells.astype("uint16"), (*shape, edge, edge)), present, plate_map)


class Stopwatch:
    """Times what a browser shows of a server."""

    def __init__(self, page: Page, server: psutil.Process) -> None:
        self.page, self.server = page, server

    def show(self, act: Callable[[], object], shown: Callable[[], object]) -> tuple[float, float]:
        """Return the seconds until what `act` does is shown, and those of the server's processor."""
        before, start = self._spent(), time.perf_counter()
        act()
        shown()
        passed = time.perf_counter() - start
        self.page.wait_for_timeout(1000)  # until the server rests
        return passed, self._spent() - before

    def tell(self, what: str, times: list[tuple[float, float]]) -> None:
        """Print the median."""
        passed, spent = (1000 * statistics.median(own) for own in zip(*times, strict=True))
        print(f"{what}: {passed:.0f} ms, {spent:.0f} ms of the server's processor", flush=True)

    def _spent(self) -> float:
        times = self.server.cpu_times()
        return times.user + times.system


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Serve a screen by the command, and end it whatever happens: a server waits for visitors for ever."""
    command = [sys.executable, "-c", "from hcskit.cli import main; main()", "dashboard", str(folder)]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            print(f"the server starts: {time.perf_counter() - start:.1f} s", flush=True)
            yield url, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()  # before its output is closed: it says on it that it ends


def dashboard(folder: Path, executable: str) -> None:
    """Serve the screen, and look at it."""
    with served(folder) as (url, server), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        first = []
        for place in range(4):
            watch = Stopwatch(browser.new_page(viewport={"width": 1280, "height": 900}), server)
            rows = watch.page.locator(".tabulator-row").first
            first.append(watch.show(lambda page=watch.page: page.goto(url), rows.wait_for))
            if place < 3:
                watch.page.context.close()
        watch.tell("first view, by the first visitor", first[:1])
        watch.tell("first view, by a further visitor", first[1:])
        watch.tell("a selected compound: its curve", [_compound(watch, place) for place in range(TIMES)])
        watch.tell("a tapped well: its images", [_well(watch, place) for place in range(TIMES)])
        print(f"memory of the server: {server.memory_info().rss / 1e6:.0f} MB", flush=True)
        browser.close()


def _compound(watch: Stopwatch, place: int) -> tuple[float, float]:
    """Select one more compound of the table."""
    row = watch.page.locator(".tabulator-row").nth(place)
    name = row.locator("[tabulator-field=compound]").inner_text()
    return watch.show(row.locator("input").click, watch.page.locator("ul.legend li", has_text=name).wait_for)


def _well(watch: Stopwatch, place: int) -> tuple[float, float]:
    """Tap a treated well that has images, when none is shown."""
    images, there = watch.page.locator("figure.well img").first, watch.page.evaluate(_WHERE, place)
    watch.page.mouse.click(*watch.page.evaluate(_WHERE, -2))  # a control, which has no image
    images.wait_for(state="detached")
    watch.page.wait_for_timeout(500)
    return watch.show(lambda: watch.page.mouse.click(*there), images.wait_for)


#: Finds where on the screen a well is, counted from the first that is treated.
_WHERE = """(place) => {
  const walk = function* (view) { yield view; for (const one of view.child_views ?? []) yield* walk(one) }
  const views = Object.values(Bokeh.index.roots ?? Bokeh.index).flatMap((root) => [...walk(root)])
  for (const {model, frame, canvas_view} of views)
    if (frame && model.y_range && model.y_range.start > model.y_range.end) {
      const columns = model.x_range.end - 0.5, number = columns * (model.y_range.start - 0.5) / 24 + place
      const box = canvas_view.el.getBoundingClientRect()
      return [box.x + frame.x_scale.compute(number % columns + 1),
              box.y + frame.y_scale.compute(Math.floor(number / columns) + 1)]
    }
}"""


def report(folder: Path, executable: str) -> None:
    """Write the report, and open it from disk."""
    start = time.perf_counter(), time.process_time()
    path = hcskit.report(folder, folder / "report.html")
    spent = time.perf_counter() - start[0], time.process_time() - start[1]
    print(f"report: written in {spent[0]:.1f} s, {spent[1]:.1f} s of the processor; {path.stat().st_size / 1e6:.1f} MB")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        began = time.perf_counter()
        page.goto(path.as_uri())
        page.get_by_role("row").nth(1).wait_for()  # of the table; curves are drawn when they are scrolled to
        print(f"report: opened in {time.perf_counter() - began:.2f} s")
        browser.close()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    for name, default in (("compounds", 300), ("plates", 10), ("wells", 384)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--no-report", action="store_true")
    given = parser.parse_args()
    executable = shutil.which("chromium") or sys.exit("Chromium is not installed (Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary) / "screen"
        if not folder.exists():
            make_screen(folder, given.compounds, given.plates, given.wells)
        dashboard(folder, executable)
        if not given.no_report:
            report(folder, executable)


if __name__ == "__main__":
    main()
