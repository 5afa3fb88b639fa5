"""Pictures: those drawn to train on, and real ones to measure on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from handlers.images import decode_image, pad_and_resize
from models.handwriting.cases import read_pictures

MAX_PIXELS = 1_000_000
CONTRAST, BRIGHTNESS = 0.25, 0.15  # how far a picture's are changed, of 1


@dataclass(frozen=True)
class Judged:
    """Real pictures, decoded, and their classes, int64 (N,)."""

    images: list[Image.Image]
    labels: Tensor

    def pixels(self, size: int) -> Tensor:
        """uint8 (N, size, size, 3), as serving makes them."""
        return torch.from_numpy(np.stack([pad_and_resize(image, size) for image in self.images]))


def load_judged(pictures: Path, labels: Path) -> Judged:
    """The pictures of a zip file, in a folder a class, and a table of index and dir that gives the folders' classes."""
    judged = read_pictures(pictures, labels)
    images = [decode_image(content, MAX_PIXELS) for content, _ in judged]
    return Judged(images, torch.tensor([index for _, index in judged]))


def open_drawn(drawn: Path, epoch: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The pictures of one file, uint8 (N, 64, 64, 3), and their classes, int64 (N,).

    The files follow one another as they were drawn, and are shuffled where they are seen again.
    """
    files = sorted(drawn.glob("*[0-9].npy"))
    if not files:
        raise FileNotFoundError(f"No drawn pictures in {drawn}: run python -m models.handwriting.draw first.")
    pixels = np.load(files[epoch % len(files)], mmap_mode="r")
    labels = np.load(files[epoch % len(files)].with_suffix(".labels.npy"))
    if epoch < len(files):
        return pixels, labels
    order = np.random.default_rng((seed, epoch)).permutation(len(labels))
    return pixels[order], labels[order]


def batches(pixels: np.ndarray, labels: np.ndarray, size: int, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Float32 (batch, size, size, 3), 0 to 255, in another light, and their classes, int64 (batch,)."""
    for first in range(0, len(labels) - batch + 1, batch):
        chosen = slice(first, first + batch)
        yield resize(change_light(torch.from_numpy(pixels[chosen].copy())), size), torch.from_numpy(labels[chosen])


def change_light(pixels: Tensor) -> Tensor:
    """Each picture brighter or darker, and of more or less contrast: float32 (N, size, size, 3), 0 to 255."""
    count = len(pixels)
    gain = 1 + CONTRAST * (2 * torch.rand(count, 1, 1, 1) - 1)
    shift = 255 * BRIGHTNESS * (2 * torch.rand(count, 1, 1, 1) - 1)
    views = pixels.float()
    # What was padded stays black.
    return torch.where(views > 0, views * gain + shift, views).clamp_(0, 255)


def resize(views: Tensor, size: int) -> Tensor:
    if views.shape[1] == size:
        return views
    smaller = F.interpolate(views.permute(0, 3, 1, 2), (size, size), mode="bilinear", antialias=True)
    return smaller.permute(0, 2, 3, 1)
