"""Joins the trained members and writes their graphs: ``python -m models.handwriting.export --trained TRAINED``."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from models.export import export_graph
from models.handwriting.model import HERE, MEMBERS, SIZES, WEIGHTS, load_members
from models.handwriting.pretrained import HEAD
from models.weights import save_tensors


def join_members(trained: Path, out: Path, sharper: float = 1.0) -> Path:
    """Writes one weights file of the members' own, each's names behind the member's, and gives its path.

    Logits become ``sharper`` times as large: the answers stay in their order, their probabilities change.
    """
    every = {member: load_file(trained / f"{member}.safetensors") for member in MEMBERS}
    for part in every.values():
        for name in HEAD:
            part[name] = (part[name].float() * sharper).half()
    path = out / WEIGHTS
    save_tensors({f"{member}.{name}": value for member, part in every.items() for name, value in part.items()}, path)
    return path


def export_members(weights: Path, sizes: Sequence[int] = SIZES) -> None:
    """Writes ``<member>.onnx`` beside the weights, a graph for each member.

    Input ``images`` uint8 (batch, size, size, 3), RGB; output ``logits`` float32 (batch, 801).
    """
    for member, size, network in zip(MEMBERS, sizes, load_members(weights), strict=True):
        images = torch.zeros((2, size, size, 3), dtype=torch.uint8)
        export_graph(network, weights, {"images": images}, ["logits"], {"images": {0: "batch"}}, f"{member}.onnx")


def main() -> None:
    """Joins the members, if they are new, and writes their graphs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trained", type=Path, help="join what models.handwriting.train wrote there, first")
    parser.add_argument("--out", type=Path, default=HERE, help="default: the model's own folder")
    parser.add_argument("--sharper", type=float, default=1.0, help="times the logits (default: %(default)s)")
    options = parser.parse_args()
    if options.trained:
        join_members(options.trained, options.out, options.sharper)
        recipes = {name: json.loads((options.trained / f"{name}.json").read_text("utf-8")) for name in MEMBERS}
        recipes = {name: {**recipe, "sharper": options.sharper} for name, recipe in recipes.items()}
        # What models.handwriting.figures adds its own to.
        (options.out / "figures.json").write_text(json.dumps({"training": recipes}, indent=2) + "\n")
    export_members(options.out / WEIGHTS)


if __name__ == "__main__":
    main()
