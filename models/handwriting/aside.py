"""What choices are made on: drawn pictures of fonts that were kept aside. Here by size and by sharpness.

``python -m models.handwriting.aside --bank BANK``
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from models.handwriting.drawing.bank import Bank, open_bank
from models.handwriting.drawing.ink import CANVAS
from models.handwriting.drawing.pictures import Pictures
from models.handwriting.judging import accuracy, predict
from models.handwriting.model import HERE, MEMBERS, WEIGHTS, load_members
from models.handwriting.model import SIZES as SERVED

SIZES = (56, 60, 64)  # px
SHARPER = (0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.6)  # times the logits


def draw_aside(bank: Bank, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Float32 (count, 3, 64, 64), RGB, 0 to 255, and their classes."""
    torch.manual_seed(seed)
    pages, _, labels = Pictures(bank.only(aside=True), written=0.0).draw_pages(count)
    return pages, labels


def resize(pages: Tensor, size: int) -> Tensor:
    """Float32 (N, size, size, 3), as members take them."""
    if size != CANVAS:
        pages = F.interpolate(pages, (size, size), mode="bilinear", antialias=True)
    return pages.round().permute(0, 2, 3, 1)


def main() -> None:
    """Prints how often each size's first answer is right, and what sharper logits do to the ensemble's doubt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", type=Path, required=True, help="what models.handwriting.drawing.bank made")
    parser.add_argument("--weights", type=Path, default=HERE / WEIGHTS, help="default: the model's own")
    parser.add_argument("--count", type=int, default=2000, help="pictures (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    options = parser.parse_args()
    pages, labels = draw_aside(open_bank(options.bank), options.count, options.seed)
    members = load_members(options.weights)
    scores = {}
    print("size  " + "  ".join(MEMBERS) + "  ensemble: top-1  top-5")
    for size in SIZES:
        pixels = resize(pages, size)
        scores[size] = torch.stack([predict(member, pixels) for member in members])
        votes = scores[size].softmax(-1)
        each = [f"{accuracy(vote, labels, 1):{len(name)}.4f}" for name, vote in zip(MEMBERS, votes, strict=True)]
        every = [f"{accuracy(votes.mean(0), labels, top):.4f}" for top in (1, 5)]
        print(f"{size:4}  {'  '.join(each)}           {'  '.join(every)}", flush=True)
    print(f"at {SERVED[0]} px, logits times  mean log loss  mean probability")
    for factor in SHARPER:
        mean = (factor * scores[SERVED[0]]).softmax(-1).mean(0)
        loss = F.nll_loss(mean.clamp(min=1e-9).log(), labels)
        print(f"{factor:23}  {loss:13.4f}  {mean.amax(1).mean():16.4f}")


if __name__ == "__main__":
    main()
