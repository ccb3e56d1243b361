"""Names in CSV and HTML are escaped for that place, and come back as they were."""

import io
from html import unescape

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcskit.export import export_screen
from hcskit.platemap import check_plate_map, plate_map_html, read_plate_map
from hcskit.results import PREDICTIONS, read_table, write_csv, write_table
from hcskit.run import open_run
from hcskit.spreadsheet import as_read, as_written, to_csv
from hcskit.store import write_plate
from tests.safety.cases import predictions
from tests.small_run import make_screen_plate

FORMULAS = ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "'=1")
NAMES = ("<script>alert(1)</script>", "{{ 7 * 7 }}", '"quoted" & <b>', "DMSO")


@settings(derandomize=True, max_examples=200)
@given(st.text() | st.sampled_from(FORMULAS))
def test_a_text_comes_back_as_it_was_and_is_never_a_formula(text: str) -> None:
    written = as_written(text)
    assert as_read(written) == text
    assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_numbers_stay_numbers() -> None:
    table = pd.DataFrame({"compound": ["=1", "x"], "value": [-1.5, 2.0], "n": [-1, 2], "=name": [True, False]})
    table = table.set_index(pd.Index(["-a", "b"], name="well"))
    read = pd.read_csv(io.StringIO(to_csv(table)))
    assert list(read) == ["well", "compound", "value", "n", "'=name"]
    assert read.to_numpy().tolist() == [["'-a", "'=1", -1.5, -1, True], ["b", "x", 2.0, 2, False]]


def formulas_in(text: str) -> list[str]:
    cells = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, header=None).to_numpy().ravel()
    return [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r", "-S", "-2"))]


def test_no_table_of_a_run_or_an_export_holds_a_formula(tmp_path) -> None:
    screen, out = tmp_path / "screen", tmp_path / "out"
    plate = make_screen_plate()
    names = [FORMULAS[number % len(FORMULAS)] for number in range(plate.sizes["well"])]
    write_plate(plate.assign_coords(compound=("well", names)), screen, progress=False)
    write_table(screen, PREDICTIONS, predictions("=sick"))
    export_screen(screen, out)
    write_csv(out / "hits.csv", pd.DataFrame({"compound": FORMULAS}))
    written = [*out.glob("*.csv"), *screen.glob("results/*.csv")]
    assert len(written) == 4
    assert [cell for path in written for cell in formulas_in(path.read_bytes().decode())] == []
    assert read_table(screen, PREDICTIONS).index[0] == ("P1", "A01", "=sick")  # Parquet is exact


def test_a_plate_map_takes_back_what_was_escaped(tmp_path) -> None:
    wells = [f"A{column:02d}" for column in range(1, 7)]
    table = pd.DataFrame({"well": wells, "compound": [name.strip() for name in FORMULAS[:4]] + ["'x", "DMSO"]})
    table = table.assign(concentration=1.0, concentration_unit="uM", role="treatment")
    write_csv(tmp_path / "map.csv", table)
    assert list(read_plate_map(tmp_path / "map.csv").compound) == list(table.compound)


@pytest.mark.parametrize("name", NAMES)
def test_html_shows_names_and_runs_none(tmp_path, name: str) -> None:
    table = pd.DataFrame({"well": ["A01"], "compound": [name], "concentration": [1.0]})
    page = plate_map_html(check_plate_map(table.assign(concentration_unit="uM", role="treatment")), name)
    folder = tmp_path / name.replace("/", "_")
    write_table(folder, PREDICTIONS, predictions(name))
    for text in (page, open_run(folder)._repr_html_()):
        assert "<script>" not in text
        assert "<b>" not in text
    assert unescape(page).count(name) == 3  # in the title, the heading and the well
