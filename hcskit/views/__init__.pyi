from ._accessor import PlateAccessor
from ._curve_tables import most_potent, response_label
from ._curves import compare_responses, dose_response, response_drawing
from ._drawing import Drawing, Layer
from ._embedding import has_umap, neighbour_map, principal_components, profile_map
from ._further import View, further_views
from ._held_out import calibration, confusion
from ._images import channel_colours, contrast_limits, field_rgb, jpeg, scale_bar
from ._lr_range import range_curve, write_html
from ._montage import Tile, concentration_series, montage
from ._notebook import notebook_plots, shown_plates
from ._panels import panel_drawing, plate_panels
from ._plates import field_drawing, field_heatmap, plate_axes, plate_drawing, plate_heatmap
from ._positions import POSITION_MATTERS, name_effects, position_drawing, position_map
from ._quality import controls_table, excluded_fields, illumination_map
from ._saliency import overlay_saliency
from ._screening import potency_drawing, potency_effect, replicate_pairs, z_prime_by_plate
from ._sheet import compound_sheets
from ._still import picture_of, still
from ._style import (
    CATEGORY_COLOURS,
    INK,
    MUTED,
    PALETTE,
    base_unit,
    category_colours,
    format_concentration,
    format_ec50,
    format_effective,
    format_interval,
    format_number,
    format_range,
    format_si,
    format_unit,
    style,
)
from ._theme import THEME
from ._training import pace_curves, parity, training_curves

__all__ = [
    "CATEGORY_COLOURS",
    "INK",
    "MUTED",
    "PALETTE",
    "POSITION_MATTERS",
    "THEME",
    "Drawing",
    "Layer",
    "PlateAccessor",
    "Tile",
    "View",
    "base_unit",
    "calibration",
    "category_colours",
    "channel_colours",
    "compare_responses",
    "compound_sheets",
    "concentration_series",
    "confusion",
    "contrast_limits",
    "controls_table",
    "dose_response",
    "excluded_fields",
    "field_drawing",
    "field_heatmap",
    "field_rgb",
    "format_concentration",
    "format_ec50",
    "format_effective",
    "format_interval",
    "format_number",
    "format_range",
    "format_si",
    "format_unit",
    "further_views",
    "has_umap",
    "illumination_map",
    "jpeg",
    "montage",
    "most_potent",
    "name_effects",
    "neighbour_map",
    "notebook_plots",
    "overlay_saliency",
    "pace_curves",
    "panel_drawing",
    "parity",
    "picture_of",
    "plate_axes",
    "plate_drawing",
    "plate_heatmap",
    "plate_panels",
    "position_drawing",
    "position_map",
    "potency_drawing",
    "potency_effect",
    "principal_components",
    "profile_map",
    "range_curve",
    "replicate_pairs",
    "response_drawing",
    "response_label",
    "scale_bar",
    "shown_plates",
    "still",
    "style",
    "training_curves",
    "write_html",
    "z_prime_by_plate",
]
