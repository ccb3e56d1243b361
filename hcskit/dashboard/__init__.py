"""Views of a screen: HoloViews elements for a notebook, and the report that holds them all."""

from hcskit.dashboard._curves import dose_response
from hcskit.dashboard._gather import gather_report
from hcskit.dashboard._images import channel_colours, contrast_limits, field_rgb
from hcskit.dashboard._montage import Tile, concentration_series, montage
from hcskit.dashboard._plates import field_heatmap, plate_heatmap
from hcskit.dashboard._quality import controls_table, excluded_fields, illumination_profile
from hcskit.dashboard._range import range_curve, write_html
from hcskit.dashboard._report import ReportData, write_report
from hcskit.dashboard._style import format_concentration, format_ec50
from hcskit.dashboard._training import lead_readouts, match_truth, parity, training_curves

__all__ = [
    "ReportData",
    "Tile",
    "channel_colours",
    "concentration_series",
    "contrast_limits",
    "controls_table",
    "dose_response",
    "excluded_fields",
    "field_heatmap",
    "field_rgb",
    "format_concentration",
    "format_ec50",
    "gather_report",
    "illumination_profile",
    "lead_readouts",
    "match_truth",
    "montage",
    "parity",
    "plate_heatmap",
    "range_curve",
    "training_curves",
    "write_html",
    "write_report",
]
