"""Endless pictures of the 801 classes, each the same for the same seed and number."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.handwriting.drawing import paper
from models.handwriting.drawing.fonts import GLYPH, open_faces
from models.handwriting.drawing.strokes import read_strokes, write

BY_STROKES = 0.65  # of the characters are written stroke by stroke, the others are a font's glyphs
NONE = 0.04  # of the pictures show none of the characters
# The first pictures are characters of one font on white paper; from then on they become what they are to be, little
# by little. A network that begins with those learns nothing from 80,000 of them; one font is learned from 6,000.
PRINTED, GROWING = 6_000, 60_000
WHITE = 250.0


@dataclass(frozen=True)
class Character:
    """What one character can be drawn from: its strokes, and its glyphs with the weight of each one's font."""

    strokes: np.ndarray | None
    glyphs: np.ndarray  # uint8 (fonts, 96, 96)
    chances: np.ndarray  # (fonts,), cumulated, up to 1

    def draw(self, rng: np.random.Generator, freedom: float = 1.0) -> np.ndarray:
        """uint8 (96, 96): its ink."""
        if self.strokes is not None and rng.random() < BY_STROKES * freedom:
            return write(self.strokes, rng)
        if rng.random() >= freedom:
            return self.glyphs[0]
        return paper.thicken(self.glyphs[np.searchsorted(self.chances, rng.random())], rng)


def load_characters(folder: Path, characters: str) -> list[Character]:
    """Everything that the fonts and the stroke data under ``folder`` have of the characters.

    A font that was not fetched is left out. Raises ValueError where no font has one of the characters.
    """
    glyphs: dict[str, list[np.ndarray]] = {character: [] for character in characters}
    weights: dict[str, list[float]] = {character: [] for character in characters}
    for face in open_faces(folder):
        for character in characters:
            glyph = face.glyph(character)
            if glyph is not None:
                glyphs[character].append(glyph)
                weights[character].append(face.font.weight)
    lacking = "".join(character for character in characters if not glyphs[character])
    if lacking:
        raise ValueError(f"No font under {folder} has {lacking}.")
    return [
        Character(
            read_strokes(folder, character),
            np.stack(glyphs[character]),
            np.cumsum(weights[character]) / np.sum(weights[character]),
        )
        for character in characters
    ]


class Pictures:
    """Draws pictures of ``characters``, and of none of them from ``others``."""

    def __init__(self, characters: list[Character], others: list[Character]) -> None:
        self.characters, self.others = characters, others

    def draw(self, seed: int, number: int) -> tuple[np.ndarray, int]:
        """uint8 (height, width, 3), RGB, and its class: an index of the characters, or their number for none."""
        rng = np.random.default_rng((seed, number))
        freedom = min(1.0, max(0.0, (number - PRINTED) / GROWING))
        height = int(rng.integers(48, 97)) if rng.random() < 0.2 * freedom else paper.HEIGHT
        narrow = rng.triangular(*paper.WIDTHS) / paper.HEIGHT
        width = round(height * (1 + freedom * (narrow - 1)))
        if rng.random() < NONE * freedom:
            label, mask = len(self.characters), self.nothing(rng, width, height)
        else:
            label = int(rng.integers(len(self.characters)))
            mask = paper.warp(self.characters[label].draw(rng, freedom), rng, width, height, freedom)
            for _ in range(int(rng.binomial(2, 0.4 * freedom))):
                paper.neighbour(mask, self.any_character(rng).draw(rng), rng)
        page = WHITE + freedom * (paper.paper(rng, height, width) - WHITE)
        if rng.random() < 0.7 * freedom:
            paper.rule(page, rng)
        return paper.photograph(paper.ink_page(page, mask, rng, freedom), rng, freedom), label

    def any_character(self, rng: np.random.Generator) -> Character:
        return self.characters[rng.integers(len(self.characters))]

    def nothing(self, rng: np.random.Generator, width: int, height: int) -> np.ndarray:
        """Ink that is none of the characters: another one, a blank, a scribble, a line of small ones, a part of one."""
        kind = rng.random()
        if kind < 0.5:
            return paper.warp(self.others[rng.integers(len(self.others))].draw(rng), rng, width, height)
        mask = np.zeros((height, width), np.uint8)
        if kind < 0.6:
            paper.neighbour(mask, self.any_character(rng).draw(rng), rng)
        elif kind < 0.7:
            scribble = rng.normal(0, 0.6, (int(rng.integers(1, 8)), 10, 2)).cumsum(1) * 0.3
            mask = paper.warp(write(scribble, rng), rng, width, height)
        elif kind < 0.85:
            line = np.hstack([self.any_character(rng).draw(rng) for _ in range(4)])
            small = paper.warp(line[:, int(rng.integers(40)) :][:, : 3 * GLYPH][:, ::3], rng, width, height // 3)
            top = int(rng.integers(0, height - len(small)))
            mask[top : top + len(small)] = small
        else:
            whole = paper.warp(self.any_character(rng).draw(rng), rng, width, height)
            half = int(width * rng.uniform(0.35, 0.55))
            mask[:, : width - half] = whole[:, half:]
        return mask
