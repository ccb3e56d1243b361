"""How good an assay is: how well its controls separate, how well replicates agree, what the place of a well does."""

from hcskit.assay._controls import control_statistics, image_readouts
from hcskit.assay._normalise import METHODS, normalise
from hcskit.assay._position import places, position_effects
from hcskit.assay._replicates import replicate_correlation
from hcskit.assay._separation import (
    auroc,
    outliers,
    robust_ssmd,
    robust_z_prime,
    signal_window,
    ssmd,
    v_factor,
    z_prime,
)

__all__ = [
    "METHODS",
    "auroc",
    "control_statistics",
    "image_readouts",
    "normalise",
    "outliers",
    "places",
    "position_effects",
    "replicate_correlation",
    "robust_ssmd",
    "robust_z_prime",
    "signal_window",
    "ssmd",
    "v_factor",
    "z_prime",
]
