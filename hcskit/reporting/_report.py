"""The report: one HTML file that holds everything, opens from a file, and asks no network for anything."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pandas as pd
from bokeh.resources import Resources
from markupsafe import Markup

from hcskit.errors import InputError
from hcskit.files import write_text
from hcskit.reporting._figures import Figures
from hcskit.reporting._findings import Findings
from hcskit.reporting._sections import contents
from hcskit.run import Run, open_run

__all__ = ["report"]


def report(
    run: Run | str | Path,
    out: str | Path | None = None,
    truth: str | Path | None = None,
    *,
    model: str | Path | None = None,
) -> Path:
    """Write the report of a run as one self-contained HTML file.

    It works offline from a file: plots, images and scripts are inside, and the page forbids the browser any request.
    All names are escaped. The file appears whole or not at all. Of half a run the report shows the half that is
    there, and says what to run for the rest.

    Parameters
    ----------
    run : Run or path-like
        A run or a screen, or its folder.
    out : path-like, optional
        Where to write; an older report there is replaced. By default ``report.html`` in the folder of the run.
    truth : path-like, optional
        CSV of known effective concentrations; by default that of the run's own simulated plate, if it has one.
    model : path-like, optional
        Of a folder: the trained model, where it came from elsewhere. Its training is shown if its history is there.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    NotAScreenError
        If there is no run.
    InputError
        If the folder of `out` does not exist, or `truth` cannot be read.
    StoreError
        If a part of the run is damaged, or the report cannot be written.
    """
    run = run if isinstance(run, Run) else open_run(run, model)
    path = run.folder / "report.html" if out is None else Path(out)
    if not path.parent.is_dir():
        raise InputError(f"the report cannot be written to {path}: there is no folder {path.parent}; create it first")
    figures = Figures()
    context = contents(Findings(run, None if truth is None else _known(truth)), figures)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hcskit.reporting"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    # Bokeh sorts what it writes so that each object is known before it is referred to.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    # Not render_js(): HoloViews brings Panel, and Panel adds scripts to it that are loaded from elsewhere.
    bokeh = Markup("\n".join(Resources(mode="inline", components=["bokeh"]).js_raw))  # noqa: S704 (Bokeh's own script)
    html = environment.get_template("report.html.j2").render(
        **context, figures=figures.items, kinds=figures.kinds, bokeh=bokeh
    )
    write_text(path, html)
    return path


def _known(truth: str | Path) -> pd.DataFrame:
    try:
        return pd.read_csv(truth)
    except (OSError, ValueError) as error:
        raise InputError(f"the known concentrations cannot be read from {truth}: {error}") from error
