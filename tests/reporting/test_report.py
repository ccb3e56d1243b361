"""The report is whole, works offline, escapes every name, and is written at once or not at all."""

from __future__ import annotations

import base64
import io
import json
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hcskit.errors import InputError
from hcskit.plate import Well
from hcskit.reporting import report
from hcskit.results import CURVES, IMAGE_CONTROLS, POINTS, QUALITY, RESPONSES, write_table
from hcskit.run import open_run
from hcskit.store import write_plate
from hcskit.views import format_number

HOSTILE = "<script>alert(1)</script>"


class _Page(HTMLParser):
    """What a browser would make of the page: elements with attributes, text by element."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self._open = [], {}, [""]
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._open.append(tag)

    def handle_endtag(self, tag):
        while self._open[-1] != tag:
            self._open.pop()
        self._open.pop()

    def handle_data(self, data):
        self.text.setdefault(self._open[-1], []).append(data)

    def all(self, tag, **wanted):
        names = {name.strip("_"): value for name, value in wanted.items()}
        found = [attributes for name, attributes in self.elements if name == tag]
        return [one for one in found if all(one.get(name) == value for name, value in names.items())]

    @property
    def words(self):
        return " ".join(text for tag, texts in self.text.items() if tag not in ("script", "style") for text in texts)


@pytest.fixture(scope="module")
def html(run_folder, tmp_path_factory):
    return report(run_folder, tmp_path_factory.mktemp("out") / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html):
    return _Page(html)


@pytest.mark.slow
def test_the_page_asks_no_network_for_anything(page):
    links = [value for _, one in page.elements for name, value in one.items() if name in ("href", "src", "srcset")]
    policy = page.all("meta", http_equiv=None)

    assert links
    assert {link.partition(",")[0].partition(";")[0][:5] for link in links} <= {
        "data:",
        *(f"#{x}"[:5] for x in _ids(page)),
    }
    assert not page.all("link")
    assert not [one for one in page.all("script") if "src" in one]
    assert any((one.get("content") or "").startswith("default-src 'none'") for one in policy)
    assert "connect-src" not in str(policy)


def _ids(page):
    return [one["id"] for _, one in page.elements if "id" in one]


@pytest.mark.slow
def test_every_link_within_the_page_has_its_place(page):
    targets = {one["href"][1:] for one in page.all("a") if one["href"].startswith("#")}

    assert targets <= set(_ids(page))
    assert len(_ids(page)) == len(set(_ids(page)))


def test_names_are_text_and_never_markup(page):
    scripts = page.text["script"]

    assert len(page.all("script")) == len(scripts)
    assert "alert(1)" not in [text.strip() for text in scripts]
    assert HOSTILE in page.text["h3"]
    assert "A & <b>" in page.text["h1"]
    assert "<images>" in page.text["td"]
    assert HOSTILE in [one.get("data-compound") for one in page.all("tr")]


def test_every_plot_has_its_place_and_its_words(page):
    places = {one["data-figure"]: one["aria-label"] for one in page.all("div") if "data-figure" in one}
    scripts = page.all("script", type="application/json")
    plots = [one["id"] for one in scripts if one["id"].startswith("figure-")]
    kinds = {one["id"] for one in scripts} - set(plots)

    # parity, 3 compounds, 1 phenotype, focus, saturation, illumination, loss, accuracy
    assert len(plots) == 10
    assert set(plots) == set(places)
    assert kinds == {one["data-kind"] for one in scripts if "data-kind" in one}
    assert all(places.values())


def test_the_data_of_plots_fit_the_figure_that_they_share(html):
    def read(name):
        return json.loads(html.split(f'id="{name}"')[1].split(">", 1)[1].split("</script>")[0])

    own, shared = read("figure-2"), json.dumps(read("kind-curves"))

    assert read("kind-curves")["doc"]["roots"][0]["name"] == "Figure"
    assert all(f'"{model}"' in shared for model in [*own["sources"], *(model for model, _ in own["changes"])])
    assert 30e-9 in [place for columns in own["sources"].values() for place in columns.get("x", [])]  # the EC50


@pytest.mark.slow
def test_an_interval_that_does_not_hold_the_truth_is_named(responses, truth, tmp_path):
    write_table(tmp_path, RESPONSES, responses)
    for ec50, misses in ((60.0, 1), (40.0, 0)):
        truth.assign(ec50=ec50, concentration_unit="nM").to_csv(tmp_path / "known.csv", index=False)
        words = _Page(report(tmp_path, truth=tmp_path / "known.csv").read_text(encoding="utf-8")).words
        assert words.count("The interval does not hold the true EC50 of potent.") == misses
    assert "late" in words.partition("but no EC50 was found, of ")[2][:60]


@pytest.mark.slow
def test_many_inactive_compounds_fold_away(responses, points, curves, tmp_path):
    names = [f"dud {number}" for number in range(30)]
    duds = pd.concat([responses.loc[[HOSTILE]].rename(index={HOSTILE: name}) for name in names])
    wells = [points[points["compound"] == HOSTILE].assign(compound=name) for name in names]
    write_table(tmp_path, RESPONSES, pd.concat([responses, duds]))
    write_table(tmp_path, POINTS, pd.concat([points, *wells], ignore_index=True))
    write_table(tmp_path, CURVES, curves)
    page = _Page(report(tmp_path).read_text(encoding="utf-8"))

    assert "31 compounds without an effect" in page.text["summary"]
    assert len([one for one in page.all("article") if "data-compound" in one]) == 33
    assert len([one for one in page.all("script", type="application/json") if "data-kind" not in one]) == 1


def test_the_summary_gives_the_key_numbers_and_the_warnings(page):
    words = " ".join(page.words.split())

    assert "2 of 3 compounds have an effect: potent 30 nM (20 – 45), late > 900 nM." in words
    assert "1 field excluded for quality" in words
    assert "3 fields not acquired" in words
    assert "Z′-factor of nuclear below 0.5 on P1 (0.31)." in words
    assert "EC50 outside the tested range: late." in words
    assert "1.5×" in page.text["dd"]  # 30 nM recovered, 20 nM true
    assert "hit at 5 % false positives" in page.text["dt"]
    assert "of 3 curves; power 0% for 3 SD" in page.text["span"]


def test_a_hit_is_told_by_its_score_in_bold_and_its_false_discovery_rate(page, run_folder):
    hits = open_run(run_folder).hits.xs("nuclear", level="readout")
    assert hits.index[hits["hit"]].tolist() == ["potent"]

    score, q = (format_number(hits.loc["potent", name], 2) for name in ("hit_score", "q_value"))
    bold = [one for one in page.all("span") if one.get("class") == "strong"]
    assert len(bold) == 1
    assert page.text["span"].count(score) == 1
    assert f"q {q}" in page.text["small"]


@pytest.mark.slow
def test_a_deviating_control_well_is_named_beside_the_factor(plate, quality, controls, tmp_path):
    write_plate(plate, tmp_path, progress=False)
    write_table(tmp_path, QUALITY, quality)
    write_table(tmp_path, IMAGE_CONTROLS, controls.assign(robust_z_prime=0.71, deviating_wells="B02"))
    words = " ".join(_Page(report(tmp_path).read_text(encoding="utf-8")).words.split())

    assert "Z′-factor of nuclear below 0.5 on P1 (0.31; robust 0.71, look at B02)." in words


def test_the_table_writes_each_ec50_for_people(page):
    cells = [text.strip() for text in page.text["td"]]

    assert "30 nM" in cells
    assert "20 – 45" in cells
    assert "> 900 nM" in cells
    assert cells.index("30 nM") < cells.index("> 900 nM")
    assert "20 nM" in cells  # the true EC50, in the unit of the response
    assert "out of focus" in cells


def test_the_csv_in_the_page_is_the_table(page, responses):
    link = page.all("a", download="responses.csv")[0]["href"]
    table = pd.read_csv(io.BytesIO(base64.b64decode(link.partition(",")[2])), index_col=["compound", "readout"])

    pd.testing.assert_frame_equal(table, responses, check_dtype=False)


def test_each_compound_shows_its_cells_with_words_for_those_who_cannot_see_them(page):
    shown = [one for one in page.all("img") if one.get("src")]
    images = [one for one in shown if one["alt"].startswith("Cells with")]

    # a control and four, four and three concentrations: D04 was not acquired, B01 has field 1 excluded
    assert len(images) == 5 + 5 + 4
    assert "Cells with potent 1 nM: well B01, field 2, probability 0.5" in [one["alt"] for one in images]
    assert [one["alt"] for one in shown if one not in images] == [
        "Cells of well A03",
        "What speaks for nuclear in well A03",
    ]
    picture = Image.open(io.BytesIO(base64.b64decode(images[0]["src"].partition(",")[2])))
    assert picture.format == "JPEG"
    assert picture.size == (40, 40)


def test_what_was_run_is_told(page):
    words = page.words

    for text in ("dose_response", "ab" * 32, "3.22", "seed", "numpy"):
        assert text in words


@pytest.mark.slow
def test_of_half_a_run_the_half_that_is_there_is_shown(plate, quality, tmp_path):
    write_plate(plate, tmp_path / "half", progress=False)
    write_table(tmp_path / "half", QUALITY, quality)
    page = _Page(report(tmp_path / "half").read_text(encoding="utf-8"))
    words = " ".join(page.words.split())

    assert {one["id"] for one in page.all("section")} == {"summary", "quality"}
    assert "15" in page.text["dd"]  # wells imaged
    assert "EC50, Compounds (run hcskit fit); Plates (run hcskit predict)." in words
    assert "out of focus" in words
    assert "3 fields not acquired." in words
    assert {one["href"] for one in page.all("a")} == {"#summary", "#quality", "#excluded"}


@pytest.mark.slow
def test_a_run_without_plates_still_has_its_responses(responses, points, curves, tmp_path):
    for table, frame in ((RESPONSES, responses), (POINTS, points), (CURVES, curves)):
        write_table(tmp_path, table, frame)
    page = _Page(report(open_run(tmp_path), tmp_path / "out.html").read_text(encoding="utf-8"))

    assert {one["id"] for one in page.all("section")} == {"summary", "ec50", "compounds", "positions"}
    assert "No usable image of this compound." in page.text["p"]
    assert "true" not in page.text["small"]


@pytest.mark.slow
def test_a_compound_whose_wells_are_all_lost_is_still_listed(responses, points, curves, tmp_path):
    lost = responses.copy()
    numbers = [name for name in lost.columns if lost[name].dtype == float]
    lost.loc[("potent", "nuclear"), numbers] = np.nan
    lost.loc[("potent", "nuclear"), "category"] = "not fitted"
    for table, frame in ((RESPONSES, lost), (POINTS, points[points["compound"] != "potent"]), (CURVES, curves)):
        write_table(tmp_path, table, frame)
    page = _Page(report(tmp_path).read_text(encoding="utf-8"))

    assert "potent" in page.text["h3"]
    assert "not fitted" in page.text["span"]
    assert "No well of this compound has a value." in page.text["p"]


@pytest.mark.slow
def test_a_plate_whose_edge_reads_higher_is_drawn_and_a_quiet_one_is_not(responses, tmp_path):
    wells = [Well(row, column) for row in range(8) for column in range(12)]
    edge = np.array([well.row in (0, 7) or well.column in (0, 11) for well in wells])
    noise = np.random.default_rng(0).normal(5, 1, 96)
    table = pd.DataFrame({"well": [well.name for well in wells], "role": "treatment", "compound": "potent"})
    table = table.assign(concentration=1.0, concentration_unit="nM", readout="nuclear")
    plates = [table.assign(plate="<P1>", value=noise + 3 * edge), table.assign(plate="P2", value=noise)]
    write_table(tmp_path, RESPONSES, responses)
    write_table(tmp_path, POINTS, pd.concat(plates, ignore_index=True))
    page = _Page(report(tmp_path).read_text(encoding="utf-8"))

    labels = [one["aria-label"] for one in page.all("div") if "data-figure" in one]
    assert labels == ["How far nuclear of each well of <P1> is from the mean of its treatment"]
    assert any("edge (p = " in text for text in page.text["li"])
    assert "of 8 tests for edge, row, column and drift have p < 0.01" in page.words

    write_table(tmp_path, POINTS, plates[1])
    quiet = _Page(report(tmp_path).read_text(encoding="utf-8"))
    assert "0 of 4 tests for edge, row, column and drift have p < 0.01" in quiet.words
    assert not [one for one in quiet.all("div") if "data-figure" in one]


def test_wells_without_a_place_leave_the_section_out(responses, points, tmp_path):
    write_table(tmp_path, RESPONSES, responses)
    write_table(tmp_path, POINTS, points.assign(well=[f"well {number}" for number in range(len(points))]))
    assert {one["id"] for one in _Page(report(tmp_path).read_text(encoding="utf-8")).all("section")} == {
        "summary",
        "ec50",
    }


def test_a_failed_write_leaves_no_trace(responses, tmp_path):
    write_table(tmp_path / "run", RESPONSES, responses)
    before = sorted((tmp_path / "run").iterdir())
    (tmp_path / "out" / "report.html").mkdir(parents=True)

    with pytest.raises(OSError, match="directory"):
        report(tmp_path / "run", tmp_path / "out" / "report.html")
    assert list((tmp_path / "out").iterdir()) == [tmp_path / "out" / "report.html"]
    with pytest.raises(InputError, match="create it first"):
        report(tmp_path / "run", tmp_path / "absent" / "report.html")
    with pytest.raises(InputError, match="known concentrations cannot be read from"):
        report(tmp_path / "run", truth=tmp_path / "absent.csv")
    assert sorted((tmp_path / "run").iterdir()) == before


def test_an_older_report_is_replaced(responses, tmp_path):
    write_table(tmp_path / "new", RESPONSES, responses)
    path = tmp_path / "new" / "report.html"
    path.write_text("old")

    assert report(tmp_path / "new") == path
    assert "<title>new" in path.read_text(encoding="utf-8")


def test_truth_may_be_given(responses, truth, tmp_path):
    write_table(tmp_path / "run", RESPONSES, responses)
    truth.assign(ec50=60.0, concentration_unit="nM").to_csv(tmp_path / "known.csv", index=False)
    page = _Page(report(tmp_path / "run", truth=tmp_path / "known.csv").read_text(encoding="utf-8"))

    assert "60 nM" in [text.strip() for text in page.text["td"]]
