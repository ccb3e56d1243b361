"""Illumination, focus and saturation of images."""

from hcskit.preprocess._illumination import correct_illumination, estimate_illumination
from hcskit.preprocess._quality import Limits, assess_fields

__all__ = ["Limits", "assess_fields", "correct_illumination", "estimate_illumination"]
