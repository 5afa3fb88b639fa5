"""Pictures: as serving sees them, to be judged on, and as endless random views, to be trained on."""

import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from handlers.images import decode_image, resize_and_crop
from models.resnet18.drawing.scenes import draw_scene
from models.resnet18.photos import list_photos

MAX_PIXELS = 50_000_000
RESIZE, SIZE = 256, 224  # what serving does to a picture, and what every figure is measured with
LEVELS = 3  # each half the size of the one before, so that a view that shrinks does not alias

# Views: a part of the photo of this share of its area and this aspect ratio, turned by up to this much.
AREA = (0.35, 1.0)
ASPECT = (3 / 4, 4 / 3)
TURN_DEGREES = 30.0
# Colours: factors for brightness, contrast and saturation are drawn from 1 - x to 1 + x.
BRIGHTNESS, CONTRAST, SATURATION = 0.4, 0.4, 0.4
HUE_DEGREES = 12.0  # little: the colour of petals, pollen and chitin is evidence
GREY = 0.1  # the share of views that lose their colour
LUMA = torch.tensor([0.299, 0.587, 0.114])  # ITU-R BT.601


@dataclass(frozen=True)
class Judged:
    """Photos as the server would hand them to the network: uint8 (N, 224, 224, 3), and labels int64 (N,)."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Photo:
    """One training picture: uint8 (3, H, W), short side 256, then at half and quarter size."""

    levels: tuple[Tensor, ...]
    label: int


def load_judged(folder: Path) -> Judged:
    """One split, decoded, resized and cropped by the code that serves."""
    photos = list_photos(folder)
    pixels = [resize_and_crop(decode_image(path.read_bytes(), MAX_PIXELS), RESIZE, SIZE) for path, _ in photos]
    return Judged(torch.from_numpy(np.stack(pixels)), torch.tensor([label for _, label in photos]))


def load_photos(folder: Path) -> list[Photo]:
    """One split, whole and in memory, about 0.4 MB a photo."""
    return [
        Photo(make_levels(decode_image(path.read_bytes(), MAX_PIXELS)), label) for path, label in list_photos(folder)
    ]


def draw_photos(count: int, seed: int) -> list[Photo]:
    """``count`` drawings, ants and bees in turn, on two cores: a minute for every thousand on one."""
    # Spawned, for a process that is forked beside torch's threads waits for them for ever.
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        numbers = ((seed, number) for number in range(count))
        return [
            Photo(tuple(torch.from_numpy(level) for level in levels), number % 2)
            for number, levels in enumerate(pool.map(draw_numbered, numbers, chunksize=25))
        ]


def draw_numbered(seed_and_number: tuple[int, int]) -> list[np.ndarray]:
    """The levels of one drawing, the same for the same seed and number."""
    scene = draw_scene(np.random.default_rng(seed_and_number), seed_and_number[1] % 2)
    return [level.contiguous().numpy() for level in make_levels(scene)]


def make_levels(image: Image.Image) -> tuple[Tensor, ...]:
    """The picture at the size that serving resizes it to, and smaller ones; uint8 (3, H, W) each."""
    factor = RESIZE / min(image.size)
    resized = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(resized)).permute(2, 0, 1).float()
    return tuple(F.avg_pool2d(pixels, 2**level).byte() for level in range(LEVELS))


def random_views(photos: list[Photo], size: int, generator: np.random.Generator) -> Tensor:
    """One random view of each photo: float32 (N, size, size, 3), 0 to 255."""
    views = torch.cat([random_view(photo, size, generator) for photo in photos])
    return random_colours(views, generator).permute(0, 2, 3, 1)


def random_view(photo: Photo, size: int, generator: np.random.Generator) -> Tensor:
    """A part of the photo, turned, mirrored and resized in one resampling: (1, 3, size, size).

    What lies beyond the photo's edge is its mirror image.
    """
    height, width = photo.levels[0].shape[1:]
    share, ratio = generator.uniform(*AREA), math.exp(generator.uniform(*np.log(ASPECT)))
    view_width = min(width, math.sqrt(share * width * height * ratio))
    view_height = min(height, math.sqrt(share * width * height / ratio))
    angle = math.radians(generator.uniform(-TURN_DEGREES, TURN_DEGREES))
    mirror = 1.0 if generator.random() < 0.5 else -1.0
    # In grid_sample's coordinates the photo spans -1 to 1 on both axes, whatever its aspect ratio.
    centre_x = generator.uniform(-1, 1) * (1 - view_width / width)
    centre_y = generator.uniform(-1, 1) * (1 - view_height / height)
    cos, sin = math.cos(angle), math.sin(angle)
    theta = torch.tensor(
        [
            [
                [mirror * cos * view_width / width, -sin * view_height / width, centre_x],
                [mirror * sin * view_width / height, cos * view_height / height, centre_y],
            ]
        ],
        dtype=torch.float32,
    )
    level = min(LEVELS - 1, max(0, round(math.log2(max(view_width, view_height) / size))))
    grid = F.affine_grid(theta, [1, 3, size, size], align_corners=False)
    return F.grid_sample(photo.levels[level][None].float(), grid, padding_mode="reflection", align_corners=False)


def random_colours(views: Tensor, generator: np.random.Generator) -> Tensor:
    """Views (N, 3, H, W) with brightness, contrast, saturation and hue changed, each in its own way."""
    count = len(views)

    def factors(spread: float) -> Tensor:
        return torch.from_numpy(generator.uniform(1 - spread, 1 + spread, (count, 1, 1))).float()

    saturation = factors(SATURATION) * torch.from_numpy(generator.random((count, 1, 1)) >= GREY).float()
    hue = torch.from_numpy(generator.uniform(-1, 1, count)).float() * math.radians(HUE_DEGREES)
    grey = LUMA.expand(3, 3)
    matrices = factors(BRIGHTNESS) * (grey + saturation * (hue_matrices(hue) - grey))
    mixed = torch.einsum("nij,njhw->nihw", matrices, views)
    mean = mixed.mean((1, 2, 3), keepdim=True)
    return (mean + factors(CONTRAST)[..., None] * (mixed - mean)).clamp_(0, 255)


def hue_matrices(angles: Tensor) -> Tensor:
    """Rotations of RGB about the grey axis by angles (N,) in radians: (N, 3, 3). Rodrigues' formula."""
    axis = torch.full((3,), 1 / math.sqrt(3))
    cross = torch.linalg.cross(axis.expand(3, 3), torch.eye(3)).T
    cos, sin = angles.cos()[:, None, None], angles.sin()[:, None, None]
    rotations: Tensor = cos * torch.eye(3) + sin * cross + (1 - cos) * torch.outer(axis, axis)
    return rotations


def mix(images: Tensor, targets: Tensor, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    """CutMix (a box of another photo pasted in) or mixup (a blend with it), each for half the batches.

    images (N, S, S, 3); targets (N, classes), probabilities, blended as the pixels are.
    """
    other = torch.from_numpy(generator.permutation(len(images)))
    kept = float(generator.beta(1, 1))
    if generator.random() < 0.5:
        return kept * images + (1 - kept) * images[other], kept * targets + (1 - kept) * targets[other]
    size = images.shape[1]
    side = round(size * math.sqrt(1 - kept))
    top, left = (int(start) for start in generator.integers(0, size - side + 1, 2))
    mixed = images.clone()
    mixed[:, top : top + side, left : left + side] = images[other, top : top + side, left : left + side]
    pasted = (side / size) ** 2
    return mixed, (1 - pasted) * targets + pasted * targets[other]
