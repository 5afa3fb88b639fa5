"""What a model gives, logits or probabilities and in whatever shape, becomes one answer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import helper

from tests.handlers.conftest import start
from tests.handlers.test_image_ensemble import BLACK, REDDISH, answer
from tests.tiny import write_tiny_ensemble, write_tiny_model, write_tiny_names


def write_changed(write: Callable[..., None], nodes: list[onnx.NodeProto], settings: str = "") -> Callable[..., None]:
    """A model's folder whose graphs go on from their output, "logits" or "output", through the nodes to "changed"."""

    def change(folder: Path) -> None:
        write(folder)
        config = folder / "model-config.yaml"
        config.write_text(config.read_text().replace("\nhandler:\n", "\nhandler:\n" + settings))
        for path in folder.glob("*.onnx"):
            model = onnx.load(path, load_external_data=False)
            for node in nodes:
                copied = onnx.NodeProto()
                copied.CopyFrom(node)
                copied.input[:] = [model.graph.output[0].name if name == "first" else name for name in copied.input]
                model.graph.node.append(copied)
            del model.graph.output[:]
            model.graph.output.append(helper.make_tensor_value_info("changed", onnx.TensorProto.FLOAT, None))
            onnx.save(model, path)

    return change


SOFTMAX = [helper.make_node("Softmax", ["first"], ["changed"], axis=-1)]
SQUARE = [
    helper.make_node("Constant", [], ["places"], value_ints=[2, 3]),
    helper.make_node("Unsqueeze", ["first", "places"], ["changed"]),
]
PROBABILITIES = "  output: probabilities\n"
OF_MEMBERS = "  outputs: [probabilities, probabilities, probabilities]\n"
PICTURES = {"image_classification": write_tiny_model, "image_ensemble": write_tiny_ensemble}


@pytest.mark.parametrize(
    ("task", "nodes", "settings"),
    [
        ("image_classification", SOFTMAX, PROBABILITIES),
        ("image_ensemble", SOFTMAX, OF_MEMBERS),
        ("image_classification", SQUARE, ""),
        ("image_ensemble", SQUARE, ""),
    ],
)
def test_a_classifiers_outputs_become_the_same_answer(
    folders: Callable[..., Path], task: str, nodes: list[onnx.NodeProto], settings: str
) -> None:
    plain = start(folders(PICTURES[task]), task)
    other = start(folders(write_changed(PICTURES[task], nodes, settings)), task)
    for picture in (REDDISH, BLACK):
        expected, found = answer(plain, picture), answer(other, picture)
        assert flatten(found) == pytest.approx(flatten(expected), abs=2e-6)


def flatten(found: Any, path: str = "") -> dict[str, float]:
    """The numbers in an answer, by the path to them."""
    if isinstance(found, dict | list):
        pairs = found.items() if isinstance(found, dict) else enumerate(found)
        return {key: number for name, each in pairs for key, number in flatten(each, f"{path}/{name}").items()}
    return {path: found} if isinstance(found, float) else {f"{path}={found}": 0.0}


def test_names_in_probabilities_are_the_same_names(folders: Callable[..., Path], names: Any) -> None:
    other = start(folders(write_changed(write_tiny_names, SOFTMAX, PROBABILITIES)), "named_entities")
    text = b"Ada Lovelace met the cat in New York."
    expected, found = answer(names, text), answer(other, text)
    assert found
    assert flatten(found) == pytest.approx(flatten(expected), abs=2e-6)


@pytest.mark.parametrize("task", PICTURES)
def test_an_output_of_another_shape_is_refused_with_its_shape(folders: Callable[..., Path], task: str) -> None:
    nodes = [
        helper.make_node("Concat", ["first", "first"], ["two"], axis=0),
        helper.make_node("Constant", [], ["places"], value_ints=[0]),
        helper.make_node("Unsqueeze", ["two", "places"], ["changed"]),
    ]
    with pytest.raises(ValueError, match=r"\(1, 2, 3\)"):
        start(folders(write_changed(PICTURES[task], nodes)), task)
