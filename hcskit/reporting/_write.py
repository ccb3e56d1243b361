"""The report: one HTML file that holds everything, opens from a file, and asks no network for anything."""

from __future__ import annotations

from pathlib import Path

import jinja2
from bokeh.resources import Resources
from markupsafe import Markup

from hcskit.errors import InputError
from hcskit.files import write_text
from hcskit.reporting._data import ReportData
from hcskit.reporting._figures import Figures
from hcskit.reporting._sections import sections

__all__ = ["write_report"]


def write_report(path: str | Path, data: ReportData) -> Path:
    """Write the report as one self-contained HTML file.

    It works offline from a file: plots, images and scripts are inside, and the page forbids the browser any request.
    All names are escaped. The file appears whole or not at all.

    Parameters
    ----------
    path : path-like
        Where to write; an older report there is replaced.
    data : ReportData
        What to show.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    InputError
        If the folder of `path` does not exist.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise InputError(f"the report cannot be written to {path}: there is no folder {path.parent}; create it first")
    figures = Figures()
    context = sections(data, figures)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hcskit.reporting"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    # Bokeh sorts what it writes so that each object is known before it is referred to.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    # Not render_js(): HoloViews brings Panel, and Panel adds scripts to it that are loaded from elsewhere.
    bokeh = Markup("\n".join(Resources(mode="inline", components=["bokeh"]).js_raw))  # noqa: S704 (Bokeh's own script)
    html = environment.get_template("report.html.j2").render(**context, figures=figures.items, bokeh=bokeh)
    write_text(path, html)
    return path
