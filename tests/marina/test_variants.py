"""Variants and their gate: int8 is built from shipped ranges, and served only where it answers as float32 does."""

import json
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from handlers.runtime import load_model
from marina.archive import build_archive
from marina.errors import MarinaError
from marina.gate import Refused, agrees
from marina.measuring import Plan, fastest, measure_variants
from marina.model_config import read_model_config
from marina.quantize import fold_normalisation, measure_ranges, quantize
from marina.variants import MEASURED, RANGES, candidates, read_ranges
from tests.tiny import CONFIG, write_tiny_names

SHAPE = (16, 3, 8, 8)  # a convolution's weights: enough of them that some are kept as float16


def write_network(folder: Path) -> Path:
    """A network of two convolutions on 32 x 32 pixels, which tells red, green and blue from one another."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True)
    weights = generator.normal(0, 0.02, SHAPE).astype(np.float32)
    weights[:3] += 0.02 * np.eye(3, dtype=np.float32)[:, :, None, None]
    last = np.zeros((3, 16, 1, 1), np.float32)
    last[np.arange(3), np.arange(3)] = 1
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "first"], ["features"], strides=[8, 8], name="first_conv"),
        helper.make_node("Relu", ["features"], ["positive"]),
        helper.make_node("Conv", ["positive", "last"], ["classes"], name="last_conv"),
        helper.make_node("GlobalAveragePool", ["classes"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["logits"]),
    ]
    values = {"scale": np.array(1 / 255, np.float32), "first": weights, "last": last}
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 32, 32, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), folder / "graph.onnx"
    )
    (folder / "model-config.yaml").write_text(CONFIG)
    (folder / "samples").mkdir()
    for name, colour in {"red": (230, 20, 30), "green": (10, 220, 40), "blue": (20, 30, 240)}.items():
        Image.new("RGB", (40, 40), colour).save(folder / "samples" / f"{name}.png")
    return folder


def normalising(pad: int, scale: tuple[float, ...] = (0.017, 0.018, 0.017)) -> onnx.ModelProto:
    """A convolution behind the normalisation of ImageNet's pictures."""
    weights = np.random.default_rng(0).normal(0, 1, (4, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["shifted"]),
        helper.make_node("Transpose", ["shifted"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "weights"], ["features"], pads=[pad] * 4),
    ]
    values = {"scale": np.float32(scale), "shift": np.float32([-2.12, -2.04, -1.8]), "weights": weights}
    graph = helper.make_graph(
        nodes,
        "normalising",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, [None, 12, 12, 3])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def compute(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"images": images})[0])


@pytest.mark.parametrize("pad", [0, 1])
def test_a_normalisation_is_moved_into_the_weights_and_changes_nothing_but_the_edge(pad: int) -> None:
    images = np.random.default_rng(1).integers(0, 256, (2, 12, 12, 3), dtype=np.uint8)
    expected = compute(normalising(pad), images)
    model = normalising(pad)
    assert fold_normalisation(model) == {"planes": (-115.0, 140.0)}
    assert [node.op_type for node in model.graph.node] == ["Cast", "Sub", "Transpose", "Conv"]
    found = compute(model, images)
    assert found[:, :, pad : 12 - pad, pad : 12 - pad] == pytest.approx(
        expected[:, :, pad : 12 - pad, pad : 12 - pad], abs=1e-4
    )
    assert np.abs(found - expected).max() < (1e-4 if pad == 0 else 3)


def test_a_graph_that_begins_otherwise_stays_as_it_is() -> None:
    other = normalising(0, scale=(0.017,))
    before = other.SerializeToString()
    assert fold_normalisation(other) == {}
    assert other.SerializeToString() == before


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return write_network(tmp_path / "convolutions")


