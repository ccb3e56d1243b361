"""How far a run is, where it is not finished."""

from __future__ import annotations

from html import escape

import panel as pn

from hcskit.app._content import Content
from hcskit.app._panes import html

__all__ = ["progress_line"]

_EVERY = 5000  # milliseconds
_SAID = {
    "running": "This run is still running",
    "failed": "This run failed",
    "stopped": "This run was stopped",
    "pending": "This run is not finished",
}


def progress_line(content: Content) -> pn.pane.HTML:
    """Return a line that says how far the run is, and follows it; nothing of a run that is finished."""
    line = html("", sizing_mode="stretch_width", margin=(2, 12))

    def look() -> None:
        text = progress(content)
        line.param.update(object=text, visible=bool(text))

    look()
    if line.visible and pn.state.curdoc is not None:
        pn.state.add_periodic_callback(look, period=_EVERY)
    return line


def progress(content: Content) -> str:
    """Say how far a run is, as HTML; empty where it is finished, or has no record."""
    record = content.record
    if record is None or record.status not in _SAID:
        return ""
    done = sum(step.is_whole for step in record.steps)
    open_ = next((step for step in record.steps if not step.is_whole), None)
    at = "" if open_ is None else f"; step {open_.name} is {open_.status}"
    why = "" if open_ is None or not open_.error else f": {open_.error.strip().splitlines()[-1][:200]}"
    resumes = "Reload the page to see what is new." if record.status == "running" else "hcskit run resumes it."
    return escape(f"{_SAID[record.status]}: {done} of {len(record.steps)} steps are done{at}{why}. {resumes}")
