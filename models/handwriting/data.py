"""Real pictures, to measure on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from handlers.images import decode_image, pad_and_resize
from models.handwriting.cases import read_pictures

MAX_PIXELS = 1_000_000


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
