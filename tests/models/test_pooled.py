"""The layer against the framework's own convolutions and pooling: values, gradients, ties, files, precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from hcskit.errors import InputError
from hcskit.models import PooledConvolutions, _chunks, mcnn
from hcskit.models._sparse import dense, recomputed, sparse, sparse_pays
from hcskit.models.backend import keras

layers = keras.layers


def _weights(convolutions: int, kernel: int, channels: int, filters: int, dtype: str) -> tuple[list[Any], list[Any]]:
    rng, kernels = np.random.default_rng(0), []
    for inputs in [channels] + [filters] * (convolutions - 1):
        values = rng.normal(0, np.sqrt(2 / (kernel**2 * inputs)), (kernel, kernel, inputs, filters))
        kernels.append(tf.constant(values, dtype))
    return kernels, [tf.constant(rng.normal(0, 0.3, filters), dtype) for _ in kernels]


def _derive(compute: Any, x: Any, weights: tuple[list[Any], list[Any]], pool: int, jit: bool) -> list[Any]:
    """Return the value, and the gradients of a function of it for images and weights, from a graph."""
    return [result.numpy() for result in tf.function(_gradients(compute, pool), jit_compile=jit)(x, *weights)]


def _derive_plain(x: Any, weights: tuple[list[Any], list[Any]], pool: int) -> list[Any]:
    """Return the same of the framework's own layers, without a graph: for a single run, to make one takes longer."""
    return [result.numpy() for result in _gradients(_plain, pool)(x, *weights)]


def _gradients(compute: Any, pool: int) -> Any:
    def run(x: Any, kernels: list[Any], biases: list[Any]) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch([x, kernels, biases])
            y = compute(x, kernels, biases, pool)
            loss = tf.reduce_sum(tf.sin(3 * y))
        image, of_kernels, of_biases = tape.gradient(loss, [x, kernels, biases])
        return [y, image, *of_kernels, *of_biases]

    return run


def _assert_same(got: list[Any], expected: list[Any], tolerance: float) -> None:
    for g, e in zip(got, expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=0, atol=tolerance * np.abs(e).max())


def _plain(x: Any, kernels: list[Any], biases: list[Any], pool: int) -> Any:
    for kernel, bias in zip(kernels, biases, strict=True):
        x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME") + bias)
    return tf.nn.max_pool2d(x, pool, pool, "VALID")


CASES = [  # convolutions, kernel, pool, height, width
    (3, 5, 8, 37, 41),
    (3, 5, 16, 64, 48),
    (1, 3, 7, 30, 22),
    (2, 3, 1, 9, 8),
    (3, 3, 13, 40, 41),
    (2, 5, 12, 26, 25),
    (2, 1, 4, 8, 8),
    (4, 3, 24, 24, 50),
]


@pytest.mark.parametrize(
    ("convolutions", "kernel", "pool", "height", "width", "jit"),
    [(*case, False) for case in CASES[:2]]
    + [pytest.param(*case, False, marks=pytest.mark.slow) for case in CASES[2:]]
    + [pytest.param(*case, True, marks=pytest.mark.slow) for case in (CASES[2], (2, 3, 12, 26, 25))],
)
def test_values_and_gradients_are_those_of_the_plain_layers(
    convolutions: int, kernel: int, pool: int, height: int, width: int, jit: bool
) -> None:
    x = tf.constant(np.random.default_rng(1).normal(size=(3, height, width, 2)))
    weights = _weights(convolutions, kernel, 2, 4, "float64")
    _assert_same(_derive(sparse, x, weights, pool, jit), _derive_plain(x, weights, pool), 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("pool", "jit"), [(1, False), (4, False), (4, True)])
def test_to_compute_again_for_the_gradient_changes_nothing(pool: int, jit: bool) -> None:
    x = tf.constant(np.random.default_rng(1).normal(size=(3, 26, 25, 2)))
    weights = _weights(3, 3, 2, 4, "float64")
    _assert_same(_derive(recomputed, x, weights, pool, jit), _derive_plain(x, weights, pool), 1e-12)


def test_what_a_layer_keeps_of_an_image_has_a_limit() -> None:
    layer = PooledConvolutions(16, 5, pool=16)
    assert layer.kept((128, 160, 3)) == 3 * 128 * 160 * 16 + 128 * 10 * 16
    assert layer.kept((256, 320, 3)) == 0
    x = np.random.default_rng(0).random((1, 256, 320, 3), np.float32)
    np.testing.assert_array_equal(layer(x), dense(x, layer.kernels, layer.biases, 16))


