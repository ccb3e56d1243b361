"""The networks that a recipe can name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from hcskit.models._scales import MOST_SCALES, residual_scales, scales_that_fit
from hcskit.models.backend import computing_in
from hcskit.sections import Section, kind_or

__all__ = ["MCNNSection", "Network", "Precision"]

Precision = Literal["float32", "bfloat16", "float16"]


class _Network(Section, ABC):
    precision: Precision | None = Field(
        None, description="of the computation; default: what suits the device, float32 on a processor (docs/gpu.md)"
    )

    def build(self, image_shape: tuple[int, int, int], n_classes: int) -> Any:
        """Build the network, untrained, for images (y, x, channel)."""
        with computing_in(self.precision or "float32"):
            return self._build(image_shape, n_classes, self.model_dump(exclude={"kind", "precision"}))

    @abstractmethod
    def _build(self, image_shape: tuple[int, int, int], n_classes: int, options: dict[str, Any]) -> Any: ...

    def branches(self, side: int | None) -> int:  # noqa: ARG002
        """Return how many parts can be computed side by side, of images whose shorter side is known or not."""
        return 1


class MCNNSection(_Network):
    """The published M-CNN, as `hcskit.models.mcnn` takes it."""

    kind: Literal["mcnn"] = "mcnn"
    head: Literal["flatten", "pool"] = "pool"
    scales: int | None = None
    features: int = Field(128, ge=1)
    hidden: int = Field(64, ge=1)
    batch_norm: bool = True
    dropout: float = Field(0.25, ge=0, lt=1)

    def _build(self, image_shape: tuple[int, int, int], n_classes: int, options: dict[str, Any]) -> Any:
        from hcskit.models._mcnn import mcnn

        return mcnn(image_shape, n_classes, **options)

    def branches(self, side: int | None) -> int:
        """Return the number of scales."""
        return self.scales or (MOST_SCALES if side is None else scales_that_fit(side))


class ResidualMCNNSection(_Network):
    """The M-CNN with residual branches, as `hcskit.models.mcnn_residual` takes it."""

    kind: Literal["mcnn_residual"]
    scales: int | None = None
    features: int = Field(16, ge=1)
    join: int = Field(96, ge=1)
    blocks: int = Field(2, ge=0)
    dropout: float = Field(0.2, ge=0, lt=1)

    def _build(self, image_shape: tuple[int, int, int], n_classes: int, options: dict[str, Any]) -> Any:
        from hcskit.models._mcnn_residual import mcnn_residual

        return mcnn_residual(image_shape, n_classes, **options)

    def branches(self, side: int | None) -> int:
        """Return the number of scales."""
        return self.scales or (MOST_SCALES if side is None else residual_scales(side))


class ResNetSection(_Network):
    """A small residual network, as `hcskit.models.resnet` takes it."""

    kind: Literal["resnet"]
    features: int = Field(24, ge=1)
    dropout: float = Field(0.2, ge=0, lt=1)

    def _build(self, image_shape: tuple[int, int, int], n_classes: int, options: dict[str, Any]) -> Any:
        from hcskit.models._resnet import resnet

        return resnet(image_shape, n_classes, **options)


Network = Annotated[
    Annotated[MCNNSection, Tag("mcnn")]
    | Annotated[ResidualMCNNSection, Tag("mcnn_residual")]
    | Annotated[ResNetSection, Tag("resnet")],
    Discriminator(kind_or("mcnn")),
]
