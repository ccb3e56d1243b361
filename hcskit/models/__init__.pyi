from ._mcnn import mcnn
from ._mcnn_residual import mcnn_residual
from ._networks import MCNNSection, Network
from ._pooled import PooledConvolutions
from ._resnet import resnet
from ._scales import MOST_SCALES, residual_scales, scales_that_fit
from .backend import computing_in

__all__ = [
    "MOST_SCALES",
    "MCNNSection",
    "Network",
    "PooledConvolutions",
    "computing_in",
    "mcnn",
    "mcnn_residual",
    "residual_scales",
    "resnet",
    "scales_that_fit",
]
