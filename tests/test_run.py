"""A run is one object: what is there is read, what is not says what to run."""

import subprocess
import sys

import pandas as pd
import pytest

import hcskit
from hcskit.errors import InputError, NotAScreenError
from hcskit.results import CATALOGUE, PARTS, RESPONSES, Column, Part, Table, write_table
from hcskit.run import Run, open_run


@pytest.mark.slow
def test_a_whole_run_is_read(run_folder, responses, quality, points, history, truth):
    run = open_run(run_folder)

    pd.testing.assert_frame_equal(run.responses, responses)
    pd.testing.assert_frame_equal(run.quality, quality)
    pd.testing.assert_frame_equal(run.points, points)
    pd.testing.assert_frame_equal(run.history, history, check_dtype=False)
    pd.testing.assert_frame_equal(run.truth, truth)
    assert list(run.plates) == ["P1"]
    assert run.plates["P1"]["excluded"].sel(well="B01", field=1).item()
    assert list(run.screen.children) == ["P1"]
    assert list(run.illumination["flat"].dims) == ["plate", "channel", "y", "x"]
    assert [step.name for step in run.record.steps] == ["import"]
    assert run.name == "A & <b>"


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_that_is_not_there_says_what_to_run(part: Part, tmp_path):
    folder = tmp_path / "screen"
    (folder / "export").mkdir(parents=True)
    other = "run.json" if part.name == "truth" else "export/truth.csv"
    (folder / other).touch()

    wanted = "import one first" if part.name == "plates" else f"run {part.writer} first"
    with pytest.raises(NotAScreenError, match=wanted):
        getattr(open_run(folder), part.name)


def test_every_table_is_an_attribute():
    assert {name for name in vars(Run) if name in CATALOGUE} == set(CATALOGUE)
    assert all(vars(Run)[name].table is table for name, table in CATALOGUE.items())


def test_a_table_written_meanwhile_is_seen(run_folder, responses, tmp_path):
    folder = tmp_path / "screen"
    write_table(folder, RESPONSES, responses)
    run = open_run(folder)
    write_table(folder, RESPONSES, responses.iloc[:1])

    assert len(run.responses) == 1


def test_a_run_says_what_is_there_and_what_is_not(responses, tmp_path):
    cells = Table("cells", "Cells of each well", "my step", columns=(Column("n", "integer", "number of cells"),))
    write_table(tmp_path, RESPONSES, responses)
    write_table(tmp_path, cells, pd.DataFrame({"n": [3]}))
    run = open_run(tmp_path)
    there, lacking = repr(run).split("not yet:")

    assert "responses: from hcskit fit" in there
    assert "cells: from the step of another package" in there
    assert "points, curves, hits: run hcskit fit" in lacking
    assert "illumination, quality, image_controls: run hcskit quality" in lacking
    assert "responses" not in lacking
    assert "truth" not in lacking  # nobody knows it of a real plate
    assert "<td>hcskit fit</td><td>responses</td><td>points, curves, hits</td>" in run._repr_html_()


def test_a_name_is_text_in_the_html(run_folder):
    assert "<caption>" in open_run(run_folder)._repr_html_()
    assert "A &amp; &lt;b&gt;</caption>" in open_run(run_folder)._repr_html_()


def test_a_part_is_read_by_its_name(run_folder, responses):
    run = open_run(run_folder)

    pd.testing.assert_frame_equal(run.read("responses"), responses)
    assert list(run.read("plates")) == ["P1"]
    assert run.tables["responses"] is RESPONSES
    with pytest.raises(InputError, match="there is no result table 'respones'; known: set_aside, quality, "):
        run.read("respones")


def test_a_folder_that_holds_nothing_is_refused(tmp_path):
    with pytest.raises(NotAScreenError, match="there is no folder"):
        open_run(tmp_path / "nowhere")
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(NotAScreenError, match="holds no part of a run or a screen"):
        open_run(tmp_path)


@pytest.mark.slow
def test_to_look_at_a_run_loads_neither_networks_nor_plots(run_folder):
    code = (
        f"import sys, hcskit; run = hcskit.open_run({str(run_folder)!r}); repr(run); run.responses, run.views\n"
        "print(*{'tensorflow', 'keras', 'holoviews', 'papermill'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr


def test_it_is_a_verb_of_the_front_door():
    assert hcskit.open_run is open_run
