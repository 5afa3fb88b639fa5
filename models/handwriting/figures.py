"""Measures the shipped weights on real pictures and samples: ``python -m models.handwriting.figures --data DIR``."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from handlers.images import decode_image
from models.figures import run
from models.handwriting.data import MAX_PIXELS, Judged, load_judged
from models.handwriting.judging import accuracy, predict
from models.handwriting.model import HERE, LABELS, MEMBERS, SIZES, WEIGHTS, load_member


def ask_members(folder: Path, pictures: Judged) -> Tensor:
    """Every member's probability a class, as serving has them: float32 (members, N, 801)."""
    members = zip(MEMBERS, SIZES, strict=True)
    return torch.stack([ask_member(name, folder, pictures.pixels(size)) for name, size in members])


def ask_member(name: str, folder: Path, pixels: Tensor) -> Tensor:
    return predict(load_member(name, folder / WEIGHTS), pixels).softmax(1)


def describe(probabilities: Tensor, labels: Tensor) -> dict[str, float]:
    """How often the class is the likeliest, and among the five likeliest."""
    return {
        "top_1": round(accuracy(probabilities, labels, 1), 4),
        "top_5": round(accuracy(probabilities, labels, 5), 4),
        "mean_probability": round(float(probabilities.max(1).values.mean()), 4),
    }


def answer_samples(folder: Path) -> dict[str, dict[str, Any]]:
    """What the ensemble says of each sample: file name -> answer and its probability."""
    paths = sorted((HERE / "samples").glob("*.jpg"))
    images = [decode_image(path.read_bytes(), MAX_PIXELS) for path in paths]
    mean = ask_members(folder, Judged(images, torch.zeros(len(images)))).mean(0)
    return {
        path.name: {"answer": LABELS[int(votes.argmax())], "probability": round(float(votes.max()), 4)}
        for path, votes in zip(paths, mean, strict=True)
    }


def write_figures(folder: Path, data: Path, training: dict[str, Any]) -> dict[str, Any]:
    """Measures the folder's weights and writes ``figures.json`` beside them."""
    dev = load_judged(data / "dev.zip", data / "labels.csv")
    votes = ask_members(folder, dev)
    figures = {
        "weights_sha256": hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
        "training": training,
        "pictures": len(dev.labels),
        "ensemble": describe(votes.mean(0), dev.labels),
        "members": {name: describe(each, dev.labels) for name, each in zip(MEMBERS, votes, strict=True)},
        "samples": answer_samples(folder),
    }
    (folder / "figures.json").write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return figures


if __name__ == "__main__":
    run(HERE, "folder with dev.zip and labels.csv", write_figures)
