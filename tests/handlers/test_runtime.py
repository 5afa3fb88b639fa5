"""Every runtime gives the same answers on the same file."""

from pathlib import Path

import numpy as np
import pytest

from handlers import runtime
from tests.conftest import ROOT

GRAPHS = sorted((ROOT / "models").glob("*/graph.onnx"))


def make_inputs(graph: Path, count: int) -> list[np.ndarray]:
    """Inputs for a shipped graph: pixels, or token ids and a mask that hides the last of them."""
    generator = np.random.default_rng(count)
    if "handler:\n  task: image" in graph.with_name("model-config.yaml").read_text():
        return [generator.integers(0, 256, (count, 224, 224, 3), dtype=np.uint8)]
    mask = np.ones((count, 20), np.int64)
    mask[0, 12:] = 0
    return [generator.integers(5, 5000, (count, 20)), mask]


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda path: path.parent.name)
def test_onnx_runtime_and_openvino_agree(graph: Path) -> None:
    inputs = make_inputs(graph, 3)
    answers = [runtime.load_model(str(graph), name, 1)(*inputs) for name in ("onnxruntime", "openvino")]
    assert answers[0].shape[0] == 3
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-3)


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda path: path.parent.name)
@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_any_batch_size_is_taken_and_changes_no_answer(graph: Path, name: str) -> None:
    inputs = make_inputs(graph, 5)
    model = runtime.load_model(str(graph), name, 2)
    together = model(*inputs)
    alone = np.concatenate([model(*(each[index : index + 1] for each in inputs)) for index in range(5)])
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_one_runtime_stands_in_for_one_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.OpenVinoModel, "package", "a_package_that_is_not_installed")
    assert isinstance(runtime.load_model(str(GRAPHS[0]), "openvino", 1), runtime.OnnxRuntimeModel)


def test_torchscript_has_no_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModuleNotFoundError, match="torch"):
        runtime.load_model(str(GRAPHS[0]), "torchscript", 1)