@pytest.mark.slow
def test_in_float32_as_well() -> None:
    x = tf.constant(np.random.default_rng(1).random((2, 128, 96, 3)), "float32")
    weights = _weights(3, 5, 3, 16, "float32")
    _assert_same(_derive(sparse, x, weights, 32, False), _derive_plain(x, weights, 32), 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("compute", [sparse, dense])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("pool", [13, 32])
def test_of_several_maxima_the_same_wins_as_in_the_framework(pool: int, dtype: str, compute: Any) -> None:
    # A pattern that repeats every 5 by 3 pixels, of small whole numbers: each pool has its maximum several times.
    x = np.tile(np.random.default_rng(2).integers(0, 3, (2, 5, 3, 2)), (1, 14, 23, 1))
    kernel, bias = np.random.default_rng(3).integers(-2, 3, (3, 3, 2, 4)), [0.0, 1, 2, -1]

    def typed(dtype: str) -> tuple[Any, Any]:
        return tf.constant(x, dtype), ([tf.constant(kernel, dtype)], [tf.constant(bias, dtype)])

    value, of_images, *_ = (part.astype(np.float64) for part in _derive(compute, *typed(dtype), pool, False))
    # Compared with float32: in bfloat16 the framework's own gradient is wrong for large pools (docs/performance.md).
    expected_value, expected, *_ = _derive_plain(*typed("float32"), pool)
    np.testing.assert_array_equal(value, expected_value)
    assert (expected == 0).any()  # or it would not tell one winner from another
    _assert_same([of_images], [expected], {"bfloat16": 0.05, "float16": 0.01, "float32": 1e-5}[dtype])


@pytest.mark.slow
def test_what_is_dead_gets_no_gradient() -> None:
    x, (kernels, biases) = tf.ones((1, 16, 16, 1)), _weights(2, 3, 1, 2, "float32")
    biases[-1] -= 100.0
    value, *gradients = _derive(sparse, x, (kernels, biases), 8, False)
    assert not value.any()
    assert not any(gradient.any() for gradient in gradients)


@pytest.mark.slow
@pytest.mark.parametrize("pixels", [1, 2 * 32 * 32, 4 * 32 * 32, 10**9])
@pytest.mark.parametrize("compute", [sparse, recomputed])
def test_size_of_chunks_changes_nothing(pixels: int, compute: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x, weights = tf.constant(np.random.default_rng(1).random((6, 32, 32, 2))), _weights(2, 3, 2, 3, "float64")
    expected = _derive_plain(x, weights, 16)
    monkeypatch.setattr(_chunks, "PIXELS", pixels)
    _assert_same(_derive(compute, x, weights, 16, False), expected, 1e-12)


def test_size_of_images_and_batch_may_be_unknown() -> None:
    kernels, biases = _weights(2, 3, 2, 3, "float64")
    compute = tf.function(
        lambda x: sparse(x, kernels, biases, 8), input_signature=[tf.TensorSpec((None, None, None, 2), tf.float64)]
    )
    for shape in ((1, 16, 24, 2), (5, 33, 17, 2)):
        x = tf.constant(np.random.default_rng(1).random(shape))
        np.testing.assert_array_equal(compute(x), dense(x, kernels, biases, 8))


@pytest.mark.slow
def test_nothing_is_computed_for_images_that_need_no_gradient() -> None:
    kernels, biases = _weights(2, 3, 2, 3, "float32")

    def kinds(of_images: bool) -> set[str]:
        @tf.function
        def run(x: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch([x, *kernels])
                y = sparse(x, kernels, biases, 8)
            return tape.gradient(y, x if of_images else kernels)

        graph = run.get_concrete_function(tf.TensorSpec((2, 16, 16, 2))).graph
        return _kinds_of_operations(graph, [*graph.outputs, *graph.control_outputs])

    assert "UnsortedSegmentSum" in kinds(of_images=True)
    assert "UnsortedSegmentSum" not in kinds(of_images=False)


def _kinds_of_operations(graph: Any, wanted: list[Any]) -> set[str]:
    """Of all operations that results depend on, those in the bodies of loops as well."""
    functions = {function.signature.name: function for function in graph.as_graph_def().library.function}
    seen, found = set(), set()
    stack = [getattr(result, "op", result) for result in wanted]
    while stack:
        operation = stack.pop()
        if operation.name in seen:
            continue
        seen.add(operation.name)
        found.add(operation.type)
        if operation.type in ("While", "StatelessWhile"):
            found |= {node.op for node in functions[operation.get_attr("body").name].node_def}
        stack += [tensor.op for tensor in operation.inputs] + list(operation.control_inputs)
    return found


@pytest.mark.slow
def test_the_layer_learns_as_the_plain_layers_do() -> None:
    """In a model that learns something before it, by Keras's own training loop."""

    def train(build: Any) -> list[Any]:
        keras.utils.set_random_seed(0)
        image = keras.Input((64, 96, 1))
        pooled = build(layers.Conv2D(2, 1)(image))
        model = keras.Model(image, layers.Dense(2, activation="softmax")(layers.Flatten()(pooled)))
        model.compile(optimizer=keras.optimizers.SGD(0.1), loss="categorical_crossentropy")
        rng = np.random.default_rng(0)
        model.fit(rng.random((7, 64, 96, 1)), np.eye(2)[np.arange(7) % 2], batch_size=4, shuffle=False, verbose=0)
        return model.get_weights()

    def plain(x: Any) -> Any:
        for _ in range(3):
            x = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
        return layers.MaxPooling2D(32)(x)

    layer = PooledConvolutions(6, 3, pool=32)
    got, expected = train(layer), train(plain)
    assert sparse_pays(3, 3, 2, 6, 32)
    for g, e in zip(sorted(got, key=np.shape), sorted(expected, key=np.shape), strict=True):
        assert g.shape == e.shape
    # The layer lists its kernels, then its biases; plain layers list a kernel and a bias each.
    order = [0, 1, 2, 4, 6, 3, 5, 7, 8, 9] if got[3].ndim == 4 else range(len(got))
    _assert_same(got, [expected[i] for i in order], 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_in_mixed_precision_gradients_of_weights_are_summed_in_float32(dtype: str) -> None:
    x = tf.cast(np.random.default_rng(0).random((3, 64, 64, 3)), dtype)
    weights = _weights(2, 3, 3, 8, "float32")
    got, again, expected = (_derive(compute, x, weights, 32, False) for compute in (sparse, recomputed, dense))
    for g, e in zip(again, expected, strict=True):
        assert np.linalg.norm(g - e) < 0.02 * np.linalg.norm(e)
    assert [gradient.dtype for gradient in got[2:]] == [np.float32] * 4
    np.testing.assert_array_equal(got[0], expected[0])
    for g, e in zip(got[2:], expected[2:], strict=True):
        assert np.linalg.norm(g - e) < 0.02 * np.linalg.norm(e)


def test_a_layer_of_mixed_precision_keeps_its_weights_in_float32() -> None:
    layer = PooledConvolutions(8, 3, pool=32, dtype="mixed_bfloat16")
    assert layer(np.ones((1, 64, 64, 3), np.float32)).dtype == tf.bfloat16
    assert {weight.dtype for weight in layer.weights} == {"float32"}


@pytest.mark.slow
def test_a_saved_network_predicts_the_same(tmp_path: Path) -> None:
    model = mcnn((130, 150, 2), 3, head="pool", features=8, hidden=4)
    x = np.random.default_rng(0).random((2, 130, 150, 2), np.float32)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.predict_on_batch(x), model.predict_on_batch(x))


@pytest.mark.slow
def test_the_network_has_the_values_of_its_table_of_plain_layers() -> None:
    model = mcnn((128, 160, 2), 3, head="pool", features=8, hidden=4)
    x = np.random.default_rng(0).random((2, 128, 160, 2), np.float32)
    branches = keras.Model(model.input, model.get_layer("scales").output)
    parts = []
    for level in range(6):
        layer = model.get_layer(f"scale{2**level}")
        part = tf.nn.max_pool2d(x, 2**level, 2**level, "VALID")
        for kernel, bias in zip(layer.kernels, layer.biases, strict=True):
            part = tf.nn.relu(tf.nn.conv2d(part, kernel, 1, "SAME") + bias)
        parts.append(tf.nn.max_pool2d(part, 2 ** (5 - level), 2 ** (5 - level), "VALID"))
    np.testing.assert_allclose(branches.predict_on_batch(x), np.concatenate(parts, -1), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "word"), [({"filters": 0}, "filters"), ({"pool": -1}, "pool"), ({"kernel_size": 4}, "odd")]
)
def test_impossible_layers_are_refused(change: dict[str, int], word: str) -> None:
    with pytest.raises(InputError, match=word):
        PooledConvolutions(**({"filters": 4, "kernel_size": 3, "pool": 2} | change))
