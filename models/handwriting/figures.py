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

BINS = 10  # of the calibration


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


def compare(votes: Tensor, labels: Tensor) -> dict[str, Any]:
    """How far the ensemble is ahead of its best member, with the normal interval of the differences by picture."""
    right = (votes.argmax(-1) == labels).double()
    best = int(right.mean(1).argmax())
    apart = (votes.mean(0).argmax(1) == labels).double() - right[best]
    mean, reach = float(apart.mean()), 1.96 * float(apart.std()) / len(labels) ** 0.5
    return {
        "member": MEMBERS[best],
        "top_1": round(mean, 4),
        "low": round(mean - reach, 4),
        "high": round(mean + reach, 4),
    }


def calibration_error(probabilities: Tensor, labels: Tensor) -> float:
    """How far the first answer's probability is from how often it is right, in 10 bins of equal count, on average."""
    sure, answers = probabilities.max(1)
    right = (answers == labels).double()[sure.argsort()]
    bins = zip(sure.double().sort().values.tensor_split(BINS), right.tensor_split(BINS), strict=True)
    return sum(len(part) * abs(float(part.mean() - truth.mean())) for part, truth in bins) / len(labels)


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
        "ahead": compare(votes, dev.labels),
        "calibration_error": round(calibration_error(votes.mean(0), dev.labels), 4),
        "members": {name: describe(each, dev.labels) for name, each in zip(MEMBERS, votes, strict=True)},
        "samples": answer_samples(folder),
    }
    (folder / "figures.json").write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return figures


if __name__ == "__main__":
    run(HERE, "folder with dev.zip and labels.csv", write_figures)
