"""A model's card: its README.md, with tables that are written from ``figures.json``."""

import argparse
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

BEGIN = "<!-- figures: written from figures.json -->"
END = "<!-- end of the figures -->"
Table = Callable[[dict[str, Any]], list[str]]  # of the figures: the lines of one table


def write_card(card: str, figures: dict[str, Any], tables: Sequence[Table]) -> str:
    """The card's text with the tables between its two markers. Raises ValueError where it has no such markers."""
    before, rest = card.split(BEGIN)
    _, after = rest.split(END)
    written = "\n\n".join("\n".join(table(figures)) for table in tables)
    return f"{before}{BEGIN}\n\n{written}\n\n{END}{after}"


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
    written = write_card(card, json.loads((folder / "figures.json").read_text(encoding="utf-8")), tables)
    if not check:
        path.write_text(written, encoding="utf-8")
    elif card != written:
        raise SystemExit(f"{path} is out of date: run python -m models.{folder.name}.card")
