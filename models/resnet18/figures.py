"""Measures the shipped weights on photos and samples: ``python -m models.resnet18.figures --data DIR``."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from handlers.images import decode_image, resize_and_crop
from models.figures import run
from models.resnet18.data import MAX_PIXELS, RESIZE, SIZE, Judged, load_judged
from models.resnet18.model import PixelClassifier, load_model
from models.resnet18.photos import LABELS, list_photos

HERE = Path(__file__).parent


def measure(model: PixelClassifier, photos: Judged) -> dict[str, Any]:
    """Count, accuracy, mean cross-entropy, and the confusion counts: truth -> answer -> photos."""
    with torch.inference_mode():
        logits = torch.cat([model(images) for images in photos.images.split(20)])
    answers = logits.argmax(1)
    confusion = {
        truth: {answer: int(((photos.labels == i) & (answers == j)).sum()) for j, answer in enumerate(LABELS)}
        for i, truth in enumerate(LABELS)
    }
    return {
        "photos": len(answers),
        "accuracy": round(float((answers == photos.labels).float().mean()), 4),
        "cross_entropy": round(float(F.cross_entropy(logits, photos.labels)), 4),
        "confusion": confusion,
    }


def classify_samples(model: PixelClassifier, folder: Path) -> dict[str, dict[str, float]]:
    """What the model says of each sample picture: file name -> label -> probability."""
    answers = {}
    for path in sorted(folder.glob("*.jpg")):
        pixels = resize_and_crop(decode_image(path.read_bytes(), MAX_PIXELS), RESIZE, SIZE)
        with torch.inference_mode():
            probabilities = model(torch.from_numpy(pixels.copy())[None]).softmax(1)[0].tolist()
        answers[path.name] = {label: round(value, 4) for label, value in zip(LABELS, probabilities, strict=True)}
    return answers


def write_figures(folder: Path, data: Path, training: dict[str, Any]) -> dict[str, Any]:
    """Measures the folder's weights and writes ``figures.json`` beside them."""
    weights = folder / "weights.safetensors"
    model = load_model(weights)
    figures = {
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "training": {**training, "photos": len(list_photos(data / "train"))},
        "dev": measure(model, load_judged(data / "dev")),
        "test": measure(model, load_judged(data / "test")),
        "samples": classify_samples(model, HERE / "samples"),
    }
    (folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    return figures


if __name__ == "__main__":
    run(HERE, "folder with dev and test, each with ants and bees", write_figures)
