"""Networks that read phenotypes from whole fields."""

from hcskit.models._mcnn import MOST_SCALES, mcnn, scales_that_fit
from hcskit.models._mcnn_residual import mcnn_residual, residual_scales
from hcskit.models._pooled import PooledConvolutions
from hcskit.models._resnet import resnet
from hcskit.models.backend import computing_in

__all__ = [
    "MOST_SCALES",
    "PooledConvolutions",
    "computing_in",
    "mcnn",
    "mcnn_residual",
    "residual_scales",
    "resnet",
    "scales_that_fit",
]
