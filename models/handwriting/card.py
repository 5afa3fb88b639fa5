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


def describe_ensemble(figures: dict[str, Any]) -> list[str]:
    """In words: how far the ensemble is ahead of its best member, and how well it knows what it knows."""
    if "ahead" not in figures:
        return []
    ahead = figures["ahead"]
    return [
        f"The ensemble's top 1 is {100 * ahead['top_1']:.1f} points above its best member's, {ahead['member']} "
        f"(95 % interval, by pairs: {100 * ahead['low']:.1f} to {100 * ahead['high']:.1f}). Its expected calibration "
        f"error is {figures['calibration_error']:.3f} (10 bins of equal count)."
    ]


def training_table(figures: dict[str, Any]) -> list[str]:
    """The recipe's values, by member."""
    names = {
        "start": "begun with",
        "seconds": "seconds, of a device that all three shared",
        "device": "device",
        "pictures": "drawn pictures",
        "written": "of them written by stroke",
        "small_share": "share of the time with small pictures",
        "small": "small: px",
        "size": "else: px",
        "batch": "batch",
        "rate": "highest learning rate",
        "decay": "weight decay",
        "smoothing": "label smoothing",
        "memory": "memory of the average",
        "sharper": "logits times, at the end",
        "seed": "seed",
    }
    recipes = figures["training"].values()
    names = {key: name for key, name in names.items() if all(key in recipe for recipe in recipes)}
    lines = ["| training | " + " | ".join(figures["training"]) + " |", "|---|" + "---|" * len(figures["training"])]
    for key, name in names.items():
        lines.append(f"| {name} | " + " | ".join(write_value(recipe[key]) for recipe in recipes) + " |")
    return lines


def write_value(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and value > 9999 else str(value)


def fonts_table(figures: dict[str, Any]) -> list[str]:
    """What the characters were drawn from, and whose licence it has."""
    lines = ["| drawn from | style | package | licence |", "|---|---|---|---|"]
    for font in FONTS:
        aside = ", kept aside" if font.kept_aside else ""
        lines.append(f"| {font.name} | {font.style}{aside} | {font.source} | {font.licence} |")
    return [*lines, f"| stroke data | strokes | npm {STROKES} {STROKES_VERSION} | {STROKES_LICENCE} |"]


def samples_table(figures: dict[str, Any]) -> list[str]:
    """What the ensemble says of the sample pictures."""
    lines = ["| sample | it says |", "|---|---|"]
    for name, said in figures["samples"].items():
        lines.append(f"| [{name}](samples/{name}) | {said['answer']}, {said['probability']:.2f} |")
    return lines


TABLES = (accuracy_table, describe_ensemble, training_table, fonts_table, samples_table)

if __name__ == "__main__":
    run(HERE, TABLES)
