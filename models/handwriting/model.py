"""The three members of the ensemble, as timm has them."""

from pathlib import Path

from models.handwriting.settings import LABELS, SETTINGS
from models.operators import import_torchvision
from models.pixels import PixelClassifier
from models.weights import load_weights

import_torchvision()  # before timm, which imports it

import timm  # noqa: E402

HERE = Path(__file__).parent
WEIGHTS = "weights.safetensors"
CHARACTERS = "".join(LABELS[:-1])  # the last label is isnull
MEMBERS = tuple(Path(file).stem for file in SETTINGS["members"])  # timm's names
SIZES = tuple(SETTINGS["sizes"])  # px, by member


def build_member(name: str) -> PixelClassifier:
    """An untrained member: RGB pixels (N, H, W, 3), 0 to 255 -> logits (N, 801), float32."""
    return PixelClassifier(timm.create_model(name, num_classes=len(LABELS)))


def load_member(name: str, weights: Path) -> PixelClassifier:
    """A trained member in float32, ready to answer, from the file that holds all of them."""
    member = build_member(name)
    load_weights(member, weights, name + ".")
    return member.eval()


def load_members(weights: Path) -> list[PixelClassifier]:
    """Every trained member, in the ensemble's order."""
    return [load_member(name, weights) for name in MEMBERS]
