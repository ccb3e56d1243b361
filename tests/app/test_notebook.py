"""An executed notebook in a real JupyterLab: its plots are seen although it is not trusted, and live once it is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from playwright.sync_api import Browser, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TOKEN = "a-token-of-the-tests"  # noqa: S105
_CELLS = (
    "import pandas as pd\nfrom hcskit.views import notebook_plots, plate_heatmap\nnotebook_plots()",
    "plate_heatmap(pd.Series({'A01': 0.0, 'B02': 1.0}), title='one</script>')",
    "plate_heatmap(pd.Series({'A01': 0.0, 'B02': 1.0}), title='two') + plate_heatmap(pd.Series({'H12': 1.0}))",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("executed")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in _CELLS])
    NotebookClient(notebook, timeout=300).execute()
    nbformat.write(notebook, folder / "executed.ipynb")
    return folder


@pytest.fixture(scope="module")
def lab(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JupyterLab without the settings of whoever runs the tests, and without her trust."""
    own = tmp_path_factory.mktemp("jupyter")
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_WORKSPACES_DIR")
    environment = os.environ | {name: str(own / name) for name in places} | {"HOME": str(own)}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.root_dir={folder}"]
    command += [f"--IdentityProvider.token={TOKEN}", "--ServerApp.ip=127.0.0.1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stderr is not None
        line = next(line for line in server.stderr if "http://127.0.0.1" in line)
        yield line[line.index("http://") :].split("/lab")[0].strip()
        server.terminate()


def test_plots_are_pictures_until_the_notebook_is_trusted_and_then_they_live(browser: Browser, lab: str) -> None:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    asked_for: list[str] = []
    page.on(
        "request", lambda asked: None if asked.url.startswith((lab, "data:", "blob:")) else asked_for.append(asked.url)
    )
    page.goto(f"{lab}/lab/tree/executed.ipynb?token={TOKEN}")
    pictures = page.locator(".jp-OutputArea-output img")
    expect(pictures).to_have_count(2, timeout=60_000)
    expect(pictures.first).to_have_attribute("alt", "one</script>")
    assert all(page.evaluate("[...document.querySelectorAll('.jp-OutputArea-output img')].map(i => i.naturalWidth)"))
    assert page.locator(".bk-Figure").count() == 0
    search = page.get_by_placeholder("SEARCH", exact=True)
    for _ in range(30):  # the keys do nothing until JupyterLab has set them up
        if search.is_visible():
            break
        page.keyboard.press("Control+Shift+C")
        page.wait_for_timeout(1000)
    search.fill("trust notebook")
    page.keyboard.press("Enter")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    expect(page.locator(".bk-Figure")).to_have_count(3, timeout=60_000)
    expect(pictures).to_have_count(0)
    assert not [url for url in asked_for if not url.startswith((lab, "data:", "blob:"))]
    page.context.close()


def test_a_notebook_holds_its_scripts_once_and_small(folder: Path) -> None:
    assert (folder / "executed.ipynb").stat().st_size < 900_000
