"""Takes the pictures of README.md and docs/dashboard.md: `make screenshots`. Needs the demo run, and Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import sync_playwright

DASHBOARD, REPORT = (Path(__file__).parent / name for name in ("dashboard.png", "report.png"))
COMPOUNDS = ["TRL-1", "CND-1"]


def main(run: str) -> None:
    """Serve a run, look at it in a browser, and write the pictures."""
    executable = shutil.which("chromium") or sys.exit("Chromium is not installed (Debian: apt-get install chromium)")
    command = [sys.executable, "-c", "from hcskit.cli import main; main()", "dashboard", run]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as playwright:
        url = server.stdout.readline().split()[-1]
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{url}&compounds={quote(json.dumps(COMPOUNDS))}")
        page.locator("figure.well img").first.wait_for()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=DASHBOARD)
        page.goto((Path(run).resolve() / "report.html").as_uri())
        page.evaluate("document.querySelector('article.compound').scrollIntoView()")  # a curve and its cells
        page.locator("article.compound .bk-Figure").first.wait_for()
        page.wait_for_timeout(1000)  # until it is drawn
        page.screenshot(path=REPORT)
        browser.close()
        server.terminate()
        server.wait()  # before its output is closed: it says on it that it ends


if __name__ == "__main__":
    main(sys.argv[1])
