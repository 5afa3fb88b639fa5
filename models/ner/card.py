"""Writes the model's figures into its card: ``python -m models.ner.card``, or ``--check`` to compare."""

from pathlib import Path
from typing import Any

from models.cards import list_values, run

KINDS = ("all", "PER", "ORG", "LOC", "MISC")


def corpora_table(figures: dict[str, Any]) -> list[str]:
    """F1 of all names and of each type, on every corpus."""
    lines = ["| F1 on | sentences | names | " + " | ".join(KINDS) + " |", "|---|---|---|" + "---|" * len(KINDS)]
    for corpus, scores in figures["corpora"].items():
        values = " | ".join(f"{scores[kind]['f1']:.3f}" if kind in scores else "" for kind in KINDS)
        lines.append(f"| {corpus} | {figures['sentences'][corpus]} | {scores['all']['support']} | {values} |")
    return lines


def types_table(figures: dict[str, Any]) -> list[str]:
    """Precision, recall, F1 and count of each type on each corpus."""
    lines = ["| corpus | type | precision | recall | F1 | names |", "|---|---|---|---|---|---|"]
    for corpus, scores in figures["corpora"].items():
        for kind in (kind for kind in KINDS if kind in scores):
            score = scores[kind]
            values = " | ".join(f"{score[name]:.3f}" for name in ("precision", "recall", "f1"))
            lines.append(f"| {corpus} | {kind} | {values} | {score['support']} |")
    return lines


def training_table(figures: dict[str, Any]) -> list[str]:
    """The recipe's values."""
    names = {
        "layers": "layers",
        "width": "width",
        "heads": "attention heads",
        "pieces": "pieces of the vocabulary",
        "epochs": "epochs",
        "steps": "batches in an epoch",
        "kept_epoch": "epoch kept",
        "batch_pieces": "pieces in a batch, padding included",
        "learning_rate": "highest learning rate",
        "weight_decay": "weight decay",
        "seed": "seed",
    }
    parameters = f"| parameters | {figures['parameters'] / 1e6:.1f} million |"
    return ["| training | |", "|---|---|", parameters, *list_values(figures["training"], names)]


def found_in_words(found: list[list[Any]]) -> str:
    """The names of one sample and their types, on one line."""
    return ", ".join(f"{' '.join(word.split())} ({kind})" for kind, word, _ in found)


def samples_table(figures: dict[str, Any]) -> list[str]:
    """What the model finds in the sample texts."""
    lines = ["| sample | it finds |", "|---|---|"]
    for name, found in figures["samples"].items():
        lines.append(f"| [{name}](samples/{name}) | {found_in_words(found)} |")
    return lines


def agreement_line(figures: dict[str, Any]) -> list[str]:
    """How the same sentences are tagged in a long text."""
    joined = figures["joined"]
    return [
        f"In long texts, {joined['sentences']} sentences of wikigold_test each, F1 is {joined['all']['f1']:.3f}, and "
        f"{figures['agreement']:.0%} of the words that are",
        "part of a name there or in their sentence alone get the same type in both.",
    ]


TABLES = (corpora_table, agreement_line, types_table, training_table, samples_table)

if __name__ == "__main__":
    run(Path(__file__).parent, TABLES)
