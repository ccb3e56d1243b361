"""Views of other packages: found by entry point, drawn from a run, shown in its report."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extend" / "view.md"
MORE = """
import holoviews as hv

from hcskit.results import PROFILES, RESPONSES
from hcskit.views import View
from my_views import slopes


def fails(responses):
    raise KeyError("no such column")


pair = View("A <pair>", (RESPONSES,), lambda responses: slopes(responses) + slopes(responses))
broken = View("Broken", (RESPONSES,), fails)
features = View("Features", (PROFILES,), lambda profiles: hv.Table(profiles))
"""
ENTRY_POINTS = """
[hcskit.views]
slopes = my_views:slope_view
pair = more_views:pair
broken = more_views:broken
features = more_views:features
plain = more_views:slopes
absent = more_views:no_such_view
"""


def example() -> str:
    """The module that the documentation shows."""
    text = PAGE.read_text(encoding="utf-8")
    block = text[text.index("    # my_views.py") :]
    return textwrap.dedent(block[: block.index("\n`needs`")])


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A distribution with views, as a package installer leaves it."""
    folder = tmp_path_factory.mktemp("site")
    about = folder / "my_views-1.0.dist-info"
    about.mkdir()
    (folder / "my_views.py").write_text(example())
    (folder / "more_views.py").write_text(MORE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-views\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


def python(code: str, installed: Path) -> subprocess.CompletedProcess[str]:
    """Run code where the distribution is installed."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)


@pytest.mark.slow
def test_a_run_draws_the_views_it_has_the_parts_for(run_folder: Path, installed: Path) -> None:
    code = (
        f"import hcskit; run = hcskit.open_run({str(run_folder)!r}); print(*run.views)\n"
        "print(run.view('slopes').dframe()['ec50'].tolist())\n"
        "run.view('features')"
    )
    done = python(code, installed)

    assert done.stdout == "broken pair slopes\n[30.0]\n", done.stderr
    assert "holds no profiles" in done.stderr
    assert "run hcskit embed first" in done.stderr
    assert "left out: the view 'plain' is a function, expected a hcskit.views.View" in done.stderr
    assert "left out: the view 'absent' cannot be loaded from more_views:no_such_view" in done.stderr


@pytest.mark.slow
def test_the_report_shows_them_and_survives_those_that_fail(run_folder: Path, installed: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    done = python(f"import hcskit; hcskit.report({str(run_folder)!r}, {str(out)!r})", installed)
    html = out.read_text(encoding="utf-8")

    assert done.returncode == 0, done.stderr
    assert "the view 'broken' failed: KeyError: 'no such column'" in done.stderr
    assert html.count('aria-label="A &lt;pair&gt;"') == 2
    assert html.count('aria-label="Hill slopes"') == 1
    assert '<a href="#views">Further views</a>' in html
    assert 'aria-label="Broken"' not in html
    assert 'aria-label="Features"' not in html


@pytest.mark.slow
def test_without_such_a_package_there_is_no_such_section(run_folder: Path) -> None:
    code = (
        f"import hcskit; run = hcskit.open_run({str(run_folder)!r}); print(run.views)\n"
        "from hcskit.errors import InputError\n"
        "try: run.view('slopes')\n"
        "except InputError as error: print(error)"
    )
    done = python(code, run_folder)

    assert done.stdout == "{}\nthere is no view 'slopes'; known: none\n", done.stderr
