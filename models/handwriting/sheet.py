"""Draws a contact sheet of what the members learn from, to look at: ``python -m models.handwriting.sheet``."""

import argparse
from pathlib import Path

from PIL import Image, ImageOps

from models.handwriting.draw import other_characters
from models.handwriting.drawing.pictures import GROWING, PRINTED, Pictures, load_characters
from models.handwriting.model import CHARACTERS

COLUMNS, ROWS, CELL = 12, 9, 84  # the last in pixels
GROUND = (60, 90, 160)


def draw_sheet(pictures: Pictures, first: int, seed: int) -> Image.Image:
    """So many pictures from the number ``first`` on, each in its proportions."""
    sheet = Image.new("RGB", (COLUMNS * CELL, ROWS * CELL), GROUND)
    for cell in range(COLUMNS * ROWS):
        pixels, _ = pictures.draw(seed, first + cell)
        picture = ImageOps.contain(Image.fromarray(pixels), (CELL - 4, CELL - 4))
        sheet.paste(picture, (cell % COLUMNS * CELL, cell // COLUMNS * CELL))
    return sheet


def main() -> None:
    """Writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fonts", type=Path, required=True, help="what models.handwriting.drawing.fonts fetched")
    parser.add_argument("--out", type=Path, default=Path("sheet.png"), help="default: %(default)s")
    parser.add_argument("--first", type=int, default=PRINTED + GROWING, help="number of its first picture")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    pictures = Pictures(load_characters(options.fonts, CHARACTERS), load_characters(options.fonts, other_characters()))
    draw_sheet(pictures, options.first, options.seed).save(options.out)


if __name__ == "__main__":
    main()
