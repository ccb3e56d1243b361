"""The optimisers of a recipe, as their authors published them, where Keras's own differ."""

from __future__ import annotations

from typing import Any

from hcskit.models.backend import keras, tf

__all__ = ["LAMB", "LARS", "SGD", "RateTable"]

_register = keras.saving.register_keras_serializable("hcskit")


@_register
class RateTable(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """The rate of each step, looked up.

    Parameters
    ----------
    rates : list of float
        Rate at steps 0, 1, …; the last one holds from then on.
    """

    def __init__(self, rates: list[float]) -> None:
        super().__init__()
        self.rates = rates

    def __call__(self, step: Any) -> Any:
        return tf.gather(tf.constant(self.rates, tf.float32), tf.minimum(tf.cast(step, tf.int32), len(self.rates) - 1))

    def get_config(self) -> dict[str, Any]:
        """Return what the table is made from."""
        return {"rates": self.rates}


class _OwnDecay:
    """Weight decay as part of the step, and not, as in Keras, a separate step before it."""

    weight_decay: float | None
    _use_weight_decay: Any

    def _apply_weight_decay(self, variables: Any) -> None:
        pass

    def _decay(self, variable: Any) -> float:
        return (self.weight_decay or 0.0) if self._use_weight_decay(variable) else 0.0


@_register
class SGD(_OwnDecay, keras.optimizers.SGD):  # type: ignore[misc]
    """Momentum that is right while the rate changes: u ← m·u + g, w ← w - η·(g + m·u), with g = ∇L + λ·w.

    Keras, like most, keeps v = η·u, where a changing rate multiplies old gradients by the wrong rate; it would
    have to be corrected by η(t)/η(t-1) (Goyal et al., arXiv:1706.02677, 2017, section 3, equations 9 and 10). The
    form without it, their equation 9, is the same thing. Nesterov: Sutskever et al., ICML 2013, in the form that Keras
    has as well.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable."""
        gradient += self._decay(variable) * variable
        velocity = self.momentums[self._get_variable_index(variable)]
        self.assign(velocity, self.momentum * velocity + gradient)
        self.assign_sub(variable, learning_rate * (gradient + self.momentum * velocity if self.nesterov else velocity))


@_register
class LARS(_OwnDecay, keras.optimizers.SGD):  # type: ignore[misc]
    """Momentum with a rate for each layer: v ← m·v + η·λ(w)·(∇L + β·w), w ← w - v, λ(w) = trust·‖w‖/(‖∇L‖ + β·‖w‖).

    You, Gitman & Ginsburg, arXiv:1708.03888 (2017), algorithm 1. Biases and normalisation, which do not decay (β), take
    λ = 1, as in the authors' later code: some start at zero, and would stay there.

    Parameters
    ----------
    trust : float
        The step of a layer, as part of its norm, at rate 1.
    **options
        Of `keras.optimizers.SGD`.
    """

    def __init__(self, *, trust: float = 1e-3, **options: Any) -> None:
        super().__init__(**options)
        self.trust = trust

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable."""
        decay = self._decay(variable)
        rate = learning_rate
        if self._use_weight_decay(variable):
            norm = tf.norm(variable)
            rate *= _ratio(self.trust * norm, tf.norm(gradient) + decay * norm)
        velocity = self.momentums[self._get_variable_index(variable)]
        self.assign(velocity, self.momentum * velocity + rate * (gradient + decay * variable))
        self.assign_sub(variable, velocity)

    def get_config(self) -> dict[str, Any]:
        """Return what the optimiser is made from."""
        return {**super().get_config(), "trust": self.trust}


@_register
class LAMB(_OwnDecay, keras.optimizers.Lamb):  # type: ignore[misc]
    """Adam with a step for each layer: w ← w - η·‖w‖/‖r + λ·w‖·(r + λ·w), r = m̂/(√v̂ + ε).

    You et al., arXiv:1904.00962 (2020), algorithm 2, φ the identity. Keras's differs where weights decay: it takes
    the ratio without the decay, and lets them decay beforehand. Biases and normalisation take ratio 1, as in `LARS`.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable."""
        index = self._get_variable_index(variable)
        mean, square = self._momentums[index], self._velocities[index]
        self.assign_add(mean, (gradient - mean) * (1 - self.beta_1))
        self.assign_add(square, (gradient * gradient - square) * (1 - self.beta_2))
        number = tf.cast(self.iterations + 1, variable.dtype)
        mean_now = mean / (1 - self.beta_1**number)
        square_now = square / (1 - self.beta_2**number)
        step = mean_now / (tf.sqrt(square_now) + self.epsilon) + self._decay(variable) * variable
        if self._use_weight_decay(variable):
            step *= _ratio(tf.norm(variable), tf.norm(step))
        self.assign_sub(variable, learning_rate * step)


def _ratio(above: Any, below: Any) -> Any:
    """Return the ratio of two norms; 1 where either is zero, and there is no layer or no step to measure."""
    usable = (above > 0) & (below > 0)
    return tf.where(usable, above / tf.where(usable, below, 1), 1)
