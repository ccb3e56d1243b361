"""What a process computes on, and what follows from it: decisions, binding, and networks that still learn the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hcskit.data import ImageFolder, open_data
from hcskit.errors import InputError
from hcskit.models import mcnn
from hcskit.models.backend import computing_in, keras, tf
from hcskit.parallel import GPUS_PER_RANK, Device, bind_gpus, decided, device, in_native_precision, visible_gpus
from hcskit.recipe import Recipe
from hcskit.training import fit, load_model, network_and_batches

NO_GPU = Path("/nowhere")


@pytest.fixture
def ask_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Let the device be described again, in the environment that the test makes; and again after it."""
    device.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    device.cache_clear()


@pytest.fixture
def images(tmp_path: Path) -> ImageFolder:
    """Dark and bright images, ten of each."""
    rng = np.random.default_rng(0)
    for label, level in (("dark", 60), ("bright", 180)):
        (tmp_path / "images" / label).mkdir(parents=True)
        for number in range(10):
            image = rng.normal(level, 20, (8, 8)).clip(0, 255).astype(np.uint8)
            Image.fromarray(image).save(tmp_path / "images" / label / f"{number}.png")
    found = open_data(tmp_path / "images")
    assert isinstance(found, ImageFolder)
    return found


def _recipe(**model: object) -> Recipe:
    return Recipe.model_validate(
        {
            "data": {"crop": None},
            "model": {"scales": 1, "features": 4, "hidden": 4, **model},
            "optimiser": {"epochs": 4, "batch": 8, "parts": 2, "clip_norm": 1.0, "learning_rate": 0.02},
        }
    )


@pytest.mark.parametrize(
    ("capability", "precision"),
    [
        ((6, 1), "float32"),
        ((7, 0), "float16"),
        ((7, 5), "float16"),
        ((8, 0), "bfloat16"),
        ((8, 9), "bfloat16"),
        ((9, 0), "bfloat16"),
        ((12, 0), "bfloat16"),
    ],
)
def test_a_gpu_computes_in_what_its_tensor_cores_have(capability: tuple[int, int], precision: str) -> None:
    found = Device.gpu("a GPU", capability)
    assert found.is_gpu
    assert (found.precision, found.xla) == (precision, True)
    assert {"float32", precision} <= found.precisions


@pytest.mark.parametrize(("flag", "native"), [("avx2", {"float32"}), ("amx_bf16", {"float32", "bfloat16"})])
def test_a_processor_computes_in_float32_by_default(flag: str, native: set[str]) -> None:
    found = Device.cpu({"fpu", flag})
    assert not found.is_gpu
    assert (found.precision, found.xla, found.precisions) == ("float32", False, native)


@pytest.mark.parametrize("kind", ["mcnn", "mcnn_residual", "resnet"])
def test_what_a_recipe_leaves_open_is_what_it_was_before_it_could(kind: str) -> None:
    if device().is_gpu:
        pytest.skip("a GPU computes in another precision by default")
    before = Recipe.model_validate({"model": {"kind": kind, "precision": "float32"}})
    # Trainings resume, and cards are compared, by this text.
    assert decided(Recipe.model_validate({"model": {"kind": kind}})).model_dump_json() == before.model_dump_json()
    chosen = Recipe.model_validate({"model": {"kind": kind, "precision": "float16"}})
    assert decided(chosen) == chosen


def test_gpus_are_counted_without_cuda(tmp_path: Path) -> None:
    assert visible_gpus({}, tmp_path) == ()
    for name in ("nvidia0", "nvidia3", "nvidiactl", "nvidia-uvm", "sda"):
        (tmp_path / name).touch()
    assert visible_gpus({}, tmp_path) == ("0", "1")  # to CUDA they are numbered anew
    for said, seen in {"": (), "-1": (), "1": ("1",), " 1, MIG-7": ("1", "MIG-7"), "2,-1,3": ("2",)}.items():
        assert visible_gpus({"CUDA_VISIBLE_DEVICES": said}, tmp_path) == seen


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), st.sampled_from([None, "1"]))
def test_ranks_of_all_workers_have_a_gpu_each(workers: int, ranks: int, spare: int, asked: str | None) -> None:
    names = [f"GPU-{number}" for number in range(workers * ranks + spare)]
    machine = {"CUDA_VISIBLE_DEVICES": ",".join(names)} | ({} if asked is None else {GPUS_PER_RANK: asked})
    given: list[str] = []
    for worker in range(workers):
        own = machine | bind_gpus(machine, worker, workers, ranks, dev=NO_GPU)
        given += [bind_gpus(own, rank, ranks, dev=NO_GPU)["CUDA_VISIBLE_DEVICES"] for rank in range(ranks)]
    assert given == names[: workers * ranks]


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 8))
def test_a_gpu_is_never_shared(workers: int, ranks: int, gpus: int) -> None:
    gpus = min(gpus, workers * ranks - 1)
    machine = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, range(gpus)))}
    with pytest.raises(
        InputError, match=rf"^{workers * ranks} ranks? on \S+ need a GPU each, and there (is|are) {gpus};"
    ):
        bind_gpus(machine | {GPUS_PER_RANK: "1"}, 0, workers, ranks, dev=NO_GPU)
    own = machine | bind_gpus(machine, 0, workers, ranks, dev=NO_GPU)
    # Nothing is bound; whether TensorFlow uses these GPUs at all, the ranks find out.
    assert own["CUDA_VISIBLE_DEVICES"] == machine["CUDA_VISIBLE_DEVICES"]
    left = bind_gpus(own, 0, ranks, dev=NO_GPU)
    assert left == ({"HCSKIT_TOO_FEW_GPUS": str(gpus)} if gpus else {})
    assert bind_gpus(machine | {GPUS_PER_RANK: "0"}, 0, workers, ranks, dev=NO_GPU) == {"CUDA_VISIBLE_DEVICES": "-1"}


