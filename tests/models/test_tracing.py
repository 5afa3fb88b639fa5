"""TorchScript of the shipped models: traced on what their handlers hand them, it answers whatever those may hand."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu import measure_gpu, name_card
from benchmarks.limit import WAYS, Window
from handlers.runtime import load_model
from marina.archive import build_archive, handler_settings
from marina.errors import MarinaError
from marina.model_config import read_model_config
from marina.settings_text import change_settings
from marina.tracing import trace_modules
from marina.verify import read_archive
from tests.conftest import ROOT

MODELS = ROOT / "models"


def test_the_torchscript_variant_gives_the_same_answers(tmp_path: Path) -> None:
    _, onnx_answers = build_archive(MODELS / "resnet18", tmp_path / "onnx", "float32")
    command = [sys.executable, "-m", "marina", "archive", "resnet18", "--variant", "torchscript", "--out", tmp_path]
    printed = subprocess.check_output([str(part) for part in command], cwd=tmp_path, text=True)
    torch_answers = re.findall(r"^  (\S+)  (\{.*\})$", printed, re.MULTILINE)
    path = tmp_path / "resnet18.mar"
    assert "model.pt" in read_archive(path)
    assert "weights.safetensors" not in read_archive(path)
    for (name, expected), (_, answer) in zip(onnx_answers, torch_answers, strict=True):
        assert json.loads(answer) == pytest.approx(json.loads(expected), abs=1e-3), name


def test_a_wrong_name_of_the_module_is_told_in_a_sentence(tmp_path: Path) -> None:
    folder = shutil.copytree(MODELS / "resnet18", tmp_path / "resnet18", ignore=shutil.ignore_patterns("__pycache__"))
    config = folder / "model-config.yaml"
    for name in ("models.resnet18.nowhere:load", "models.resnet18.model:nothing"):
        config.write_text(change_settings(config.read_text(), {"archive.module": name}))
        with pytest.raises(MarinaError, match=f"archive.module '{name}' can't be loaded"):
            build_archive(folder, tmp_path / "out", "torchscript")


@pytest.mark.parametrize("name", ["resnet18", "ner", "readability", "handwriting"])
def test_in_half_precision_every_model_answers_as_in_whole(tmp_path: Path, name: str) -> None:
    """As a GPU is to compute it; here on the CPU, which can, slowly. The archive's own gate compares the answers."""
    folder = shutil.copytree(MODELS / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    config = folder / "model-config.yaml"
    config.write_text(change_settings(config.read_text(), {"batchSize": 2, "maxBatchDelay": 1}))
    for sample in sorted((folder / "samples").iterdir())[2:]:
        sample.unlink()
    path, answers = build_archive(folder, tmp_path / "out", "float16")
    contents = read_archive(path)
    settings = json.loads(contents["settings.json"])
    assert len(answers) == 2
    assert settings["parts"] == 2
    files = settings.get("members") or [settings["file"]]
    assert {file for file in contents if file.endswith((".pt", ".onnx"))} == set(files)
    weights = (folder / "weights.safetensors").stat().st_size
    assert sum(len(contents[file]) for file in files) == pytest.approx(weights, rel=0.2)


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated")
@pytest.mark.parametrize("name", ["ner", "readability"])
def test_texts_of_any_number_and_length_are_answered_as_by_the_graph(tmp_path: Path, name: str) -> None:
    config = read_model_config(MODELS / name)
    settings = handler_settings(config, "torchscript", "torchscript")
    (traced,) = trace_modules(config, "torchscript", settings, ["model.pt"]).values()
    (tmp_path / "model.pt").write_bytes(traced)
    models = (
        load_model(str(tmp_path / "model.pt"), "torchscript", 2),
        load_model(str(MODELS / name / "graph.onnx"), "onnxruntime", 2),
    )
    generator = np.random.default_rng(0)
    for count, longest in ((1, 3), (3, 17), (2, settings["max_tokens"]), (5, 8)):
        ids = generator.integers(5, 500, (count, longest))
        mask = (np.arange(longest) < generator.integers(2, longest + 1, (count, 1))).astype(np.int64)
        torch_answer, answer = (model(ids * mask, mask) for model in models)
        if name == "ner":  # what stands at padding is nobody's
            torch_answer, answer = torch_answer[mask == 1], answer[mask == 1]
        np.testing.assert_allclose(torch_answer, answer, atol=1e-3)


@pytest.fixture
def one_core() -> Iterator[None]:
    """Torch's threads wait for one another, and long where other tests keep the cores busy."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield
    os.sched_setaffinity(0, cores)


@pytest.mark.usefixtures("one_core")
def test_the_handler_and_its_model_are_measured_by_batch_with_the_times_of_each_stage(tmp_path: Path) -> None:
    """As on a GPU; here there is none, so the CPU stands for it."""
    path, _ = build_archive(MODELS / "ner", tmp_path, "float16")
    rows = measure_gpu([path], 1, Window(0.5, 0.1), batches=(4,))
    assert [(row["workload"], row["batch"]) for row in rows] == [(WAYS["handler"], 4), (WAYS["model"], 4)]
    for row in rows:
        assert (row["model"], row["variant"], row["runtime"], row["card"]) == ("ner", "float16", "torchscript", "none")
        assert float(str(row["requests_per_s"])) > 0
        assert "torch " in str(row["versions"])
        if row["workload"] == WAYS["handler"]:
            assert all(float(str(row[f"{stage}_ms"])) > 0 for stage in ("preprocess", "inference", "postprocess"))


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there is a GPU")
def test_where_there_is_no_gpu_that_is_said() -> None:
    with pytest.raises(RuntimeError, match="there is no GPU 0"):
        name_card(0)
