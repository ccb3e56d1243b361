"""The recipe: everything that defines a trained network, in one YAML file beside its weights."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from hcskit.models import NETWORKS, MCNNSection, Network
from hcskit.optimisers import OPTIMISERS, AdamWSection, Optimiser
from hcskit.platemap import ROLES
from hcskit.schedules import SCHEDULES, CosineSection, Schedule
from hcskit.sections import Section, YamlFile

__all__ = ["ParallelSection", "Recipe"]


class DataSection(Section):
    """Which fields are learned from, and how they become the network's input."""

    classes: str = Field("role", description="column of the plate map whose values are the classes")
    roles: tuple[Literal[ROLES], ...] = Field(  # type: ignore[valid-type]
        ("negative_control", "positive_control"), description="roles of the wells to learn from"
    )
    exclude: tuple[str, ...] = Field((), description="classes that are left out")
    stand_ins: bool = Field(
        True,
        description="where no plate has negative controls, learn from the lowest dose of each series in their place; "
        "where none has positive controls, from the highest, or without a series from all treated wells "
        "(docs/readouts.md)",
    )
    pattern: str | None = Field(
        None,
        description="for images in folders: a regular expression that is searched in each file's path without the "
        "folder of its class, and whose named groups (plate, well, batch, ...) are what is known of it",
    )
    channels: tuple[str, ...] | None = Field(None, description="channels in order; default: all of the plate")
    binning: int = Field(1, ge=1, le=16, description="average this many pixels in y and x before anything else")
    crop: int | None = Field(256, ge=8, description="edge of the square crops, after binning; null: whole fields")
    crops_per_field: int = Field(4, ge=1, description="random crops of each field in an epoch")
    balance: bool = Field(False, description="draw each class equally often, however many fields it has")

    @field_validator("pattern")
    @classmethod
    def _is_a_pattern(cls, pattern: str | None) -> str | None:
        try:
            groups = re.compile(pattern or "").groupindex
        except re.error as error:
            raise ValueError(f"'{pattern}' is not a regular expression: {error}") from None
        if taken := sorted({"field", "file", "label"} & set(groups)):
            raise ValueError(f"'{pattern}' has a group called {taken[0]}, which is known already; call it another")
        return pattern


class SplitSection(Section):
    """Which fields are held out to validate; never single fields of a well."""

    by: str = Field("well", description="well, or a coarser column: compound, plate, batch")
    validation: float = Field(
        0.25,
        ge=0,
        lt=1,
        description="fraction of each class's fields that is held out, as near as whole groups allow; 0: learn from "
        "all, and choose no epoch by them",
    )


class AugmentationSection(Section):
    """What must not matter: orientation (a well has no up), lamp and stain intensity."""

    dihedral: bool = Field(True, description="one of the 8 flips and quarter turns")
    rotate: bool = Field(False, description="turn by any angle; what lies beyond the field is its mirror image")
    zoom: float = Field(0.0, ge=0, lt=0.5, description="enlarge by exp of a normal with this deviation")
    shift: float = Field(0.0, ge=0, description="move by at most so many pixels, after binning")
    gain: float = Field(0.2, ge=0, lt=1, description="multiply each channel by exp of a normal with this deviation")
    offset: float = Field(0.1, ge=0, description="add to each channel a normal with this deviation, normalised units")
    mixup: float = Field(
        0.4,
        ge=0,
        description="blend pairs of crops and their labels, weight from Beta(mixup, mixup) (Zhang et al., ICLR 2018); "
        "0: do not. Probabilities stay graded between the classes, as dose-response asks",
    )


class StopSection(Section):
    """When a training ends before its last epoch: once the training loss no longer falls."""

    window: int | None = Field(
        6,
        ge=3,
        description="compare the loss of so many epochs with that of so many before; if it is no lower, do as many "
        "epochs from the end of the schedule, and stop. With cycles, the cycles are compared, and the training stops "
        "at the end of one. null: train for all epochs",
    )


class ParallelSection(Section):
    """How ranks exchange gradients (Sergeev & Del Balso, arXiv:1802.05799, 2018); the defaults are Horovod's.

    The number of ranks is not here: it does not change the result.
    """

    compression: Literal["fp16"] | None = Field(None, description="send gradients as 16-bit numbers: half the traffic")
    fusion_threshold_mb: int = Field(128, ge=0, description="send small gradients together, up to so many MiB")
    cycle_time_ms: float = Field(1.0, gt=0, description="wait so long for gradients to send together, in milliseconds")