def pictures(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def test_an_int8_graph_answers_nearly_as_float32_in_both_runtimes_and_is_the_same_whenever_it_is_built(
    network: Path, tmp_path: Path
) -> None:
    graph = network / "graph.onnx"
    ranges = measure_ranges(graph, [{"images": pictures(8, seed)} for seed in range(3)], percentile=100)
    int8 = quantize(graph, ranges)
    assert int8 == quantize(graph, ranges)
    (tmp_path / "int8.onnx").write_bytes(int8)
    kinds = {node.op_type for node in onnx.load_from_string(int8).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    asked = pictures(16, seed=9)
    expected = load_model(str(graph), "onnxruntime", 1)(asked)
    for runtime in ("onnxruntime", "openvino"):
        answered = load_model(str(tmp_path / "int8.onnx"), runtime, 1)(asked)
        assert np.abs(answered - expected).max() < 0.05 * np.abs(expected).max()


def test_variants_are_measured_written_and_packed_with_their_figures(network: Path, tmp_path: Path) -> None:
    assert ("int8", "openvino") not in candidates(read_model_config(network))
    rows = measure_variants(network, Plan(percentile=100, seconds=0.1), True, print)
    assert {("float32", "onnxruntime"), ("int8", "onnxruntime"), ("int8", "openvino")} <= {
        (row.variant, row.runtime) for row in rows
    }
    assert all(row.passed and row.agreement == 1 for row in rows)
    assert fastest(rows).speed_up == max(row.speed_up for row in rows)
    path, answers = build_archive(network, tmp_path / "out", "int8", "openvino")
    assert [next(iter(json.loads(answer))) for _, answer in answers] == ["blue", "green", "red"]
    with zipfile.ZipFile(path) as archive:
        provenance = json.loads(archive.read("provenance.json"))
        settings = json.loads(archive.read("settings.json"))
    assert settings["runtime"] == "openvino"
    assert provenance["variant"] == "int8"
    assert provenance["measured"]["speed_up"] > 0
    assert provenance["measured"]["sha256"] == provenance["model_sha256"]


def test_a_variant_made_worse_on_purpose_is_refused(network: Path, tmp_path: Path) -> None:
    measure_variants(network, Plan(percentile=100, seconds=0.1), True, print)
    build_archive(network, tmp_path / "sound", "int8", "onnxruntime")
    document = json.loads((network / RANGES).read_text())
    tensors = document["graphs"]["graph.onnx"]
    # Everything beyond a hundredth of each range is clipped: the classes can no longer be told apart.
    document["graphs"]["graph.onnx"] = {name: [low / 100, high / 100] for name, (low, high) in tensors.items()}
    (network / RANGES).write_text(json.dumps(document))
    with pytest.raises(Refused, match=r"answers .* of the 3 inputs as float32 does; at least 100.0% are wanted"):
        build_archive(network, tmp_path / "worse", "int8", "onnxruntime")
    assert not (tmp_path / "worse").exists()


def test_a_model_on_texts_has_variants_too(tmp_path: Path) -> None:
    write_tiny_names(tmp_path / "names")
    rows = measure_variants(tmp_path / "names", Plan(percentile=100, seconds=0.1), False, print)
    assert {(row.variant, row.runtime) for row in rows} >= {
        (variant, runtime) for variant in ("float32", "int8") for runtime in ("onnxruntime", "openvino")
    }


def test_what_was_measured_to_be_worse_is_refused_with_its_figures(network: Path, tmp_path: Path) -> None:
    measure_variants(network, Plan(percentile=100, seconds=0.1), True, print)
    document = json.loads((network / MEASURED).read_text())
    for row in document["variants"]:
        if row["variant"] == "int8":
            row |= {"passed": False, "reason": "int8 is refused: its accuracy is 0.7000, worse by 0.1000"}
    (network / MEASURED).write_text(json.dumps(document))
    with pytest.raises(Refused, match=r"worse by 0\.1000"):
        build_archive(network, tmp_path / "out", "int8", "onnxruntime")


def test_int8_without_ranges_and_a_variant_that_is_none_are_named(network: Path, tmp_path: Path) -> None:
    with pytest.raises(MarinaError, match="which int8 needs: measure them"):
        build_archive(network, tmp_path, "int8")
    with pytest.raises(MarinaError, match="'int4' is no variant; there are: float32"):
        build_archive(network, tmp_path, "int4")
    with pytest.raises(MarinaError, match="bf16 runs in openvino"):
        build_archive(network, tmp_path, "bf16", "onnxruntime")
    assert not read_model_config(network).archive.int8
    with pytest.raises(MarinaError):
        read_ranges(read_model_config(network))


def test_a_bf16_archive_answers_where_the_processor_has_no_bf16(network: Path, tmp_path: Path) -> None:
    _, answers = build_archive(network, tmp_path, "bf16")
    assert len(answers) == 3


@pytest.mark.parametrize(
    ("answer", "reference", "same"),
    [
        ({"bee": 0.6, "ant": 0.4}, {"bee": 0.9, "ant": 0.1}, True),
        ({"ant": 0.6, "bee": 0.4}, {"bee": 0.51, "ant": 0.49}, False),
        ({"score": -1.0, "tokens": 9}, {"score": -1.05, "tokens": 9}, True),
        ({"score": -1.0, "tokens": 9}, {"score": -1.5, "tokens": 9}, False),
        ({"score": -1.0, "tokens": 8}, {"score": -1.0, "tokens": 9}, False),
        ([{"word": "Ada", "score": 0.9}], [{"word": "Ada", "score": 0.95}], True),
        ([{"word": "Ada", "score": 0.9}], [], False),
        ({"answer": "tea", "top": [1]}, {"answer": "tea", "top": [2]}, True),
        ({"answer": "tea"}, {"answer": "sea"}, False),
    ],
)
def test_answers_agree_where_they_say_the_same(answer: object, reference: object, same: bool) -> None:
    assert agrees(answer, reference, 0.1) is same
