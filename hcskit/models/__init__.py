"""Networks that read phenotypes from whole fields."""

from hcskit.models._mcnn import MOST_SCALES, mcnn, scales_that_fit
from hcskit.models._pooled import PooledConvolutions

__all__ = ["MOST_SCALES", "PooledConvolutions", "mcnn", "scales_that_fit"]
