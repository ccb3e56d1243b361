from ._accessor import PlateAccessor
from ._comparison import base_unit, compare_responses
from ._curves import dose_response
from ._further import View, further_views
from ._images import channel_colours, contrast_limits, field_rgb, jpeg, scale_bar
from ._lr_range import range_curve, write_html
from ._montage import Tile, concentration_series, montage
from ._plates import field_heatmap, plate_axes, plate_heatmap
from ._positions import position_map
from ._quality import controls_table, excluded_fields, illumination_map
from ._style import (
    CATEGORY_COLOURS,
    INK,
    MUTED,
    PALETTE,
    category_colours,
    format_concentration,
    format_ec50,
    format_interval,
    format_number,
    format_si,
    format_unit,
    style,
)
from ._training import parity, training_curves

__all__ = [
    "CATEGORY_COLOURS",
    "INK",
    "MUTED",
    "PALETTE",
    "PlateAccessor",
    "Tile",
    "View",
    "base_unit",
    "category_colours",
    "channel_colours",
    "compare_responses",
    "concentration_series",
    "contrast_limits",
    "controls_table",
    "dose_response",
    "excluded_fields",
    "field_heatmap",
    "field_rgb",
    "format_concentration",
    "format_ec50",
    "format_interval",
    "format_number",
    "format_si",
    "format_unit",
    "further_views",
    "illumination_map",
    "jpeg",
    "montage",
    "parity",
    "plate_axes",
    "plate_heatmap",
    "position_map",
    "range_curve",
    "scale_bar",
    "style",
    "training_curves",
    "write_html",
]
