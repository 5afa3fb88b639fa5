"""The bank: everything that pictures are drawn from, in one file that fits a GPU.

``python -m models.handwriting.drawing.bank --fonts FONTS --out BANK`` makes it from the fonts and the stroke data.
"""

import argparse
import json
import lzma
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load, save
from torch import Tensor

from models.handwriting.drawing.composed import COMPOSED
from models.handwriting.drawing.fonts import open_faces, stroke_file
from models.handwriting.drawing.variants import VARIANTS
from models.handwriting.settings import LABELS

SIDE, INK = 72, 68  # px: a glyph's picture, and the longer side of the ink in it
LEVELS = 15  # of ink in a pixel, stored in 4 bits
POINTS = 10  # of each stroke, evenly along it
MOST_STROKES = 36
UNIT = 1024  # the stroke data's square; its y points up from a baseline at 900
VARIANT = 0.06  # how often a class is written in one of its other forms
NONE = len(LABELS) - 1
# The most common characters of Big5, its first level, by their first byte. Every ninth stands for all the others.
COMMON, EVERY = range(0xA4, 0xC7), 9


@dataclass(frozen=True)
class Bank:
    """Forms (characters as code points have them), sorted by their class; their strokes, and their glyphs.

    Whatever is chosen from by chance lies in order beside the cumulated chances.
    """

    classes: Tensor  # int64 (forms,)
    forms: Tensor  # float64 (forms + 1,), cumulated; a class has 1 in all
    strokes: Tensor  # float32 (forms, 36, 10, 2): from -1 to 1, y downwards, in the order of writing
    counts: Tensor  # int64 (forms,): how many strokes; 0 where the data lacks the form
    glyphs: Tensor  # uint8 (glyphs, 72, 72), 0 to 255: sorted by form
    first: Tensor  # int64 (forms + 1,): where each form's glyphs begin
    weights: Tensor  # float64 (glyphs + 1,): cumulated, by font
    aside: Tensor  # bool (glyphs,): of a font that is kept aside

    def to(self, device: str) -> "Bank":
        return Bank(**{name: value.to(device) for name, value in vars(self).items()})

    def only(self, aside: bool) -> "Bank":
        """The bank with the glyphs of the fonts that were kept aside, or with all the others."""
        keep = self.aside == aside
        kept_before = torch.cat([keep.new_zeros(1, dtype=torch.int64), keep.cumsum(0)])
        chances = self.weights.diff()[keep]
        return replace(
            self,
            glyphs=self.glyphs[keep],
            first=kept_before[self.first],
            weights=torch.cat([chances.new_zeros(1), chances.cumsum(0)]),
            aside=self.aside[keep],
        )

    def choose_forms(self, classes: Tensor) -> Tensor:
        """A form of each class, by their chances: int64 (N,)."""
        bounds = torch.searchsorted(self.classes, torch.stack([classes, classes + 1]))
        return choose(self.forms, bounds[0], bounds[1])

    def choose_glyphs(self, forms: Tensor) -> Tensor:
        """A glyph of each form, by the fonts' weights: int64 (N,)."""
        return choose(self.weights, self.first[forms], self.first[forms + 1])


