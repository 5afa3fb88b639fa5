"""Draws the sample pictures again: ``python -m models.handwriting.draw_samples --bank BANK``."""

import argparse
from pathlib import Path

import torch
from PIL import Image

from models.handwriting.drawing.bank import Bank, open_bank
from models.handwriting.drawing.pictures import Pictures, cut_out
from models.handwriting.model import HERE, LABELS

# What each shows, by its file's name, which the page shows.
SAMPLES = {"dragon": "龍", "love": "愛", "phoenix": "鳳", "sea": "海", "spring": "春", "tea": "茶"}
FREEDOM = 0.5  # legible
SEED = 20


def draw_sample(bank: Bank, character: str, seed: int) -> Image.Image:
    """A picture as those that the members learn from, without the black that pads it."""
    torch.manual_seed(seed)
    form = torch.searchsorted(bank.classes, torch.tensor([LABELS.index(character)]))
    pages, places, _ = Pictures(bank).draw_forms(form, form[:0], FREEDOM)
    return cut_out(pages[0], places, 0)


def main() -> None:
    """Writes every sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", type=Path, required=True, help="what models.handwriting.drawing.bank made")
    parser.add_argument("--out", type=Path, default=HERE / "samples", help="default: %(default)s")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    bank = open_bank(options.bank)
    for number, (name, character) in enumerate(SAMPLES.items()):
        draw_sample(bank, character, SEED + number).save(options.out / f"{name}.jpg", quality=90)


if __name__ == "__main__":
    main()
