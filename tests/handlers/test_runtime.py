"""Every runtime gives the same answers on the same file."""

from pathlib import Path

import numpy as np
import pytest

from handlers import runtime
from tests.conftest import ROOT

GRAPHS = sorted((ROOT / "models").glob("*/graph.onnx"))


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda path: path.parent.name)
def test_onnx_runtime_and_openvino_agree(graph: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    answers = [runtime.load_model(str(graph), name, 1)(pixels) for name in ("onnxruntime", "openvino")]
    assert answers[0].shape[0] == 3
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-3)


def test_any_batch_size_is_taken_and_changes_no_answer() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 224, 224, 3), dtype=np.uint8)
    for name in ("onnxruntime", "openvino"):
        model = runtime.load_model(str(GRAPHS[0]), name, 2)
        together = model(pixels)
        alone = np.concatenate([model(pixels[index : index + 1]) for index in range(5)])
        np.testing.assert_allclose(together, alone, atol=1e-4)


def test_one_runtime_stands_in_for_one_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.OpenVinoModel, "package", "a_package_that_is_not_installed")
    assert isinstance(runtime.load_model(str(GRAPHS[0]), "openvino", 1), runtime.OnnxRuntimeModel)


def test_torchscript_has_no_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModuleNotFoundError, match="torch"):
        runtime.load_model(str(GRAPHS[0]), "torchscript", 1)
