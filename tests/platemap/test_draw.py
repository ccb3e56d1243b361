"""A plate map, drawn as it was understood."""

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from defusedxml.ElementTree import fromstring

from hcskit.cli import main
from hcskit.platemap import draw_plate_map, plate_map_html


def test_the_plate_in_the_terminal(dosed: pd.DataFrame) -> None:
    lines = draw_plate_map(dosed).splitlines()
    who = lines[1:10]
    assert who[0].split() == [f"{column:02d}" for column in range(1, 13)]
    assert [line.split() for line in who[1:4]] == [["A", "-", "1", "1"], ["B", "+", "."], ["C"]]
    assert [line.split() for line in lines[12:15]] == [lines[12].split(), ["A", "0.5", "10"], ["B", "0"]]
    assert lines[-3:] == ["  - DMSO", "  + LY294002", "  1 Wortmannin: 2 wells, 0.5 to 10 uM"]


def test_the_plate_in_the_browser(dosed: pd.DataFrame) -> None:
    page = plate_map_html(dosed.assign(compound=dosed["compound"].replace("DMSO", "<b>DMSO")), "map & more")
    table = fromstring(page[page.index("<table") :].replace("<br>", "<br/>"))
    rows = [["".join(cell.itertext()) for cell in row] for row in table]
    assert (len(rows), {len(row) for row in rows}) == (9, {13})
    assert rows[1][:4] == ["A", "<b>DMSO", "Wortmannin0.5 uM", "Wortmannin10 uM"]
    assert "<title>map &amp; more</title>" in page


@pytest.mark.parametrize("role", ["sample", "control"])
def test_the_command(role: str, tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text(f"well,compound,dose (uM),role\nA1,X,2,{role}\n")
    done = CliRunner().invoke(main, ["platemap", "check", str(path), "--html", str(tmp_path / "map.html")])
    assert (done.exit_code == 0) == (role == "sample") == (tmp_path / "map.html").exists()
    assert ("1 X: 1 wells, 2 to 2 uM" in done.stdout) == (role == "sample")
