"""How good an assay is: how well its controls separate."""

from hcskit.assay._controls import control_statistics, image_readouts, ssmd, z_prime

__all__ = ["control_statistics", "image_readouts", "ssmd", "z_prime"]
