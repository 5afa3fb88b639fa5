"""Draws the pictures to train on: ``python -m models.handwriting.draw --fonts FONTS --out DRAWN``."""

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.lib.format import open_memmap
from PIL import Image
from rich.progress import track

from handlers.images import pad_and_resize
from models.handwriting.drawing.pictures import Pictures, load_characters
from models.handwriting.model import CHARACTERS
from models.handwriting.recipe import Recipe

COUNT = 40_000  # pictures in a file, 0.5 GB
SIZE = 64  # px, as the members take them
CHUNK = 500  # pictures that a process draws before it hands them over
# The most common characters of Big5, its first level, by their first byte. Every ninth stands for all the others.
COMMON, EVERY = range(0xA4, 0xC7), 9
pictures: Pictures  # of a process that draws


def other_characters() -> str:
    """Characters that are none of the classes."""
    trails = (*range(0x40, 0x7F), *range(0xA1, 0xFF))
    every = (bytes([lead, trail]).decode("big5", "ignore") for lead in COMMON for trail in trails)
    return "".join(character for character in every if character and character not in CHARACTERS)[::EVERY]


def start(fonts: Path) -> None:
    """Makes a process ready to draw."""
    global pictures
    cv2.setNumThreads(1)
    pictures = Pictures(load_characters(fonts, CHARACTERS), load_characters(fonts, other_characters()))


def draw_chunk(seed: int, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (count, 64, 64, 3), as serving pads and resizes, and their classes, int64 (count,)."""
    drawn = [pictures.draw(seed, number) for number in range(first, first + count)]
    squares = [pad_and_resize(Image.fromarray(pixels), SIZE) for pixels, _ in drawn]
    return np.stack(squares), np.array([label for _, label in drawn])


def draw_files(
    fonts: Path, out: Path, numbers: range, seed: int, count: int = COUNT, workers: int | None = None
) -> Iterator[Path]:
    """Writes a file of ``count`` pictures, and one of their classes, for each number; gives each pair's first."""
    out.mkdir(parents=True, exist_ok=True)
    # Spawned, for a process that is forked beside torch's threads waits for them for ever.
    with ProcessPoolExecutor(workers, get_context("spawn"), start, (fonts,)) as pool:
        for number in numbers:
            path, partial = out / f"{number:03}.npy", out / f"{number:03}.partial"
            pixels, labels = open_memmap(partial, "w+", np.uint8, (count, SIZE, SIZE, 3)), np.empty(count, np.int64)
            firsts = range(0, count, CHUNK)
            counts = [min(CHUNK, count - first) for first in firsts]
            chunks = pool.map(draw_chunk, [seed] * len(firsts), [number * count + first for first in firsts], counts)
            for first, (squares, classes) in zip(firsts, chunks, strict=True):
                pixels[first : first + CHUNK], labels[first : first + CHUNK] = squares, classes
            pixels.flush()
            np.save(out / f"{number:03}.labels", labels)
            os.replace(partial, path)
            yield path


def main() -> None:
    """Draws, and shows how far it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fonts", type=Path, required=True, help="what models.handwriting.drawing.fonts fetched")
    parser.add_argument("--out", type=Path, required=True, help="where to write")
    # One an epoch: the first file, which is seen again after the last, is the easy one.
    parser.add_argument(
        "--files", type=int, default=Recipe.epochs, help=f"of {COUNT} pictures each (default: %(default)s)"
    )
    parser.add_argument("--first", type=int, default=0, help="number of the first file (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.files)
    for _ in track(draw_files(options.fonts, options.out, numbers, options.seed), "drawing", total=len(numbers)):
        pass


if __name__ == "__main__":
    main()
