"""Writes the model's figures into its card: ``python -m models.handwriting.card``, or ``--check`` to compare."""

from typing import Any

from models.cards import interval, run
from models.handwriting.drawing.fonts import FONTS, STROKES, STROKES_LICENCE, STROKES_VERSION
from models.handwriting.model import HERE


def accuracy_table(figures: dict[str, Any]) -> list[str]:
    """What the ensemble and each member reach on real pictures."""
    lines = ["| | top 1 | 95 % interval | top 5 | mean probability |", "|---|---|---|---|---|"]
    for name, measured in {"the ensemble": figures["ensemble"], **figures["members"]}.items():
        low, high = interval(measured["top_1"], figures["pictures"])
        lines.append(
            f"| {name} | {measured['top_1']:.3f} | {low:.3f} to {high:.3f} | {measured['top_5']:.3f} "
            f"| {measured['mean_probability']:.2f} |"
        )
    return lines


def training_table(figures: dict[str, Any]) -> list[str]:
    """The recipe's values, by member."""
    names = {
        "epochs": "epochs, of 40,000 drawn pictures each",
        "small_epochs": "of them with small pictures",
        "small": "small: px",
        "size": "else: px",
        "batch": "batch",
        "rate": "highest learning rate",
        "decay": "weight decay",
        "smoothing": "label smoothing",
        "seed": "seed",
    }
    lines = ["| training | " + " | ".join(figures["training"]) + " |", "|---|" + "---|" * len(figures["training"])]
    for key, name in names.items():
        lines.append(f"| {name} | " + " | ".join(str(recipe[key]) for recipe in figures["training"].values()) + " |")
    return lines


def fonts_table(figures: dict[str, Any]) -> list[str]:
    """What the characters were drawn from, and whose licence it has."""
    lines = ["| drawn from | style | package | licence |", "|---|---|---|---|"]
    lines += [f"| {font.name} | {font.style} | {font.source} | {font.licence} |" for font in FONTS]
    return [*lines, f"| stroke data | strokes | npm {STROKES} {STROKES_VERSION} | {STROKES_LICENCE} |"]


def samples_table(figures: dict[str, Any]) -> list[str]:
    """What the ensemble says of the sample pictures."""
    lines = ["| sample | it says |", "|---|---|"]
    for name, said in figures["samples"].items():
        lines.append(f"| [{name}](samples/{name}) | {said['answer']}, {said['probability']:.2f} |")
    return lines


TABLES = (accuracy_table, training_table, fonts_table, samples_table)

if __name__ == "__main__":
    run(HERE, TABLES)
