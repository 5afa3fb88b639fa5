"""Writes the model's figures into its card: ``python -m models.readability.card``, or ``--check`` to compare."""

from pathlib import Path
from typing import Any

from models.cards import list_values, run

HERE = Path(__file__).parent


def error_columns(measured: dict[str, Any]) -> str:
    """The cells of a measured error: RMSE, its interval, correlation."""
    low, high = measured["interval"]
    return f"{measured['rmse']:.3f} | {low:.2f} to {high:.2f} | {measured['correlation']:.2f}"


def splits_table(figures: dict[str, Any]) -> list[str]:
    """The error on each part of the corpus, beside what is reached without a network."""
    lines = [
        "| excerpts | count | RMSE | 95 % interval | correlation | RMSE of the mean | RMSE of the ridge regression |",
        "|---|---|---|---|---|---|---|",
    ]
    for split in ("train", "dev", "test"):
        lines.append(
            f"| {split} | {figures[split]['excerpts']} | {error_columns(figures[split])} "
            f"| {figures['mean_rmse'][split]:.3f} | {figures['ridge_rmse'][split]:.3f} |"
        )
    return lines


def lengths_table(figures: dict[str, Any]) -> list[str]:
    """The error on test by the length of what the model sees."""
    lines = ["| on test, the model sees | excerpts | RMSE | 95 % interval | correlation |", "|---|---|---|---|---|"]
    for row in figures["beginnings"]:
        number = "the first sentence" if row["sentences"] == 1 else f"the first {row['sentences']} sentences"
        words = f"{number} (about {row['mean_words']} words)"
        lines.append(f"| {words} | {row['excerpts']} | {error_columns(row)} |")
    for row in figures["by_words"]:
        low, high = row["words"]
        lines.append(f"| all, {low} to {high} words | {row['excerpts']} | {error_columns(row)} |")
    return lines


def scale_table(figures: dict[str, Any]) -> list[str]:
    """How the scores that people gave are spread over the training excerpts."""
    lines = ["| of the training excerpts | score below |", "|---|---|"]
    for quantile, score in figures["quantiles"].items():
        lines.append(f"| {float(quantile):.0%} | {score:.2f} |".replace("%", " %"))
    return lines


def samples_table(figures: dict[str, Any]) -> list[str]:
    """What the model gives the sample texts, the easiest first."""
    ordered = sorted(figures["samples"].items(), key=lambda item: -item[1])
    return [
        "| sample | score |",
        "|---|---|",
        *(f"| [{name}](samples/{name}) | {score:.2f} |" for name, score in ordered),
    ]


def training_table(figures: dict[str, Any]) -> list[str]:
    """The recipe's values."""
    training = figures["training"]
    names = {
        "layers": "layers",
        "width": "width",
        "heads": "heads",
        "pieces": "word pieces",
        "seed": "seed",
        "batch_tokens": "tokens a batch",
        "weight_decay": "weight decay",
        "kept_epoch": "epoch kept",
    }
    lines = ["| training | first stage | second stage |", "|---|---|---|"]
    first, second = training["learning"], training["fitting"]
    for key in first:
        lines.append(f"| {key.replace('_', ' ')} | {first[key]} | {second[key]} |")
    return [*lines, *(f"{line} |" for line in list_values(training, names))]


TABLES = (splits_table, lengths_table, scale_table, samples_table, training_table)

if __name__ == "__main__":
    run(HERE, TABLES)
