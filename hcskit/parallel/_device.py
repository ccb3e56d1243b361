"""What a process computes on: decided here, once, for training and prediction.

Two kinds of process ask. The one that starts a rank or a worker must assign a GPU before TensorFlow is loaded, so
`bind_gpus` uses the environment and the machine only. The process itself asks TensorFlow what it got: `device`.
The reasons for each decision, and how to overrule it, are in docs/gpu.md. Memory growth is part of
`hcskit.models.backend`, as it must be set before TensorFlow finds its devices.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

from hcskit.errors import InputError
from hcskit.models import backend
from hcskit.models._networks import Precision
from hcskit.parallel._exchange import share
from hcskit.parallel._ranks import ranks
from hcskit.recipe._recipe import Recipe

__all__ = ["GPUS_PER_RANK", "Device", "bind_gpus", "decided", "device", "in_native_precision", "visible_gpus"]

#: Variable with the cluster file's request for each rank: a GPU (1) or none (0).
GPUS_PER_RANK = "HCSKIT_GPUS_PER_RANK"
_VISIBLE = "CUDA_VISIBLE_DEVICES"
#: Number of GPUs, set if there are more processes than GPUs, so that they could not be bound.
_TOO_FEW = "HCSKIT_TOO_FEW_GPUS"
_XLA = "HCSKIT_XLA"
_TENSOR_CORES = (7, 0)  # NVIDIA Volta: float16 (TensorFlow's guide to mixed precision)
_BFLOAT16 = (8, 0)  # NVIDIA Ampere
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}  # of x86 processors, as Linux names them


@dataclass(frozen=True)
class Device:
    """What this process computes on.

    Attributes
    ----------
    name : str
        As TensorFlow calls it.
    capability : tuple of int, optional
        CUDA compute capability of a GPU; none for a processor.
    precisions : frozenset of str
        What it computes in at full speed.
    xla : bool
        Whether steps of training and prediction are compiled with XLA.

    Examples
    --------
    >>> Device.gpu("NVIDIA A100", (8, 0)).precision
    'bfloat16'
    >>> Device.gpu("Tesla T4", (7, 5)).precision
    'float16'
    >>> Device.cpu({"avx512_bf16"}).precision
    'float32'
    """

    name: str
    capability: tuple[int, int] | None
    precisions: frozenset[Precision]
    xla: bool = False

    @classmethod
    def cpu(cls, flags: set[str] | None = None) -> Device:
        """Describe a processor with the given flags; by default this machine's."""
        native: set[Precision] = {"float32"}
        if _BFLOAT16_FLAGS & (_flags() if flags is None else flags):
            native.add("bfloat16")
        return cls("CPU", None, frozenset(native))

    @classmethod
    def gpu(cls, name: str, capability: tuple[int, int]) -> Device:
        """Describe a GPU with the given CUDA compute capability."""
        native: set[Precision] = {"float32"}
        if capability >= _TENSOR_CORES:
            native.add("float16")
        if capability >= _BFLOAT16:
            native.add("bfloat16")
        # Keras's own rule: XLA on a GPU, none on a processor, and none where a training is distributed (`device`).
        return cls(name, capability, frozenset(native), xla=True)

    @property
    def is_gpu(self) -> bool:
        """Whether it is a GPU."""
        return self.capability is not None

    @property
    def precision(self) -> Precision:
        """Default precision of networks; their weights are always float32."""
        if not self.is_gpu:
            return "float32"
        # bfloat16 has the range of float32, so the loss need not be scaled.
        best: tuple[Precision, ...] = ("bfloat16", "float16", "float32")
        return next(precision for precision in best if precision in self.precisions)


@cache
def device() -> Device:
    """Return what this process computes on; asks TensorFlow, once.

    Raises
    ------
    InputError
        If the cluster's file asks for a GPU, and TensorFlow sees none.
    """
    config = backend.tf.config
    gpus = config.list_physical_devices("GPU")
    if not gpus and os.environ.get(GPUS_PER_RANK) == "1":
        raise InputError(
            f"the cluster's file asks for a GPU for each rank, and TensorFlow sees none on {os.uname().nodename} "
            f"({_VISIBLE} is {os.environ.get(_VISIBLE)!r}); check that nvidia-smi shows one and that CUDA's libraries "
            "are installed (pip install 'tensorflow[and-cuda]'), or set gpus_per_rank to 0"
        )
    if gpus:
        details = config.experimental.get_device_details(gpus[0])
        found = Device.gpu(details.get("device_name", "GPU"), details.get("compute_capability", (0, 0)))
    else:
        found = Device.cpu()
    # Horovod's exchange can be part of a compiled step only if Horovod was built for it.
    wanted = os.environ.get(_XLA, "1" if found.xla else "0") == "1"
    return replace(found, xla=wanted and ranks().size == 1)


