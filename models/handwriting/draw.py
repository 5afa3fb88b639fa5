"""Draws pictures into files, for int8's ranges: ``python -m models.handwriting.draw --bank BANK --out FOLDER``."""

import argparse
from pathlib import Path

import torch

from models.handwriting.drawing.bank import open_bank
from models.handwriting.drawing.pictures import Pictures, cut_out


def main() -> None:
    """Writes the pictures as JPEG files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", type=Path, required=True, help="what models.handwriting.drawing.bank made")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--count", type=int, default=400, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    pages, places, _ = Pictures(open_bank(options.bank).only(aside=False)).draw_pages(options.count)
    for number, page in enumerate(pages):
        cut_out(page, places, number).save(options.out / f"{number:04}.jpg", quality=95)


if __name__ == "__main__":
    main()
