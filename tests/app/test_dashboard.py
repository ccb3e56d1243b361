"""The dashboard in a real browser, served as a person serves it: by the command."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pandas as pd
import pytest
from panel.util import parse_query
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from hcskit.results import MASKS, read_table
from tests.fitted_run import BRACES, LONG, MARKUP, READOUT, RIGHT_TO_LEFT

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TOKEN = "a-token-of-the-tests"  # noqa: S105
SECONDS = 1000


@pytest.fixture(scope="module")
def address(fitted_run: Path) -> Iterator[str]:
    command = [sys.executable, "-c", "from hcskit.cli import main; main()", "dashboard", str(fitted_run)]
    environment = {**os.environ, "HCSKIT_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        found = re.search(r"Dashboard: (http://127\.0\.0\.1:\d+)/\?token=(\S+)", server.stdout.readline())
        assert found is not None
        assert found[2] == TOKEN
        yield found[1]
        server.send_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One profile for all tests: the scripts of the page are loaded once."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(90 * SECONDS)  # of a busy machine; nothing waits as long on an idle one
    yield context
    context.close()


@pytest.fixture
def opened(context: BrowserContext, address: str) -> Iterator[Page]:
    """The page as a new visitor opens it; no error, and no request to another server, is let pass."""
    context.clear_cookies()
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: faults.append(request.url) if not _own(request.url, address) else None)
    open_page(page, f"{address}/?token={TOKEN}")
    yield page
    for one in context.pages:
        one.close()
    assert not faults


def _own(url: str, address: str) -> bool:
    return url.startswith((address, address.replace("http", "ws"), "data:", "blob:"))


def open_page(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator(".tabulator-row").first).to_be_visible()


def choose(page: Page, compound: str) -> None:
    page.locator(".tabulator-row", has_text=compound).locator("input[type=checkbox]").click()


def selection(page: Page) -> dict[str, Any]:
    """Return what the address holds, as the page that is opened with it reads it."""
    return parse_query(f"?{urlsplit(page.url).query}")


def well(page: Page, name: str) -> tuple[float, float]:
    """Where a well of the 96 is on the screen: read from the plot's own axes."""
    place = page.evaluate(
        """([row, column]) => {
          for (const view of Object.values(Bokeh.index.roots ?? Bokeh.index)) {
            for (const child of walk(view)) {
              const model = child.model
              if (child.frame && model.y_range && model.y_range.start > model.y_range.end) {
                const box = child.canvas_view.el.getBoundingClientRect()
                return [box.x + child.frame.x_scale.compute(column), box.y + child.frame.y_scale.compute(row)]
              }
            }
          }
          function* walk(view) { yield view; for (const one of view.child_views ?? []) yield* walk(one) }
        }""",
        [ord(name[0]) - ord("A") + 1, int(name[1:])],
    )
    return place[0], place[1]


def test_a_selected_compound_shows_its_curve_and_its_cells_and_stands_in_the_address(opened: Page) -> None:
    choose(opened, "potent")
    expect(opened.locator("ul.legend li")).to_contain_text(["potent"])
    expect(opened.locator("figure.well")).to_have_count(16)
    expect(opened.locator("figure.pinned")).to_have_count(2)
    labels = opened.locator("figure.well figcaption b").all_inner_texts()
    assert labels[:4] == ["1 nM", "1 nM", "3 nM", "3 nM"]
    opened.wait_for_url("**compounds=*")
    assert selection(opened)["compounds"] == ["potent"]


def test_a_tapped_well_shows_its_cells_and_its_compound_and_a_link_shows_the_same(opened: Page) -> None:
    opened.mouse.click(*well(opened, "C02"))
    expect(opened.locator("figure.well")).to_have_count(1)
    expect(opened.locator("figure.well figcaption")).to_contain_text("P1 C02")
    expect(opened.locator("ul.legend li")).to_contain_text(["potent"])
    opened.wait_for_url("**wells=*")
    link = opened.url
    assert selection(opened)["wells"] == ["P1/C02"]
    assert TOKEN not in link
    other = opened.context.new_page()
    open_page(other, link)
    expect(other.locator("figure.well figcaption")).to_contain_text("P1 C02")
    expect(other.locator("ul.legend li")).to_contain_text(["potent"])


def test_a_box_selects_wells(opened: Page) -> None:
    opened.mouse.move(*well(opened, "C02"))  # shows the tools
    opened.locator(".bk-tool-icon-box-select").first.click()
    opened.mouse.move(*(place - 12 for place in well(opened, "C02")))
    opened.mouse.down()
    opened.mouse.move(*(place + 8 for place in well(opened, "C03")), steps=4)
    opened.mouse.up()
    expect(opened.locator("figure.well figcaption")).to_have_text(["9 nM P1 C02", "9 nM P1 C03"])


