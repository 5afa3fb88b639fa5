"""The ants-and-bees model: what is shipped fits together, and how it was made still runs."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from handlers.runtime import load_model as load_runtime
from models.resnet18.export import export_classifier
from models.resnet18.model import load_model
from tests.conftest import ROOT

FOLDER = ROOT / "models/resnet18"
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)


def test_one_weights_file_gives_one_answer_in_every_runtime() -> None:
    with torch.inference_mode():
        expected = load_model(FOLDER / "weights.safetensors")(torch.from_numpy(PIXELS)).numpy()
    for runtime in ("onnxruntime", "openvino"):
        answer = load_runtime(str(FOLDER / "graph.onnx"), runtime, 2)(PIXELS)
        np.testing.assert_allclose(answer, expected, atol=1e-3)


def test_the_graph_is_small_and_made_again_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes((FOLDER / "weights.safetensors").read_bytes())
    assert export_classifier(tmp_path).read_bytes() == (FOLDER / "graph.onnx").read_bytes()
    assert (FOLDER / "graph.onnx").stat().st_size < 300_000


def test_the_card_holds_the_figures_as_they_were_measured() -> None:
    subprocess.run([sys.executable, "-m", "models.resnet18.card", "--check"], check=True)
    figures = json.loads((FOLDER / "figures.json").read_text())
    assert figures["test"]["accuracy"] > 0.75


def test_training_runs_from_photos_to_weights(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for split in ("train", "dev", "test"):
        for label in ("ants", "bees"):
            (tmp_path / "photos" / split / label).mkdir(parents=True)
            for number in range(2):
                pixels = generator.integers(0, 256, (80, 100, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "photos" / split / label / f"{number}.jpg")
    options = ["--epochs", "1", "--size", "64", "--drawings", "4", "--out", tmp_path / "out"]
    command = [sys.executable, "-m", "models.resnet18.train", "--data", tmp_path / "photos", *options]
    printed = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout
    assert "epoch  training loss  dev loss  dev accuracy" in printed
    answer = load_runtime(str(tmp_path / "out/graph.onnx"), "onnxruntime", 1)(PIXELS)
    assert answer.shape == (3, 2)
    assert json.loads((tmp_path / "out/figures.json").read_text())["test"]["photos"] == 4
