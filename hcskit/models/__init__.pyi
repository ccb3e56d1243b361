from ._mcnn import mcnn
from ._mcnn_residual import mcnn_residual
from ._networks import (
    NETWORKS,
    MCNNSection,
    Network,
    ResidualMCNNSection,
    ResNetSection,
    get_model,
    list_models,
)
from ._pooled import PooledConvolutions
from ._resnet import resnet
from ._scales import MOST_SCALES, residual_scales, scales_that_fit
from .backend import computing_in

__all__ = [
    "MOST_SCALES",
    "NETWORKS",
    "MCNNSection",
    "Network",
    "PooledConvolutions",
    "ResNetSection",
    "ResidualMCNNSection",
    "computing_in",
    "get_model",
    "list_models",
    "mcnn",
    "mcnn_residual",
    "residual_scales",
    "resnet",
    "scales_that_fit",
]
