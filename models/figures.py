"""The command of a model's ``figures.py``: measures its weights again."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def run(folder: Path, data: str, measure: Callable[[Path, Path, dict[str, Any]], dict[str, Any]]) -> None:
    """Measures again what the weights do, and keeps what ``figures.json`` says of the training.

    ``data`` says what the folder of ``--data`` holds; ``measure`` takes the weights' folder, the data's and the
    training, and writes the file.
    """
    parser = argparse.ArgumentParser(description=f"Measures the weights of {folder.name} again.")
    parser.add_argument("--data", type=Path, required=True, help=data)
    parser.add_argument("--out", type=Path, default=folder, help="folder with the weights (default: the model's own)")
    options = parser.parse_args()
    training = json.loads((options.out / "figures.json").read_text(encoding="utf-8"))["training"]
    print(json.dumps(measure(options.out, options.data, training), indent=2, ensure_ascii=False))