def choose(cumulated: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """An index from ``first`` to before ``last``, by chance."""
    low, high = cumulated[first], cumulated[last]
    at = low + (high - low) * torch.rand(low.shape, dtype=low.dtype, device=low.device)
    return (torch.searchsorted(cumulated, at, right=True) - 1).clamp(first, (last - 1).clamp(min=0))


def other_characters() -> str:
    """Characters that are none of the classes, nor a form of one."""
    known = set(LABELS) | set("".join(VARIANTS.values()))
    trails = (*range(0x40, 0x7F), *range(0xA1, 0xFF))
    every = (bytes([lead, trail]).decode("big5", "ignore") for lead in COMMON for trail in trails)
    return "".join(character for character in every if character and character not in known)[::EVERY]


def read_strokes(folder: Path, character: str) -> np.ndarray | None:
    """float32 (strokes, 10, 2): points in a square from -1 to 1, y downwards, in the order of writing.

    A character that the data lacks is put together from parts of others. None if that is not known either.
    """
    path = stroke_file(folder, character)
    if path.exists():
        lines = json.loads(path.read_text(encoding="utf-8"))["medians"][:MOST_STROKES]
        points = np.stack([resample(np.array(line, np.float32)) for line in lines])
        return (points * (1, -1) + (-UNIT / 2, 900 - UNIT / 2)) / (UNIT / 2)
    parts = [(read_strokes(folder, whole), first, last, box) for whole, first, last, box in COMPOSED.get(character, ())]
    if not parts or any(strokes is None for strokes, *_ in parts):
        return None
    return np.concatenate([squeeze(strokes[first:last], box) for strokes, first, last, box in parts])


def squeeze(strokes: np.ndarray, box: tuple[float, ...] | None) -> np.ndarray:
    """The strokes in a box (left, top, right, bottom); where they are if there is none."""
    if box is None:
        return strokes
    low, high = strokes.min((0, 1)), strokes.max((0, 1))
    return (strokes - low) / (high - low) * (np.array(box[2:]) - box[:2]) + box[:2]


def resample(line: np.ndarray) -> np.ndarray:
    """A line of any number of points as ten, evenly along it."""
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.linspace(0, along[-1], POINTS)
    return np.stack([np.interp(at, along, line[:, axis]) for axis in (0, 1)], 1).astype(np.float32)


def fit(glyph: np.ndarray) -> np.ndarray:
    """uint8 (72, 72): a glyph's ink in the middle, its longer side 68 px; in as many levels as are stored."""
    image = Image.fromarray(glyph)
    ink = image.crop(image.getbbox())
    scale = INK / max(ink.size)
    ink = ink.resize([max(1, round(side * scale)) for side in ink.size], Image.Resampling.BICUBIC)
    square = Image.new("L", (SIDE, SIDE))
    square.paste(ink, ((SIDE - ink.width) // 2, (SIDE - ink.height) // 2))
    return np.round(np.asarray(square, np.float32) / 255 * LEVELS).astype(np.uint8)


def pack(levels: np.ndarray) -> np.ndarray:
    """Two pixels in a byte."""
    flat = levels.reshape(len(levels), -1)
    return flat[:, ::2] << 4 | flat[:, 1::2]


def unpack(packed: Tensor) -> Tensor:
    """uint8 (N, 72, 72), 0 to 255."""
    levels = torch.stack([packed >> 4, packed & LEVELS], -1)
    return (levels * (255 // LEVELS)).view(len(packed), SIDE, SIDE)


def make_bank(folder: Path, classes: int = NONE) -> dict[str, Tensor]:
    """What ``open_bank`` reads, from the fonts under ``folder``; of the first ``classes`` alone, to try things.

    A font that was not fetched is left out. Raises ValueError where no font has one of the characters.
    """
    known = [
        (character, label, chance)
        for label, name in enumerate(LABELS[:classes])
        for character, chance in forms_of(name)
    ]
    others = other_characters() if classes == NONE else other_characters()[:classes]
    forms = known + [(character, NONE, 1 / len(others)) for character in others]
    faces = open_faces(folder)
    strokes = torch.zeros(len(forms), MOST_STROKES, POINTS, 2)
    counts = torch.zeros(len(forms), dtype=torch.int64)
    glyphs: list[np.ndarray] = []
    weights, aside, first, kept = [0.0], [], [0], []
    for number, (character, label, _) in enumerate(forms):
        written = read_strokes(folder, character)
        found = [(face.font, glyph) for face in faces if (glyph := face.glyph(character)) is not None]
        if not found and written is None:
            if label != NONE and character == LABELS[label]:
                raise ValueError(f"No font under {folder} has {character}.")
            continue  # another form, which none of the fonts has
        if written is not None:
            strokes[number, : len(written)] = torch.from_numpy(written)
            counts[number] = len(written)
        for font, glyph in found:
            glyphs.append(pack(fit(glyph)[None])[0])
            weights.append(font.weight)
            aside.append(font.kept_aside)
        first.append(len(glyphs))
        kept.append(number)
    chances = torch.tensor([0.0, *(forms[number][2] for number in kept)], dtype=torch.float64)
    return {
        "classes": torch.tensor([forms[number][1] for number in kept]),
        "forms": chances.cumsum(0),
        "strokes": strokes[kept].half(),
        "counts": counts[kept],
        "glyphs": torch.from_numpy(np.stack(glyphs)),
        "first": torch.tensor(first),
        "weights": torch.tensor(weights, dtype=torch.float64).cumsum(0),
        "aside": torch.tensor(aside),
    }


def forms_of(name: str) -> list[tuple[str, float]]:
    """The forms of a class, its own first, and their chances."""
    others = VARIANTS.get(name, "")
    return [(name, 1 - VARIANT * bool(others)), *((other, VARIANT / len(others)) for other in others)]


def open_bank(path: Path) -> Bank:
    """What ``make_bank`` made."""
    tensors = load(lzma.decompress(path.read_bytes()))
    tensors["strokes"] = tensors["strokes"].float()
    tensors["glyphs"] = unpack(tensors["glyphs"])
    return Bank(**tensors)


def main() -> None:
    """Writes the bank."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fonts", type=Path, required=True, help="what models.handwriting.drawing.fonts fetched")
    parser.add_argument("--out", type=Path, required=True, help="the file to write, about 25 MB")
    options = parser.parse_args()
    options.out.write_bytes(lzma.compress(save(make_bank(options.fonts))))


if __name__ == "__main__":
    main()
