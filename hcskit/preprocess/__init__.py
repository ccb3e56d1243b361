"""Illumination, focus and saturation of images."""

from hcskit.preprocess._illumination import (
    block_means,
    correct_illumination,
    estimate_illumination,
    fit_illumination,
    sample_fields,
    shrink_illumination,
)
from hcskit.preprocess._quality import Limits, assess_fields, judge_fields, measure_images

__all__ = [
    "Limits",
    "assess_fields",
    "block_means",
    "correct_illumination",
    "estimate_illumination",
    "fit_illumination",
    "judge_fields",
    "measure_images",
    "sample_fields",
    "shrink_illumination",
]