def test_a_lasso_selects_the_wells_inside_it(opened: Page) -> None:
    opened.mouse.move(*well(opened, "C02"))  # shows the tools
    opened.locator(".bk-tool-icon-lasso-select").first.click()
    across, down = (second - first for first, second in zip(well(opened, "C02"), well(opened, "D03"), strict=True))
    x, y = well(opened, "C02")
    # A triangle around C02, C03 and D02; D03 is outside.
    corners = [(-0.7, -0.7), (1.9, -0.7), (-0.7, 1.9), (-0.7, -0.7)]
    opened.mouse.move(x + corners[0][0] * across, y + corners[0][1] * down)
    opened.mouse.down()
    for right, below in corners[1:]:
        opened.mouse.move(x + right * across, y + below * down, steps=6)
    opened.mouse.up()
    expect(opened.locator("figure.well figcaption")).to_have_text(["9 nM P1 C02", "9 nM P1 C03", "27 nM P1 D02"])


def test_the_curve_is_kept_as_a_pdf_and_the_plate_as_pictures(opened: Page) -> None:
    choose(opened, "potent")
    expect(opened.locator("ul.legend li")).to_contain_text(["potent"])
    sheet = saved(opened, opened.get_by_role("button", name="PDF"))
    assert sheet.startswith(b"%PDF-")
    assert sheet.rstrip().endswith(b"%%EOF")
    plate = opened.locator(".plate")
    png = Image.open(io.BytesIO(saved(opened, plate.get_by_role("button", name="PNG"))))
    assert png.format == "PNG"
    assert len(set(png.convert("RGB").resize((100, 60)).get_flattened_data())) > 20  # a heat map, no empty page
    svg = saved(opened, plate.get_by_role("button", name="SVG")).decode()
    texts = set(re.findall(r">\s*([^<>]+?)\s*</text>", svg))
    assert {"A", "H", "1", "12"} <= texts


def saved(page: Page, button: Locator) -> bytes:
    with page.expect_download() as download:
        button.click()
    return Path(download.value.path()).read_bytes()


def test_two_visitors_do_not_share_a_selection(opened: Page, address: str) -> None:
    other = opened.context.new_page()
    open_page(other, address)
    choose(opened, "potent")
    expect(opened.locator("figure.well")).to_have_count(16)
    expect(other.locator("figure.well")).to_have_count(0)


def test_channels_are_switched_off_and_on(opened: Page) -> None:
    choose(opened, "potent")
    image = opened.locator("figure.well img").first
    expect(image).to_have_attribute("alt", "DNA and GFP of well A02, field 1")
    both = image.get_attribute("src")
    opened.get_by_role("button", name="GFP").click()
    expect(image).to_have_attribute("alt", "DNA of well A02, field 1")
    assert image.get_attribute("src") != both


def test_the_table_sorts_filters_and_exports(opened: Page) -> None:
    rows = opened.locator(".tabulator-row")
    expect(rows).to_have_count(5)
    expect(rows.first).to_contain_text("potent")
    filters = opened.locator(".tabulator-header-filter input")
    filters.first.press_sequentially("pot")
    expect(rows).to_have_count(1)
    filters.first.press("Control+a")
    filters.first.press("Delete")
    expect(rows).to_have_count(5)
    choose(opened, "potent")
    for kind, read in (("CSV", pd.read_csv), ("XLSX", pd.read_excel)):
        with opened.expect_download() as download:
            opened.get_by_text(f"Export {kind}").click()
        table = read(io.BytesIO(Path(download.value.path()).read_bytes()))
        assert table["compound"].tolist() == ["potent"]
        assert table["ec50"].iloc[0] == pytest.approx(30e-9, rel=0.3)
        assert table["readout"].tolist() == [READOUT]
        assert table["hit_score"].iloc[0] > 1.3  # p < 0.05


def test_a_masked_well_moves_the_fit_and_is_kept(opened: Page, fitted_run: Path) -> None:
    opened.mouse.click(*well(opened, "D02"))
    expect(opened.locator("figure.well figcaption")).to_contain_text("P1 D02")
    legend = opened.locator("ul.legend li").first
    expect(legend).to_contain_text("potent")
    before = legend.inner_text()
    opened.get_by_placeholder("Reason").fill("dust on the lens")
    opened.get_by_role("button", name="Mask wells").click()
    expect(opened.locator("ul.masks li")).to_contain_text(["P1 D02: dust on the lens"])
    expect(legend).not_to_have_text(before)
    assert read_table(fitted_run, MASKS)["reason"].tolist() == ["dust on the lens"]
    open_page(opened, opened.url)
    expect(opened.locator("ul.masks li")).to_contain_text(["P1 D02: dust on the lens"])
    opened.get_by_role("button", name="Unmask").click()
    expect(opened.locator("ul.masks")).to_have_count(0)
    expect(legend).to_have_text(before)


