"""Writes the graph of the trained network, without training it: ``python -m models.resnet18.export``."""

from pathlib import Path

import torch

from models.export import export_graph
from models.resnet18.data import SIZE
from models.resnet18.model import load_model

HERE = Path(__file__).parent


def export_classifier(folder: Path) -> Path:
    """Writes ``graph.onnx`` beside the folder's ``weights.safetensors`` and gives its path.

    Input ``images`` uint8 (batch, 224, 224, 3), RGB; output ``logits`` float32 (batch, 2).
    """
    weights = folder / "weights.safetensors"
    images = torch.zeros((2, SIZE, SIZE, 3), dtype=torch.uint8)
    return export_graph(load_model(weights), weights, {"images": images}, ["logits"], {"images": {0: "batch"}})


if __name__ == "__main__":
    print(export_classifier(HERE))
