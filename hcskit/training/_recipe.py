"""The recipe: everything that defines a trained network, in one YAML file beside its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hcskit.errors import InputError, what_is_wrong
from hcskit.platemap import ROLES

__all__ = ["ParallelSection", "Recipe"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSection(_Section):
    """Which fields are learned from, and how they become the network's input."""

    classes: str = Field("role", description="column of the plate map whose values are the classes")
    roles: tuple[Literal[ROLES], ...] = Field(  # type: ignore[valid-type]
        ("negative_control", "positive_control"), description="roles of the wells to learn from"
    )
    channels: tuple[str, ...] | None = Field(None, description="channels in order; default: all of the plate")
    binning: int = Field(1, ge=1, le=16, description="average this many pixels in y and x before anything else")
    crop: int | None = Field(256, ge=8, description="edge of the square crops, after binning; null: whole fields")
    crops_per_field: int = Field(4, ge=1, description="random crops of each field in an epoch")
    balance: bool = Field(False, description="draw each class equally often, however many fields it has")


class SplitSection(_Section):
    """Which fields are held out to validate; never single fields of a well."""

    by: str = Field("well", description="well, or a coarser column: compound, plate, batch")
    validation: float = Field(0.25, gt=0, lt=1, description="fraction of each class's groups that is held out")


class ModelSection(_Section):
    """The network, as `hcskit.models.mcnn` takes it."""

    head: Literal["flatten", "pool"] = "pool"
    scales: int | None = None
    features: int = Field(128, ge=1)
    hidden: int = Field(64, ge=1)
    batch_norm: bool = True
    dropout: float = Field(0.25, ge=0, lt=1)


class AugmentationSection(_Section):
    """What must not matter: orientation (a well has no up), lamp and stain intensity."""

    dihedral: bool = Field(True, description="one of the 8 flips and quarter turns")
    gain: float = Field(0.2, ge=0, lt=1, description="multiply each channel by exp of a normal with this deviation")
    offset: float = Field(0.1, ge=0, description="add to each channel a normal with this deviation, normalised units")
    mixup: float = Field(
        0.4,
        ge=0,
        description="blend pairs of crops and their labels, weight from Beta(mixup, mixup) (Zhang et al., ICLR 2018); "
        "0: do not. Probabilities stay graded between the classes, as dose-response asks",
    )


class OptimiserSection(_Section):
    """AdamW with a linear warm-up and cosine decay (Loshchilov & Hutter, ICLR 2017 and 2019)."""

    epochs: int = Field(30, ge=1)
    batch: int = Field(16, ge=1, description="global batch, in crops")
    learning_rate: float = Field(1e-3, gt=0)
    warmup_epochs: float = Field(1.0, ge=0)
    weight_decay: float = Field(1e-4, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=0.5)


class ParallelSection(_Section):
    """How ranks exchange gradients (Sergeev & Del Balso, arXiv:1802.05799, 2018); the defaults are Horovod's.

    The number of ranks is not here: it does not change the result.
    """

    compression: Literal["fp16"] | None = Field(None, description="send gradients as 16-bit numbers: half the traffic")
    fusion_threshold_mb: int = Field(128, ge=0, description="send small gradients together, up to so many MiB")
    cycle_time_ms: float = Field(1.0, gt=0, description="wait so long for gradients to send together, in milliseconds")


class Recipe(_Section):
    """All that defines a training run; the same recipe and data give the same network.

    Examples
    --------
    >>> Recipe(seed=3).split.by
    'well'
    """

    data: DataSection = DataSection()
    split: SplitSection = SplitSection()
    model: ModelSection = ModelSection()
    augmentation: AugmentationSection = AugmentationSection()
    optimiser: OptimiserSection = OptimiserSection()
    parallel: ParallelSection = ParallelSection()
    seed: int = Field(0, ge=0)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read a recipe.

        Raises
        ------
        InputError
            If the file is missing or is not a recipe.
        """
        try:
            return cls.model_validate(yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {})
        except (OSError, yaml.YAMLError, ValidationError) as error:
            raise InputError(f"{path} is not a training recipe: {what_is_wrong(error)}") from error

    def to_yaml(self, path: str | Path) -> None:
        """Write the recipe, every default spelled out."""
        Path(path).write_text(yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
