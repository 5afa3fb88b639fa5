"""Draws a contact sheet of what the members learn from, to look at: ``python -m models.handwriting.sheet``."""

import argparse
from pathlib import Path

import torch
from PIL import Image, ImageOps

from models.handwriting.drawing.bank import open_bank
from models.handwriting.drawing.pictures import Pictures, cut_out

COLUMNS, ROWS, CELL = 12, 9, 104  # the last in pixels
GROUND = (60, 90, 160)


def draw_sheet(pictures: Pictures, freedom: float, seed: int) -> Image.Image:
    """So many pictures, each in its proportions."""
    torch.manual_seed(seed)
    pages, places, _ = pictures.draw_pages(COLUMNS * ROWS, freedom)
    sheet = Image.new("RGB", (COLUMNS * CELL, ROWS * CELL), GROUND)
    for cell, page in enumerate(pages):
        picture = ImageOps.contain(cut_out(page, places, cell), (CELL - 4, CELL - 4), Image.Resampling.BICUBIC)
        sheet.paste(picture, (cell % COLUMNS * CELL, cell // COLUMNS * CELL))
    return sheet


def main() -> None:
    """Writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", type=Path, required=True, help="what models.handwriting.drawing.bank made")
    parser.add_argument("--out", type=Path, default=Path("sheet.png"), help="default: %(default)s")
    parser.add_argument("--written", type=float, default=0.6, help="share that is written (default: %(default)s)")
    parser.add_argument("--freedom", type=float, default=1.0, help="0 for printed ones (default: %(default)s)")
    parser.add_argument("--aside", action="store_true", help="of the fonts that are kept aside")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    pictures = Pictures(open_bank(options.bank).only(options.aside), options.written)
    draw_sheet(pictures, options.freedom, options.seed).save(options.out)


if __name__ == "__main__":
    main()