def decided(recipe: Recipe) -> Recipe:
    """Return the recipe with everything that the device decides; rank 0's device decides for all.

    Raises
    ------
    InputError
        If ranks would have to share a GPU, or as `device` raises it.
    """
    own = device()
    if own.is_gpu and _TOO_FEW in os.environ:
        raise _too_few("the ranks of this machine", int(os.environ[_TOO_FEW]))
    precision = share(recipe.model.precision or own.precision)
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"precision": precision})})


def in_native_precision(model: Any) -> Any:
    """Make layers compute in float32 if this device is slow in their trained precision; weights are unchanged.

    Parameters
    ----------
    model : keras.Model
        Changed in place.
    """
    native = device().precisions
    for layer in model._flatten_layers():
        if layer.compute_dtype not in native:
            layer.dtype_policy = "float32"
    return model


def visible_gpus(environment: Mapping[str, str] = os.environ, dev: Path = Path("/dev")) -> tuple[str, ...]:
    """Name the GPUs that a process with this environment may use, in CUDA's terms, without loading CUDA.

    Parameters
    ----------
    environment : mapping of str to str
        Environment in which the batch system, for example, may have set ``CUDA_VISIBLE_DEVICES``.
    dev : Path
        Folder of the machine's devices; used if the variable is not set.

    Examples
    --------
    >>> visible_gpus({"CUDA_VISIBLE_DEVICES": "2,GPU-5a1c"})
    ('2', 'GPU-5a1c')
    """
    named = environment.get(_VISIBLE)
    if named is None:
        return tuple(str(number) for number in range(len(list(dev.glob("nvidia[0-9]*")))))
    # To CUDA, what follows an invalid name is hidden as well.
    return tuple(takewhile(lambda name: name not in ("", "-1"), map(str.strip, named.split(","))))


def bind_gpus(
    environment: Mapping[str, str], number: int, count: int, each: int = 1, *, dev: Path = Path("/dev")
) -> dict[str, str]:
    """Return the variables that give one of several processes its own GPUs.

    Parameters
    ----------
    environment : mapping of str to str
        Environment of the processes: the GPUs to share out, and whether the cluster's file asks for any.
    number, count : int
        Which of the processes it is, and how many there are.
    each : int
        GPUs of each.
    dev : Path
        As `visible_gpus` takes it.

    Raises
    ------
    InputError
        If GPUs are requested and there are too few. If none are requested, the process decides (`decided`), because
        TensorFlow may not use the GPUs.

    Examples
    --------
    >>> bind_gpus({"CUDA_VISIBLE_DEVICES": "4,5,6,7"}, number=1, count=2)
    {'CUDA_VISIBLE_DEVICES': '5'}
    >>> bind_gpus({"HCSKIT_GPUS_PER_RANK": "0"}, number=0, count=1)
    {'CUDA_VISIBLE_DEVICES': '-1'}
    """
    asked, seen = environment.get(GPUS_PER_RANK), visible_gpus(environment, dev)
    if asked == "0":
        return {_VISIBLE: "-1"}
    if count * each <= len(seen) and _TOO_FEW not in environment:
        return {_VISIBLE: ",".join(seen[number * each : (number + 1) * each])}
    if asked == "1":
        raise _too_few(f"{count * each} rank{'s' * (count * each != 1)}", len(seen))
    return {_TOO_FEW: environment.get(_TOO_FEW, str(len(seen)))} if seen else {}


def _too_few(who: str, gpus: int) -> InputError:
    return InputError(
        f"{who} on {os.uname().nodename} need a GPU each, and there {'is' if gpus == 1 else 'are'} {gpus}; start fewer "
        "ranks (workers, ranks_per_worker in the cluster's file), or set gpus_per_rank to 0 to compute without GPUs"
    )


def _flags() -> set[str]:
    """Return the processor's flags from Linux; empty if unknown."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())
