"""Illumination, focus, saturation, and how well the controls separate."""

from hcskit.preprocess._controls import control_statistics, ssmd, z_prime
from hcskit.preprocess._illumination import Illumination, estimate_illumination
from hcskit.preprocess._quality import Limits, assess_fields

__all__ = [
    "Illumination",
    "Limits",
    "assess_fields",
    "control_statistics",
    "estimate_illumination",
    "ssmd",
    "z_prime",
]
