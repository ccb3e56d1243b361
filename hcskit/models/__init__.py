"""Networks that read phenotypes from whole fields."""

from hcskit.models._mcnn import MOST_SCALES, mcnn, scales_that_fit

__all__ = ["MOST_SCALES", "mcnn", "scales_that_fit"]
