"""The optimisers that a recipe can name. Nothing here loads TensorFlow until an optimiser is built."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal, final

import numpy as np
from pydantic import Field

from hcskit import optimisers
from hcskit.errors import InputError
from hcskit.models import backend
from hcskit.schedules import Rates
from hcskit.sections import Kinds, Section

__all__ = [
    "OPTIMISERS",
    "AdamWSection",
    "LAMBSection",
    "LARSSection",
    "Optimiser",
    "SGDSection",
    "get_optimiser",
    "list_optimisers",
]


class Optimiser(Section, ABC):
    """How long and in which batches to learn, and the largest learning rate, which the schedule starts from.

    Weights decay; biases and the scales and shifts of normalisation do not.

    To add a kind, derive a class with a field ``kind``, its options, and `make_optimiser`; an entry point of the
    group ``hcskit.optimisers`` names it.
    """

    epochs: int = Field(30, ge=1)
    batch: int = Field(16, ge=1, description="global batch, in crops")
    parts: int = Field(
        1, ge=1, description="make each batch in this many parts, to save memory; batch normalisation sees one part"
    )
    learning_rate: float = Field(1e-3, gt=0)
    reference_batch: int | None = Field(
        None,
        ge=1,
        description="the batch learning_rate is for: scale it by batch / this (Goyal et al., arXiv:1706.02677)",
    )
    warmup_epochs: float = Field(1.0, ge=0, description="rise to the rate over this many epochs (arXiv:1706.02677)")
    weight_decay: float = Field(1e-4, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=0.5, description="Szegedy et al., arXiv:1512.00567, section 7: 0.1")
    clip_norm: float | None = Field(
        None, gt=0, description="shorten the gradient of all weights to this norm (Pascanu et al., arXiv:1211.5063)"
    )

    @final
    def build(self, rates: Rates) -> Any:
        """Build the optimiser, which takes its rate at each step from a table.

        Parameters
        ----------
        rates : numpy.ndarray
            Rate of each update; the last one holds from then on.

        Returns
        -------
        keras.optimizers.Optimizer

        Raises
        ------
        InputError
            If `make_optimiser` returns something else than an optimiser, or one that does not follow the table.
        """
        # Keras looks up the rate by the number of gradients; an update uses one for each part.
        table = optimisers.RateTable(np.repeat(rates, self.parts).tolist())
        optimiser = self.make_optimiser(
            learning_rate=table,
            weight_decay=self.weight_decay,
            global_clipnorm=self.clip_norm,
            gradient_accumulation_steps=self.parts if self.parts > 1 else None,
        )
        name = f"make_optimiser of {type(self).__name__}"
        if not isinstance(optimiser, backend.keras.optimizers.Optimizer):
            raise InputError(f"{name} returned a {type(optimiser).__name__}; expected a keras.optimizers.Optimizer")
        if optimiser.get_config()["learning_rate"] != backend.keras.saving.serialize_keras_object(table):
            raise InputError(
                f"the optimiser that {name} returned does not follow the schedule; expected it to pass all its "
                "keyword arguments on, learning_rate among them"
            )
        # Biases and normalisation are not weights: decaying them pulls the network off its calibration.
        optimiser.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimiser

    @abstractmethod
    def make_optimiser(self, **shared: Any) -> Any:
        """Make the Keras optimiser.

        Parameters
        ----------
        **shared
            Arguments of every Keras optimiser, to be passed on: ``learning_rate``, ``weight_decay``,
            ``global_clipnorm`` and ``gradient_accumulation_steps``.
        """


class AdamWSection(Optimiser):
    """AdamW (Loshchilov & Hutter, arXiv:1711.05101)."""

    kind: Literal["adamw"] = "adamw"

    def make_optimiser(self, **shared: Any) -> Any:
        return backend.keras.optimizers.AdamW(**shared)


class SGDSection(Optimiser):
    """Gradient descent with Nesterov momentum; the numbers are those of Goyal et al., arXiv:1706.02677, section 5.1."""

    kind: Literal["sgd"] = "sgd"
    learning_rate: float = Field(0.1, gt=0)
    reference_batch: int | None = Field(256, ge=1)
    warmup_epochs: float = Field(5.0, ge=0)
    momentum: float = Field(0.9, gt=0, lt=1)

    def make_optimiser(self, **shared: Any) -> Any:
        return optimisers.SGD(momentum=self.momentum, nesterov=True, **shared)


class LARSSection(Optimiser):
    """Layer-wise adaptive rates, for large batches (You et al., arXiv:1708.03888)."""

    kind: Literal["lars"] = "lars"
    learning_rate: float = Field(gt=0, description="much larger than of others; `hcskit lr-range` finds it")
    weight_decay: float = Field(5e-4, ge=0, description="arXiv:1708.03888")
    momentum: float = Field(0.9, gt=0, lt=1, description="arXiv:1708.03888")
    trust: float = Field(1e-3, gt=0, description="step of a layer, as part of its norm, at rate 1 (arXiv:1708.03888)")

    def make_optimiser(self, **shared: Any) -> Any:
        return optimisers.LARS(momentum=self.momentum, trust=self.trust, **shared)


class LAMBSection(Optimiser):
    """Layer-wise adaptive steps of Adam, for large batches (You et al., arXiv:1904.00962)."""

    kind: Literal["lamb"] = "lamb"
    learning_rate: float = Field(gt=0, description="`hcskit lr-range` finds it")
    weight_decay: float = Field(0.01, ge=0, description="arXiv:1904.00962")

    def make_optimiser(self, **shared: Any) -> Any:
        return optimisers.LAMB(epsilon=1e-6, **shared)


#: The kinds of optimiser, by the name that a recipe gives.
OPTIMISERS: Kinds[Optimiser] = Kinds("hcskit.optimisers", "optimiser", Optimiser, "adamw")


def list_optimisers() -> list[str]:
    """List the optimisers that a recipe can name; one that cannot be loaded is left out with a warning.

    Examples
    --------
    >>> {"adamw", "lamb", "lars", "sgd"} <= set(list_optimisers())
    True
    """
    return list(OPTIMISERS.working())


def get_optimiser(name: str, **options: Any) -> Optimiser:
    """Return an optimiser by name, with options as a recipe gives them.

    Raises
    ------
    InputError
        If there is none of that name, or it does not take these options.

    Examples
    --------
    >>> get_optimiser("sgd", batch=512).momentum  # type: ignore[attr-defined]
    0.9
    """
    return OPTIMISERS.make(name, options)
