"""A model that gives probabilities itself is found out when its archive is built, and labels are told apart."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from marina.archive import build_archive
from marina.errors import MarinaError
from marina.graphs import find_output
from marina.verify import read_archive
from tests.tiny import mean_colour, write_tiny_ensemble, write_tiny_model, write_tiny_names

# What the sample gives: the logits are a tenth of the means 230, 20, 20; of the sigmoid, another tenth of them.
SOFTMAX = {"red": 1.0, "green": 0.0, "blue": 0.0}


def ending_in(model: onnx.ModelProto, *nodes: onnx.NodeProto) -> onnx.ModelProto:
    """The graph with nodes behind it: the first takes "logits", the last gives "end"."""
    model.graph.node.extend(nodes)
    model.graph.output[0].name = "end"
    return model


def soft(scale: float = 0.01) -> onnx.ModelProto:
    """The mean colour's logits, made small so that a second softmax shows, and softmax."""
    model = mean_colour()
    model.graph.initializer.append(numpy_helper.from_array(np.array(scale, np.float32), "small"))
    multiply = helper.make_node("Mul", ["logits", "small"], ["less"])
    return ending_in(model, multiply, helper.make_node("Softmax", ["less"], ["end"], axis=1))


def written_out() -> onnx.ModelProto:
    """Softmax in three nodes, as some exporters have it."""
    exponents = helper.make_node("Exp", ["logits"], ["exponents"])
    total = helper.make_node("ReduceSum", ["exponents", "last"], ["total"], keepdims=1)
    model = ending_in(mean_colour(), exponents, total, helper.make_node("Div", ["exponents", "total"], ["end"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "last"))
    return model


def in_a_function() -> onnx.ModelProto:
    """Softmax in a function of the model's own, as torch's newer exporter has it."""
    node = helper.make_node("Softmax", ["x"], ["y"], axis=1)
    model = ending_in(mean_colour(), helper.make_node("Soft", ["logits"], ["end"], domain="own"))
    model.functions.append(helper.make_function("own", "Soft", ["x"], ["y"], [node], [helper.make_opsetid("", 18)]))
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_tiny_model(tmp_path / "colours")
    return tmp_path / "colours"


def settings_of(path: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads(read_archive(path)["settings.json"])
    return document


@pytest.mark.parametrize(
    ("graph", "kind"),
    [
        (mean_colour(), "logits"),
        (soft(), "probabilities"),
        (written_out(), "probabilities"),
        (in_a_function(), "probabilities"),
        (ending_in(mean_colour(), helper.make_node("Sigmoid", ["logits"], ["end"])), "probabilities"),
        (ending_in(mean_colour(), helper.make_node("LogSoftmax", ["logits"], ["end"])), "logits"),
        (
            ending_in(
                mean_colour(),
                helper.make_node("Softmax", ["logits"], ["s"]),
                helper.make_node("Identity", ["s"], ["end"]),
            ),
            "probabilities",
        ),
        (
            ending_in(
                mean_colour(), helper.make_node("Softmax", ["logits"], ["s"]), helper.make_node("Neg", ["s"], ["end"])
            ),
            "logits",
        ),
    ],
)
def test_what_a_graph_gives_is_found_at_its_end(graph: onnx.ModelProto, kind: str) -> None:
    assert find_output(graph.SerializeToString()) == kind


@pytest.mark.parametrize("variant", ["float32", "int8"])
def test_softmax_is_not_applied_twice(model: Path, tmp_path: Path, variant: str) -> None:
    onnx.save(soft(), model / "graph.onnx")
    if variant == "int8":
        pytest.importorskip("onnxruntime")
        from marina.quantize import measure_ranges
        from marina.variants import write_ranges

        pixels = np.full((1, 32, 32, 3), 128, np.uint8)
        ranges = measure_ranges(model / "graph.onnx", [{"images": pixels}], 100)
        write_ranges(model, 100, 1, {"graph.onnx": ranges})
    path, answers = build_archive(model, tmp_path / "out", variant)
    logits = np.array([230, 20, 20]) * 0.1 * 0.01
    expected = np.exp(logits) / np.exp(logits).sum()
    assert settings_of(path)["output"] == "probabilities"
    found = json.loads(answers[0][1])
    assert [found[label] for label in ("red", "green", "blue")] == pytest.approx(expected, abs=2e-3)


def test_sigmoids_are_answered_as_they_are(model: Path, tmp_path: Path) -> None:
    graph = ending_in(mean_colour(), helper.make_node("Sigmoid", ["logits"], ["end"]))
    onnx.save(graph, model / "graph.onnx")
    _, answers = build_archive(model, tmp_path / "out")
    found = json.loads(answers[0][1])
    assert [found["red"], found["green"]] == pytest.approx([1, 1 / (1 + np.exp(-2))], abs=1e-4)


def test_a_setting_overrides_what_is_found(model: Path, tmp_path: Path) -> None:
    onnx.save(soft(), model / "graph.onnx")
    config = model / "model-config.yaml"
    config.write_text(config.read_text().replace("  top: 3", "  top: 3\n  output: logits"))
    path, _ = build_archive(model, tmp_path / "out")
    assert settings_of(path)["output"] == "logits"
    config.write_text(config.read_text().replace("output: logits", "output: odds"))
    with pytest.raises(MarinaError, match=r"handler\.output must be one of: logits, probabilities"):
        build_archive(model, tmp_path / "out")


def test_each_member_of_an_ensemble_is_judged_by_itself(tmp_path: Path) -> None:
    write_tiny_ensemble(tmp_path / "votes")
    graph = onnx.load(tmp_path / "votes" / "unsure.onnx", load_external_data=False)
    onnx.save(ending_in(graph, helper.make_node("Softmax", ["logits"], ["end"])), tmp_path / "votes" / "unsure.onnx")
    path, answers = build_archive(tmp_path / "votes", tmp_path / "out")
    assert settings_of(path)["outputs"] == ["logits", "logits", "probabilities"]
    logits = np.array([230, 20, 20]) * 0.75 * 0.01  # a quarter of the square is black
    expected = float((np.exp(logits) / np.exp(logits).sum())[0])
    assert json.loads(answers[0][1])["members"]["unsure"]["probability"] == pytest.approx(expected, abs=1e-3)


def test_an_entity_model_that_gives_probabilities_is_found_too(tmp_path: Path) -> None:
    write_tiny_names(tmp_path / "names")
    plain, before = build_archive(tmp_path / "names", tmp_path / "plain")
    graph = onnx.load(tmp_path / "names" / "graph.onnx")
    graph.graph.node.append(helper.make_node("Softmax", ["output"], ["end"], axis=-1))
    graph.graph.output[0].name = "end"
    onnx.save(graph, tmp_path / "names" / "graph.onnx")
    path, after = build_archive(tmp_path / "names", tmp_path / "out")
    assert (settings_of(plain)["output"], settings_of(path)["output"]) == ("logits", "probabilities")
    assert after == before


@pytest.mark.parametrize("sides", [(1, 1), (1,)])
def test_an_output_with_sides_of_one_is_flattened(model: Path, tmp_path: Path, sides: tuple[int, ...]) -> None:
    onnx.save(shaped(*sides), model / "graph.onnx")
    _, answers = build_archive(model, tmp_path / "out")
    assert json.loads(answers[0][1]) == pytest.approx(SOFTMAX, abs=1e-3)


def test_an_output_of_another_shape_is_refused_by_name(model: Path, tmp_path: Path) -> None:
    onnx.save(shaped(1, 2), model / "graph.onnx")
    with pytest.raises(MarinaError, match=r"output has the shape \(1, 3, 1, 2\), not \(batch, classes\)"):
        build_archive(model, tmp_path / "out")


def shaped(*sides: int) -> onnx.ModelProto:
    """The mean colour as (batch, 3, ...): repeated along these sides."""
    model = mean_colour()
    model.graph.initializer.append(numpy_helper.from_array(np.array([0, 3] + [1] * len(sides)), "shape"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 1, *sides]), "sides"))
    reshape = helper.make_node("Reshape", ["logits", "shape"], ["one"])
    model = ending_in(model, reshape, helper.make_node("Expand", ["one", "sides"], ["end"]))
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    for side in ("batch", 3, *sides):
        dimension = model.graph.output[0].type.tensor_type.shape.dim.add()
        setattr(dimension, "dim_param" if isinstance(side, str) else "dim_value", side)
    return model


@pytest.mark.parametrize("folder", ["colours", "votes", "names"])
def test_labels_that_stand_twice_are_refused_and_named(tmp_path: Path, folder: str) -> None:
    write = {"colours": write_tiny_model, "votes": write_tiny_ensemble, "names": write_tiny_names}[folder]
    write(tmp_path / folder)
    config = tmp_path / folder / "model-config.yaml"
    text = config.read_text().replace("[red, green, blue]", "[crane, bee, crane]").replace("[O, B-PER", "[O, I-PER")
    config.write_text(text)
    with pytest.raises(MarinaError, match=r"handler\.labels has more than once: (crane|I-PER)"):
        build_archive(tmp_path / folder, tmp_path / "out")
