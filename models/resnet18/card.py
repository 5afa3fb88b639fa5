"""Writes the model's figures into its card: ``python -m models.resnet18.card``, or ``--check`` to compare."""

from pathlib import Path
from typing import Any

from models.cards import interval, list_values, run
from models.resnet18.photos import LABELS

HERE = Path(__file__).parent


def splits_table(figures: dict[str, Any]) -> list[str]:
    """What the model reaches on dev, which chose the epoch, and on test, which chose nothing."""
    lines = ["| photos | count | accuracy | 95 % interval | mean cross-entropy |", "|---|---|---|---|---|"]
    for split in ("dev", "test"):
        measured = figures[split]
        low, high = interval(measured["accuracy"], measured["photos"])
        lines.append(
            f"| {split} | {measured['photos']} | {measured['accuracy']:.3f} | {low:.2f} to {high:.2f} "
            f"| {measured['cross_entropy']:.3f} |"
        )
    return lines


def confusion_table(figures: dict[str, Any]) -> list[str]:
    """The test photos by what they show and what the model says."""
    lines = ["| on test | " + " | ".join(f'says "{label}"' for label in LABELS) + " |", "|---|---|---|"]
    for truth, answers in figures["test"]["confusion"].items():
        lines.append(f"| shows {truth}s | " + " | ".join(str(answers[label]) for label in LABELS) + " |")
    return lines


def training_table(figures: dict[str, Any]) -> list[str]:
    """The recipe's values."""
    names = {
        "start": "first weights",
        "photos": "training photos",
        "drawings": "drawings",
        "epochs": "epochs",
        "kept_epoch": "epoch kept",
        "seed": "seed",
        "batch_size": "batch",
        "learning_rate": "highest learning rate",
        "weight_decay": "weight decay",
    }
    return ["| training | |", "|---|---|", *list_values(figures["training"], names)]


def samples_table(figures: dict[str, Any]) -> list[str]:
    """What the model says of the sample pictures."""
    lines = ["| sample | it says | right |", "|---|---|---|"]
    for name, answer in figures["samples"].items():
        said = max(answer, key=lambda label: answer[label])
        right = "yes" if name.startswith(said) else "no"
        lines.append(f"| [{name}](samples/{name}) | {said}, {answer[said]:.2f} | {right} |")
    return lines


TABLES = (splits_table, confusion_table, training_table, samples_table)

if __name__ == "__main__":
    run(HERE, TABLES)
