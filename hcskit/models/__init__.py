"""Networks that read phenotypes from whole fields and from crops."""

from hcskit.models._mcnn import MOST_SCALES, mcnn, scales_that_fit
from hcskit.models._mcnn_residual import mcnn_residual
from hcskit.models._resnet import resnet

__all__ = ["MOST_SCALES", "mcnn", "mcnn_residual", "resnet", "scales_that_fit"]
