"""The contract of networks, checked when one is built and not after the last epoch of a long training."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from hcskit.errors import InputError
from hcskit.models import backend

__all__ = ["check_network"]

_SIDE = 64  # pixels: size of the test image for a network with open rows and columns
_TOLERANCE = 1e-3


def check_network(
    model: Any, image_shape: tuple[int, int, int], n_classes: int, layer_modules: tuple[str, ...], name: str
) -> Any:
    """Refuse a model that cannot be trained, saved, loaded and used as hcskit does.

    Parameters
    ----------
    model : keras.Model
        What a network's `make_network` returned.
    image_shape : tuple of int
        Rows, columns and channels (y, x, channel) of the images it was made for.
    n_classes : int
        Number of classes it was made for.
    layer_modules : tuple of str
        Modules that register its own layers and functions.
    name : str
        Of the network, for messages.

    Returns
    -------
    keras.Model
        The same one; of a Sequential, or one with lists for its input and output, a plain one of the same layers.

    Raises
    ------
    InputError
        If it has not one input, images, and one output, float32 probabilities (batch, n_classes); or if it has parts
        that cannot be loaded from a file without running code of the file.
    """
    _check_shapes(model, image_shape, n_classes, name)
    state = random.getstate()
    _check_probabilities(model, name)
    _check_parts(model, layer_modules, name)
    random.setstate(state)  # layers draw their seeds from it: the check must not change a training
    plain = all(backend.keras.utils.is_keras_tensor(getattr(model, side, None)) for side in ("input", "output"))
    return model if plain else backend.keras.Model(model.inputs[0], model.outputs[0], name=model.name)


def _check_shapes(model: Any, image_shape: tuple[int, int, int], n_classes: int, name: str) -> None:
    if not isinstance(model, backend.keras.Model):
        raise _fault(name, f"is a {type(model).__name__}", "a keras.Model")
    inputs, outputs = (getattr(model, side, None) for side in ("inputs", "outputs"))
    if not inputs or not outputs:
        raise _fault(
            name,
            f"is a {type(model).__name__} without symbolic inputs and outputs",
            "a functional one, keras.Model(image, probabilities), or a Sequential that opens with keras.Input",
        )
    if len(inputs) != 1 or len(outputs) != 1:
        raise _fault(name, f"has {len(inputs)} inputs and {len(outputs)} outputs", "one of each")
    if not _fits(inputs[0].shape, (None, *image_shape)):
        raise _fault(name, f"takes {inputs[0].shape}", f"images (batch, y, x, channel) of {(None, *image_shape)}")
    output = outputs[0]
    if tuple(output.shape) != (None, n_classes) or output.dtype != "float32":
        raise _fault(
            name,
            f"gives {output.dtype} of shape {output.shape}",
            f"float32 of shape {(None, n_classes)}, probabilities (batch, class); a last layer with dtype='float32' "
            "gives them in any precision",
        )


def _fits(found: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> bool:
    """Return whether a shape is the expected one; None stands for any number."""
    return len(found) == len(wanted) and all(mine in (None, theirs) for mine, theirs in zip(found, wanted, strict=True))


def _check_probabilities(model: Any, name: str) -> None:
    # A softmax needs no trial, which takes seconds where images are large.
    last = model.outputs[0]._keras_history.operation
    if getattr(last, "activation", None) is backend.keras.activations.softmax:
        return
    shape = [side or _SIDE for side in model.inputs[0].shape[1:]]
    image = np.random.default_rng(0).standard_normal((1, *shape), np.float32)
    found = np.asarray(model(image, training=False))[0]
    if not (found >= 0).all() or not abs(found.sum() - 1) <= _TOLERANCE:  # NaN is neither
        said = np.array2string(found, precision=3, threshold=6)
        raise _fault(name, f"gives {said} for an image", "probabilities, which add up to 1; a softmax makes them")


def _check_parts(model: Any, layer_modules: tuple[str, ...], name: str) -> None:
    saving = backend.keras.saving
    for part in _foreign(saving.serialize_keras_object(model)):
        title = f"the part {part['class_name']} ({part.get('module')}, {part.get('registered_name')})"
        try:
            saving.deserialize_keras_object(part, safe_mode=True)
        except Exception as error:
            raise InputError(
                f"{name}: {title} cannot be loaded from a model file: {_first(error)}; use Keras's layers, or your "
                "own under keras.saving.register_keras_serializable, with a get_config that returns its arguments"
            ) from error
        key = part["config"] if part["class_name"] == "function" else part.get("registered_name")
        own = saving.get_registered_object(key) if isinstance(key, str) else None
        if own is not None and own.__module__ not in layer_modules:
            raise InputError(
                f"{name}: {title} is registered by {own.__module__}, and layer_modules names {list(layer_modules)}; "
                "add it, so that it is known before a model file is read"
            )


def _foreign(config: Any) -> Iterator[dict[str, Any]]:
    """Find the parts of a model's configuration that are not Keras's own, outermost first."""
    if isinstance(config, dict):
        module, kind = config.get("module") or "", config.get("class_name")
        ours = module == "keras" or module.startswith("keras.")
        if "config" in config and (kind == "__lambda__" or (module and not ours)):
            yield config
    if isinstance(config, dict | list | tuple):
        for value in config.values() if isinstance(config, dict) else config:
            yield from _foreign(value)


def _first(error: Exception) -> str:
    """Return Keras's message without the configuration that follows it."""
    return " ".join(str(error).partition("Full object config")[0].split()).rstrip(".")


def _fault(name: str, found: str, expected: str) -> InputError:
    return InputError(f"make_network of {name} returned a model that {found}; expected {expected}")
