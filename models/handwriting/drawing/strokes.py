"""Characters written stroke by stroke: the middle lines of their strokes, moved, bent and joined as a hand does.

The lines are those of Make Me a Hanzi (npm's hanzi-writer-data), which were made from Arphic's fonts.
"""

import json
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from models.handwriting.drawing.fonts import GLYPH, stroke_file

POINTS = 10  # of each stroke, evenly along it
UNIT = 1024  # the data's square; its y points up from a baseline at 900
OVERSAMPLING = 2  # drawn at twice the size, then averaged
SHIFT = 4  # fractional bits of OpenCV's coordinates


def read_strokes(folder: Path, character: str) -> np.ndarray | None:
    """float32 (strokes, 10, 2): points in a square from -1 to 1, y downwards, in the order of writing.

    None where the data lacks the character.
    """
    path = stroke_file(folder, character)
    if not path.exists():
        return None
    lines = json.loads(path.read_text(encoding="utf-8"))["medians"]
    points = np.stack([resample(np.array(line, np.float32)) for line in lines])
    return (points * (1, -1) + (-UNIT / 2, 900 - UNIT / 2)) / (UNIT / 2)


def resample(line: np.ndarray) -> np.ndarray:
    """A line of any number of points as ten, evenly along it."""
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.linspace(0, along[-1], POINTS)
    return np.stack([np.interp(at, along, line[:, axis]) for axis in (0, 1)], 1).astype(np.float32)


def vary(strokes: np.ndarray, rng: np.random.Generator, looseness: float) -> np.ndarray:
    """The strokes as a hand might write them; ``looseness`` from 0, as printed, to 1, hardly legible."""
    count = len(strokes)
    moved = shift_parts(strokes, rng, looseness)
    middle = moved.mean(1, keepdims=True)
    local = moved - middle
    angle = rng.normal(0, 0.13 * looseness, count)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y = local[..., 0], local[..., 1]
    length = np.hypot(*(moved[:, -1] - moved[:, 0]).T)
    scale = np.exp(rng.normal(0, 0.16 * looseness, (count, 1)))
    # A bow across the stroke, deepest in its middle.
    bow = np.sin(np.linspace(0, np.pi, POINTS))[None] * (rng.normal(0, 0.07 * looseness, count) * length)[:, None]
    direction = (moved[:, -1] - moved[:, 0]) / (length[:, None] + 1e-3)
    turned = np.stack([scale * (cos * x - sin * y), scale * (sin * x + cos * y)], -1)
    bowed = turned + bow[..., None] * np.stack([-direction[:, 1], direction[:, 0]], -1)[:, None]
    return middle + bowed + rng.normal(0, 0.05 * looseness, (count, 1, 2))


def shift_parts(strokes: np.ndarray, rng: np.random.Generator, looseness: float) -> np.ndarray:
    """The character cut in the order of writing into one to three parts, each of a size and place of its own."""
    moved = strokes.copy()
    cuts = np.sort(rng.integers(0, len(strokes) + 1, rng.integers(0, 3)))
    for part in np.split(np.arange(len(strokes)), cuts):
        if len(part):
            middle = moved[part].mean((0, 1))
            scale = np.exp(rng.normal(0, 0.14 * looseness, 2))
            moved[part] = (moved[part] - middle) * scale + middle + rng.normal(0, 0.07 * looseness, 2)
    return moved


def join(strokes: np.ndarray, rng: np.random.Generator, haste: float) -> list[np.ndarray]:
    """Lines (points, 2) to draw: strokes, of which a hasty hand joins some to the next and rounds the corners."""
    lines, current = [], [strokes[0]]
    for before, after in pairwise(strokes):
        gap = float(np.hypot(*(after[0] - before[-1])))
        if rng.random() < haste * np.exp(-1.5 * gap):
            current.append(after)
        else:
            lines.append(np.concatenate(current))
            current = [after]
    lines.append(np.concatenate(current))
    width = int(rng.integers(0, 1 + round(4 * haste)))
    return [smooth(line, width) for line in lines]


def smooth(line: np.ndarray, width: int) -> np.ndarray:
    """A line whose points are each the mean of ``2 * width + 1`` neighbours; its ends stay."""
    if width == 0:
        return line
    padded = np.concatenate([np.repeat(line[:1], width, 0), line, np.repeat(line[-1:], width, 0)])
    sums = np.cumsum(np.concatenate([np.zeros((1, 2), line.dtype), padded]), 0)
    return (sums[2 * width + 1 :] - sums[: -2 * width - 1]) / (2 * width + 1)


def write(strokes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """uint8 (96, 96): the ink of one written character."""
    looseness, haste = rng.uniform(0.2, 1.25), max(0.0, rng.uniform(-0.3, 1))
    lines = join(vary(strokes, rng, looseness), rng, haste)
    every = np.concatenate(lines)
    low, high = every.min(0), every.max(0)
    # A wide or high character stays so: its longer side decides, the other follows most of the way.
    span = np.maximum(high - low, 0.6 * (high - low).max()) + 1e-3
    size = GLYPH * OVERSAMPLING
    thickness = rng.uniform(2, 6.5) * OVERSAMPLING
    scale = (size - 2 * thickness) / span
    pen = np.array([size / 2, size / 2]) - (low + high) / 2 * scale
    ink = np.zeros((size, size), np.uint8)
    pressure = rng.uniform(0, 0.35)
    for line in lines:
        points = np.round((line * scale + pen) * 2**SHIFT).astype(np.int32)
        width = max(1, round(thickness * np.exp(rng.normal(0, pressure))))
        cv2.polylines(ink, [points[:, None]], False, 255, width, cv2.LINE_AA, SHIFT)
    return cv2.resize(ink, (GLYPH, GLYPH), interpolation=cv2.INTER_AREA)
