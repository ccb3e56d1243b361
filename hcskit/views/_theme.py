"""The look of the plots that stand in a page of ours: fonts, quiet axes, no background."""

from __future__ import annotations

from bokeh.themes import Theme

from hcskit.views._style import INK, MUTED

__all__ = ["THEME"]

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif"
_TEXT = {"text_font": _FONT, "text_color": INK}
_AXIS = {
    "axis_line_color": "#c3cad1",
    "major_tick_line_color": "#c3cad1",
    "minor_tick_line_color": None,
    "axis_label_text_font": _FONT,
    "axis_label_text_color": MUTED,
    "axis_label_text_font_style": "normal",
    "major_label_text_font": _FONT,
    "major_label_text_color": INK,
}
#: Theme of Bokeh for a report, a notebook, or a dashboard.
THEME = Theme(
    json={
        "attrs": {
            "Plot": {"outline_line_color": None, "background_fill_color": None, "border_fill_color": None},
            "Title": _TEXT,
            "Label": {"text_font": _FONT},
            "LabelSet": {"text_font": _FONT},
            "Axis": _AXIS,
            "Legend": {"label_text_font": _FONT, "border_line_color": None, "background_fill_alpha": 0.8},
            "ColorBar": {
                "title_text_font": _FONT,
                "title_text_font_style": "normal",
                "title_text_color": MUTED,
                "major_label_text_font": _FONT,
                "major_label_text_color": INK,
            },
        }
    }
)