def test_a_rank_that_was_promised_a_gpu_does_not_compute_without(ask_anew: pytest.MonkeyPatch) -> None:
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    ask_anew.setenv(GPUS_PER_RANK, "1")
    with pytest.raises(InputError, match=r"TensorFlow sees none on .*tensorflow\[and-cuda\].* gpus_per_rank to 0"):
        device()
    ask_anew.setenv(GPUS_PER_RANK, "0")
    assert not device().is_gpu


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(None, "true"), ("false", "false")])
def test_tensorflow_takes_memory_as_it_needs_it_unless_told_otherwise(before: str | None, after: str) -> None:
    name = "TF_FORCE_GPU_ALLOW_GROWTH"
    others = {variable: value for variable, value in os.environ.items() if variable != name}
    code = f"import os; from hcskit.models.backend import tf; print(os.environ['{name}'])"
    environment = others | ({} if before is None else {name: before})
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == after


@pytest.mark.slow
def test_a_compiled_training_learns_the_same(images: ImageFolder, ask_anew: pytest.MonkeyPatch) -> None:
    recipe = _recipe(dropout=0.0)
    learned = []
    for xla in ("0", "1"):
        ask_anew.setenv("HCSKIT_XLA", xla)
        device.cache_clear()
        model, batches = network_and_batches(images, recipe)
        assert model.jit_compile is (xla == "1")
        for number in range(4):
            model.train_on_batch(*batches[number])
        learned.append([variable.numpy() for variable in model.trainable_variables])
    for plain, compiled in zip(*learned, strict=True):
        np.testing.assert_allclose(compiled, plain, atol=2e-3)


@pytest.mark.slow
def test_half_precision_scales_its_loss_and_is_read_in_float32_where_that_is_faster(
    images: ImageFolder, tmp_path: Path
) -> None:
    recipe = _recipe(precision="float16")
    result = fit(images, recipe, tmp_path / "model", progress=False)
    network, _ = network_and_batches(images, recipe)
    assert type(network.optimizer) is keras.optimizers.LossScaleOptimizer
    assert result.card.recipe.model.precision == "float16"
    assert np.isfinite(result.history["loss"]).all()
    assert {layer.compute_dtype for layer in result.model._flatten_layers()} >= {"float16"}
    read, _ = load_model(tmp_path / "model")
    assert "float16" not in {layer.compute_dtype for layer in read._flatten_layers()} or device().is_gpu
    x = np.random.default_rng(1).normal(size=(4, 8, 8, 1)).astype(np.float32)
    # Eleven bits in each of a handful of layers.
    np.testing.assert_allclose(read.predict_on_batch(x), result.model.predict_on_batch(x), atol=1e-2)


@pytest.mark.slow
def test_layers_in_another_precision_keep_their_weights() -> None:
    with computing_in("float16"):
        network = mcnn((16, 16, 2), 3, head="pool", scales=2, features=4, hidden=4, batch_norm=True)
    weights = network.get_weights()
    plain = mcnn((16, 16, 2), 3, head="pool", scales=2, features=4, hidden=4, batch_norm=True)
    plain.set_weights(weights)
    x = np.random.default_rng(0).normal(size=(2, 16, 16, 2)).astype(np.float32)
    if not device().is_gpu:
        np.testing.assert_allclose(
            in_native_precision(network).predict_on_batch(x), plain.predict_on_batch(x), rtol=1e-6
        )
    for before, after in zip(weights, network.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    "model", [{"batch_norm": False, "head": "flatten"}, {}, {"kind": "mcnn_residual"}, {"kind": "resnet"}]
)
def test_a_gpu_has_every_operation_of_a_step_in_16_bits(precision: str, model: dict[str, object]) -> None:
    """Without a GPU as well: TensorFlow's packages for Linux know what a GPU would run."""
    from tensorflow.python.framework import kernels

    if not tf.test.is_built_with_cuda():
        pytest.skip("this TensorFlow was built without CUDA")
    sizes = {} if "kind" in model else {"hidden": 8, "scales": 7}
    section = Recipe.model_validate({"model": {**model, **sizes, "features": 8, "precision": precision}}).model
    network = section.build((256, 256, 2), 3)

    @tf.function
    def step(x: object, y: object) -> object:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.categorical_crossentropy(y, network(x, training=True)))
        return tape.gradient(loss, network.trainable_variables)

    graph = step.get_concrete_function(tf.zeros((2, 256, 256, 2)), tf.zeros((2, 3))).graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    half = tf.as_dtype(precision).as_datatype_enum
    used = {(node.op, name) for node in nodes for name, value in node.attr.items() if value.type == half}
    assert {"Conv2D", "Conv2DBackpropFilter"} <= {operation for operation, _ in used}
    missing = []
    for operation, name in sorted(used):
        known = kernels.get_registered_kernels_for_op(operation).kernel
        anywhere = [kernel for kernel in known if kernel.device_type == "GPU"]
        fits = [
            kernel
            for kernel in anywhere
            if all(half in limit.allowed_values.list.type for limit in kernel.constraint if limit.name == name)
        ]
        missing += [operation] if known and not fits else []
    assert not missing
