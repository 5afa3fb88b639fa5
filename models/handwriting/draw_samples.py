"""Draws the sample pictures again: ``python -m models.handwriting.draw_samples --fonts FONTS``."""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from models.handwriting.drawing import paper
from models.handwriting.drawing.pictures import Character, load_characters
from models.handwriting.model import HERE

# What each shows, by its file's name, which the page shows.
SAMPLES = {"dragon": "龍", "love": "愛", "phoenix": "鳳", "sea": "海", "spring": "春", "tea": "茶"}
WIDTH = 64  # px
SEED = 20


def draw_sample(character: Character, seed: int) -> Image.Image:
    """A picture as those that the members learn from, of a fixed width and without neighbours."""
    rng = np.random.default_rng(seed)
    mask = paper.warp(character.draw(rng), rng, WIDTH, paper.HEIGHT)
    page = paper.paper(rng, paper.HEIGHT, WIDTH)
    paper.rule(page, rng)
    return Image.fromarray(paper.photograph(paper.ink_page(page, mask, rng), rng))


def main() -> None:
    """Writes every sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fonts", type=Path, required=True, help="what models.handwriting.drawing.fonts fetched")
    parser.add_argument("--out", type=Path, default=HERE / "samples", help="default: %(default)s")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for number, (name, character) in enumerate(SAMPLES.items()):
        drawn = draw_sample(load_characters(options.fonts, character)[0], SEED + number)
        drawn.save(options.out / f"{name}.jpg", quality=90)


if __name__ == "__main__":
    main()
