"""A network on floats, as most ONNX files are, becomes one on pixels."""

import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from marina.errors import MarinaError
from marina.graphs import adapt, adapt_file, find_fault
from tests.tiny import mean_colour

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)


def float_network(batch: int | str = 1, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """float32 (batch, 3, 32, 32) -> float32 (batch, 3): the mean of each channel, twice."""
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["x", "axes"], ["means"], keepdims=0),
            helper.make_node("Mul", ["means", "two"], ["y"]),
        ],
        "network",
        [helper.make_tensor_value_info("x", kind, [batch, 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 3])],
        [numpy_helper.from_array(np.array([2, 3]), "axes"), numpy_helper.from_array(np.array(2, np.float32), "two")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize("batch", [1, "N"])
def test_an_adapted_network_normalises_pixels_as_its_training_did(batch: int | str) -> None:
    adapted = adapt(float_network(batch), MEAN, STD)
    assert find_fault(adapted.SerializeToString(), 32) == ""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(adapted.SerializeToString(), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {"images": pixels})
    expected = 2 * ((pixels / 255 - MEAN) / STD).mean(axis=(1, 2))
    np.testing.assert_allclose(answer, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (b"no graph", "no ONNX graph"),
        (float_network().SerializeToString(), r"float \(1, 3, 32, 32\)"),
        (mean_colour().SerializeToString(), r"uint8 \(any, 32, 32, 3\); the handler has uint8 \(any, 64, 64, 3\)"),
    ],
)
def test_what_keeps_a_graph_from_taking_pixels_is_told(graph: bytes, words: str) -> None:
    assert re.search(words, find_fault(graph, 64))


def test_what_is_no_float_network_on_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MarinaError, match="float32"):
        adapt(mean_colour(), MEAN, STD)
    (tmp_path / "a.onnx").write_bytes(b"no graph")
    with pytest.raises(MarinaError, match="ONNX"):
        adapt_file(tmp_path / "a.onnx", tmp_path / "b.onnx", MEAN, STD)
