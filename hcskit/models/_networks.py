"""The networks that a recipe can name. Nothing here loads TensorFlow until a network is built."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from typing import Any, ClassVar, Literal, final

from pydantic import Field

from hcskit import models
from hcskit.models._contract import check_network
from hcskit.models._mcnn_residual import mcnn_residual
from hcskit.models._resnet import resnet
from hcskit.models._scales import MOST_SCALES, residual_scales, scales_that_fit
from hcskit.models.backend import computing_in
from hcskit.sections import Kinds, Section

__all__ = [
    "NETWORKS",
    "MCNNSection",
    "Network",
    "Precision",
    "ResNetSection",
    "ResidualMCNNSection",
    "get_model",
    "list_models",
]

Precision = Literal["float32", "bfloat16", "float16"]


class Network(Section, ABC):
    """A network, and the options that a recipe gives it.

    To add a kind, derive a class with a field ``kind``, its options, and `make_network`; an entry point of the group
    ``hcskit.models`` names it.

    Attributes
    ----------
    layer_modules : tuple of str
        Modules that register layers and functions of the network's own with Keras. They are imported before a model
        file is read: the file itself can import nothing.
    """

    layer_modules: ClassVar[tuple[str, ...]] = ()

    precision: Precision | None = Field(
        None, description="of the computation; default: what suits the device, float32 on a processor (docs/gpu.md)"
    )

    @final
    def build(self, image_shape: tuple[int, int, int], n_classes: int) -> Any:
        """Build the network, untrained.

        Parameters
        ----------
        image_shape : tuple of int
            Rows, columns and channels (y, x, channel) of the images.
        n_classes : int
            Number of phenotypes.

        Returns
        -------
        keras.Model
            Maps (batch, y, x, channel) to class probabilities (batch, n_classes), in float32.

        Raises
        ------
        InputError
            If the network does not fit the images, or `make_network` returned a different model.
        """
        self.load_layers()
        with computing_in(self.precision or "float32"):
            model = self.make_network(image_shape, n_classes)
        return check_network(model, image_shape, n_classes, self.layer_modules, type(self).__name__)

    @abstractmethod
    def make_network(self, image_shape: tuple[int, int, int], n_classes: int) -> Any:
        """Make the Keras model; see `build` for what it must be."""

    @final
    def load_layers(self) -> None:
        """Import the modules that register the network's own layers."""
        for module in self.layer_modules:
            import_module(module)

    def own_options(self) -> dict[str, Any]:
        """Return the options that only this kind has."""
        return self.model_dump(exclude={"kind", *Network.model_fields})

    def branches(self, side: int | None) -> int:  # noqa: ARG002
        """Return how many branches can be computed in parallel, with or without the images' shorter side."""
        return 1


class MCNNSection(Network):
    """The published M-CNN, as `hcskit.models.mcnn` takes it."""

    layer_modules = ("hcskit.models._pooled",)

    kind: Literal["mcnn"] = "mcnn"
    head: Literal["flatten", "pool"] = "pool"
    scales: int | None = None
    features: int = Field(128, ge=1)
    hidden: int = Field(64, ge=1)
    batch_norm: bool = True
    dropout: float = Field(0.25, ge=0, lt=1)

    def make_network(self, image_shape: tuple[int, int, int], n_classes: int) -> Any:
        return models.mcnn(image_shape, n_classes, **self.own_options())

    def branches(self, side: int | None) -> int:
        """Return the number of scales."""
        return self.scales or (MOST_SCALES if side is None else scales_that_fit(side))


class ResidualMCNNSection(Network):
    """The M-CNN with residual branches, as `hcskit.models.mcnn_residual` takes it."""

    kind: Literal["mcnn_residual"] = "mcnn_residual"
    scales: int | None = None
    features: int = Field(16, ge=1)
    join: int = Field(96, ge=1)
    blocks: int = Field(2, ge=0)
    dropout: float = Field(0.2, ge=0, lt=1)

    def make_network(self, image_shape: tuple[int, int, int], n_classes: int) -> Any:
        return mcnn_residual(image_shape, n_classes, **self.own_options())

    def branches(self, side: int | None) -> int:
        """Return the number of scales."""
        return self.scales or (MOST_SCALES if side is None else residual_scales(side))


class ResNetSection(Network):
    """A small residual network, as `hcskit.models.resnet` takes it."""

    kind: Literal["resnet"] = "resnet"
    features: int = Field(24, ge=1)
    dropout: float = Field(0.2, ge=0, lt=1)

    def make_network(self, image_shape: tuple[int, int, int], n_classes: int) -> Any:
        return resnet(image_shape, n_classes, **self.own_options())


#: The kinds of network, by the name that a recipe gives.
NETWORKS: Kinds[Network] = Kinds("hcskit.models", "network", Network, "mcnn")


def list_models() -> list[str]:
    """List the networks that a recipe can name; one that cannot be loaded is left out with a warning.

    Examples
    --------
    >>> {"mcnn", "mcnn_residual", "resnet"} <= set(list_models())
    True
    """
    return list(NETWORKS.working())


def get_model(name: str, **options: Any) -> Network:
    """Return a network by name, with options as a recipe gives them; its `build` makes the Keras model.

    Raises
    ------
    InputError
        If there is none of that name, or it does not take these options.

    Examples
    --------
    >>> get_model("resnet", features=8).build((64, 64, 1), 15).output.shape
    (None, 15)
    """
    return NETWORKS.make(name, options)