def test_a_note_is_there_after_the_page_is_opened_again(opened: Page) -> None:
    choose(opened, "potent")
    expect(opened.locator("ul.legend li")).to_contain_text(["potent"])
    note, row = opened.get_by_placeholder("Note on the selected"), opened.locator(".tabulator-row", has_text="potent")
    note.fill("repeat on fresh stock")
    opened.get_by_role("button", name="Save note").click()
    expect(row).to_contain_text("repeat on fresh stock")
    opened.wait_for_url("**compounds=*")
    open_page(opened, opened.url)
    expect(row).to_contain_text("repeat on fresh stock")
    expect(note).to_have_value("repeat on fresh stock")
    note.fill("")
    opened.get_by_role("button", name="Save note").click()
    expect(row).not_to_contain_text("repeat on fresh stock")


def test_one_contrast_is_kept_for_all_plates_and_given_back(opened: Page) -> None:
    choose(opened, "potent")
    expect(opened.locator("figure.well")).to_have_count(16)
    lock = opened.locator('input:has(+ .bk-label:text-is("same contrast on all plates"))')
    lock.check()
    opened.wait_for_url("**contrast=*")
    kept = selection(opened)["contrast"]
    assert set(kept) == {"DNA", "GFP"}
    assert all(low < high for low, high in kept.values())
    open_page(opened, opened.url)
    expect(lock).to_be_checked()
    expect(opened.locator("figure.well")).to_have_count(16)
    lock.uncheck()
    opened.wait_for_url(lambda _: not selection(opened).get("contrast"))


def test_names_are_shown_as_they_are(opened: Page, address: str) -> None:
    names = [MARKUP, BRACES, LONG, RIGHT_TO_LEFT]
    open_page(opened, f"{address}/?compounds={quote(json.dumps(names))}")
    expect(opened.locator("ul.legend b")).to_have_text(names)
    for name in names:
        expect(opened.locator(".tabulator-row", has_text=name)).to_have_count(1)
    assert opened.title() != "taken"
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_address_may_hold_anything(opened: Page, address: str) -> None:
    wild = {"compounds": ["none"], "wells": ["P1/Z99", "x"], "contrast": {"DNA": ["a", None]}, "channels": ["IR"]}
    query = "&".join(f"{key}={quote(json.dumps(value))}" for key, value in wild.items())
    open_page(opened, f"{address}/?{query}&plate=%2e%2e%2f&quantity=%00")
    expect(opened.get_by_text("Select compounds in the table")).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/?token=wrong", "/ws", "/login?next=//example.com/?token=wrong"])
def test_nothing_is_shown_without_the_token(address: str, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(address + path, timeout=60)  # noqa: S310 - of the server above
    assert refused.value.code in (401, 403)
    assert "plate seven" not in refused.value.read().decode()


def test_no_file_of_the_run_is_served(opened: Page, address: str) -> None:
    for path in ("/results/responses.csv", "/static/%2e%2e/results/responses.csv", "/P1.zarr/zarr.json"):
        assert opened.request.get(address + path).status == 404


def test_the_further_pages_open_when_they_are_asked_for_and_stand_in_the_address(opened: Page) -> None:
    opened.get_by_text("Screen", exact=True).click()
    expect(opened.get_by_text("1st principal")).to_have_count(0)
    expect(opened.get_by_text("run hcskit embed first")).to_be_visible()
    expect(opened.get_by_text("tests have p <")).to_be_visible()
    with opened.expect_download() as download:
        opened.get_by_role("button", name="SVG").first.click()
    assert "<svg" in Path(download.value.path()).read_text()
    opened.mouse.click(*_compound(opened, "potent"))
    expect(opened.get_by_text("Selected: potent")).to_be_visible()
    opened.wait_for_url("**page=Screen*")
    opened.wait_for_url("**compounds=*")
    assert selection(opened)["compounds"] == ["potent"]
    opened.get_by_text("Quality", exact=True).click()
    expect(opened.get_by_text("run hcskit train first").first).to_be_visible()
    opened.get_by_text("Compounds", exact=True).first.click()
    expect(opened.locator("ul.legend li")).to_contain_text(["potent"])


def _compound(page: Page, name: str) -> tuple[float, float]:
    """Where a compound is in the plot of potency and effect; it is scrolled into view."""
    page.get_by_text("Potency and effect").scroll_into_view_if_needed()
    page.get_by_text("Click a compound to select it").scroll_into_view_if_needed()
    place = page.evaluate(
        """(name) => {
          for (const view of Object.values(Bokeh.index.roots ?? Bokeh.index)) {
            for (const child of walk(view)) {
              const model = child.model
              for (const renderer of child.frame ? model.renderers : []) {
                const data = renderer.data_source.data
                if (data.effect && data.ec50) {
                  const row = Array.from(data.compound).indexOf(name)
                  const box = child.canvas_view.el.getBoundingClientRect()
                  return [box.x + child.frame.x_scale.compute(data.ec50[row]),
                          box.y + child.frame.y_scale.compute(data.effect[row])]
                }
              }
            }
          }
          function* walk(view) { yield view; for (const one of view.child_views ?? []) yield* walk(one) }
        }""",
        name,
    )
    return place[0], place[1]
