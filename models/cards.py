"""A model's card: its README.md, with tables that are written from ``figures.json`` and ``variants.json``."""

import argparse
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

BEGIN = "<!-- figures: written from figures.json -->"
END = "<!-- end of the figures -->"
VARIANTS_BEGIN = "<!-- variants: written from variants.json -->"
VARIANTS_END = "<!-- end of the variants -->"
ENGINES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "torchscript": "torch"}
METRICS = {"f1": "F1", "rmse": "RMSE", "top_1": "top-1 accuracy", "": "quality"}
Table = Callable[[dict[str, Any]], list[str]]  # of the figures: the lines of one table


def write_card(
    card: str, figures: dict[str, Any], tables: Sequence[Table], variants: dict[str, Any] | None = None
) -> str:
    """The card's text with the tables between its markers, and the section on variants where some were measured.

    Raises ValueError where it has no such markers.
    """
    written = fill(card, BEGIN, END, "\n\n".join("\n".join(table(figures)) for table in tables))
    return fill(written, VARIANTS_BEGIN, VARIANTS_END, "\n".join(describe_variants(variants)) if variants else "")


def fill(card: str, begin: str, end: str, written: str) -> str:
    """The card with the text between the markers, in place of what is there. Raises ValueError without markers."""
    before, rest = card.split(begin)
    _, after = rest.split(end)
    between = f"\n\n{written}\n\n" if written else "\n"
    return f"{before}{begin}{between}{end}{after}"


def describe_variants(measured: dict[str, Any]) -> list[str]:
    """The section on variants, from what ``marina variants NAME --write`` wrote."""
    rows = measured["variants"]
    metric = next((row["metric"] for row in rows if row["metric"]), "")
    versions = ", ".join(f"{name} {version}" for name, version in measured["versions"].items())
    return [
        "## Variants",
        "",
        f"Each beside float32 in ONNX Runtime, measured on {measured['data']}; its speed on {measured['machine']},",
        f"with {versions}.",
        "",
        f"| variant | engine | {METRICS.get(metric, metric)} | worse by | same answer | speed | |",
        "|---|---|---:|---:|---:|---:|---|",
        *map(variant_line, rows),
    ]


def variant_line(row: dict[str, Any]) -> str:
    """One variant in the table; what is not known of it is left out."""
    value, drop = ("" if row[key] is None else f"{row[key]:.4f}" for key in ("value", "drop"))
    verdict = "passes" if row["passed"] else row["reason"]
    return (
        f"| {row['variant']} | {ENGINES.get(row['runtime'], row['runtime'])} | {value} | {drop} "
        f"| {row['agreement']:.1%} | {row['speed_up']:.2f} times | {verdict} |"
    )


def list_values(values: dict[str, Any], names: dict[str, str]) -> list[str]:
    """A table's lines of a name and a value: ``names`` maps keys of the values to what people read."""
    return [f"| {name} | {values[key]} |" for key, name in names.items()]


def interval(share: float, count: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share of ``count`` pictures. Wilson's formula, 1927."""
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return middle - reach, middle + reach


def run(folder: Path, tables: Sequence[Table]) -> None:
    """The command of a model's ``card.py``: writes the card, or with ``--check`` exits with 1 if it is out of date."""
    parser = argparse.ArgumentParser(description=f"Writes the figures of {folder.name} into its card.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the card is out of date")
    check = parser.parse_args().check
    path = folder / "README.md"
    card = path.read_text(encoding="utf-8")
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    measured = folder / "variants.json"
    variants = json.loads(measured.read_text(encoding="utf-8")) if measured.is_file() else None
    written = write_card(card, figures, tables, variants)
    if not check:
        path.write_text(written, encoding="utf-8")
    elif card != written:
        raise SystemExit(f"{path} is out of date: run python -m models.{folder.name}.card")
