"""Illumination, focus, saturation, and how well the controls separate."""

from hcskit.preprocess._controls import control_statistics, image_readouts, ssmd, z_prime
from hcskit.preprocess._illumination import correct_illumination, estimate_illumination
from hcskit.preprocess._quality import Limits, assess_fields

__all__ = [
    "Limits",
    "assess_fields",
    "control_statistics",
    "correct_illumination",
    "estimate_illumination",
    "image_readouts",
    "ssmd",
    "z_prime",
]