class PredictionSection(Section):
    """How a trained network is used; it goes into the model file."""

    weights: Literal["best", "last", "snapshots"] | None = Field(
        None,
        description="of the epoch with the lowest validation loss; of the last one; or of the end of each cycle (of "
        "four or more not the first), all averaged, so that their spread goes into the dose-response. Default: best, "
        "or snapshots where the schedule keeps some",
    )
    views: Literal[1, 4, 8] = Field(
        1, description="average over flips and half turns (4), and quarter turns of square crops (8): as much longer"
    )
    readout: Literal["strength", "probability", "distance"] | None = Field(
        None,
        description="strength: how far a well has come from the negative to the positive controls of a phenotype, in "
        "what the network sees; probability: how sure the network is of the class; distance: how far a well is from "
        "the negative controls, whatever the phenotype (docs/readouts.md). Default: strength, or distance where all "
        "treated wells stood in for positive controls. Without controls on the plates: the probability",
    )
    standardise: bool = Field(
        True,
        description="bring each plate to the brightness that was learned from: by the mean and the standard deviation "
        "of its own negative controls, channel by channel, where it has two of them (docs/new-plates.md)",
    )
    calibrate: bool = Field(
        False,
        description="divide logits by the temperature that suits what is validated on (Guo et al., arXiv:1706.04599). "
        "A network that is always right there becomes as sure as can be; dose-response wants graded probabilities",
    )


class FinetuneSection(Section):
    """How a trained network is adapted to another plate (docs/new-plates.md)."""

    steps: int = Field(60, ge=1, description="batches that each network of the model learns from")
    learning_rate: float = Field(3e-4, gt=0, description="at the first step; it falls to 0 as a cosine")


class RunSection(Section):
    """What a training leaves behind and how exact it is; what it learns does not depend on it."""

    keep: int = Field(2, ge=1, description="states to keep on disk: so many last epochs, besides the best one")
    deterministic: bool = Field(False, description="the same to the last bit on the same hardware, and slower")
    tensorboard: bool = Field(False, description="write the history for TensorBoard as well, into logs/")


class Recipe(YamlFile):
    """All that defines a training run; the same recipe and data give the same network.

    Examples
    --------
    >>> Recipe(seed=3).split.by
    'well'
    >>> Recipe.model_validate({"optimiser": {"kind": "sgd", "batch": 512}, "schedule": {"kind": "polynomial"}}).schedule
    PolynomialSection(collapse_epochs=5.0, collapse_power=2.0, kind='polynomial', power=1.0)
    """

    content = "a training recipe"

    data: DataSection = DataSection()
    split: SplitSection = SplitSection()
    model: Annotated[Network, NETWORKS] = MCNNSection()
    augmentation: AugmentationSection = AugmentationSection()
    optimiser: Annotated[Optimiser, OPTIMISERS] = AdamWSection()
    schedule: Annotated[Schedule, SCHEDULES] = CosineSection()
    stop: StopSection = StopSection()
    prediction: PredictionSection = PredictionSection()
    parallel: ParallelSection = ParallelSection()
    finetune: FinetuneSection = FinetuneSection()
    run: RunSection = RunSection()
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        length = (self.optimiser.warmup_epochs, self.optimiser.epochs)
        self.schedule.check(*length)
        keeps = bool(self.schedule.snapshots(*length))
        weights = self.prediction.weights or ("snapshots" if keeps else "best")
        if weights == "snapshots" and not keeps:
            raise ValueError(
                "prediction.weights of snapshots needs a schedule that keeps some, such as that of kind snapshots; "
                "choose it, or other weights"
            )
        if not self.split.validation and (weights == "best" or self.prediction.calibrate):
            raise ValueError(
                "with split.validation of 0 nothing is held out to choose an epoch by, or to calibrate on; set "
                "prediction.weights to last or snapshots, and prediction.calibrate to false"
            )
        return self

    @model_validator(mode="after")
    def _tells_wells(self) -> Self:
        pattern = self.data.pattern
        if pattern is not None and self.split.by == "well" and "well" not in re.compile(pattern).groupindex:
            raise ValueError(
                f"images are to be split by well, and the pattern '{pattern}' finds none: those of one well would be "
                "on both sides. Add a group (?P<well>...) to data.pattern, or set split.by to one that it has, such as "
                "plate; where each image is a well of its own, the group is the whole name"
            )
        return self
