"""A scanned form: paper, red lines, the colour of the ink, the scanner's blur, and JPEG."""

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from models.handwriting.drawing.hands import rand, randn
from models.handwriting.drawing.ink import CANVAS, Places, blur, field

WHITE = 250.0
# The middle of each kind of paper, RGB, and how often it is seen.
PAPERS = ((247, 247, 248), (205, 182, 180), (196, 192, 190), (228, 214, 198), (226, 208, 210), (176, 168, 160))
PAPER_CHANCES = (0.38, 0.2, 0.14, 0.08, 0.14, 0.06)
INKS = (
    (35, 40, 75),
    (40, 45, 130),
    (60, 65, 165),
    (28, 28, 32),
    (15, 15, 18),
    (25, 80, 120),
    (75, 75, 115),
    (95, 95, 95),
)
INK_CHANCES = (0.2, 0.2, 0.15, 0.14, 0.1, 0.1, 0.07, 0.04)
BLOCK = 8  # px, of JPEG
# The tables of the JPEG standard, annex K, for light and for colours, at quality 50.
LIGHT = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
COLOUR = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
# ITU-R BT.601: RGB to light and two colours, and back.
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


@cache
def constant(values: Any, device: torch.device) -> Tensor:
    """Float32 values that stay on the device: each copy to a GPU would wait for all that it still computes."""
    return torch.tensor(values, device=device, dtype=torch.float32)


def one_of(like: Tensor, values: tuple[tuple[int, ...], ...], chances: tuple[float, ...]) -> Tensor:
    """A colour for each picture, (N, 3, 1, 1)."""
    bounds = constant(chances, like.device).cumsum(0)[:-1]
    return constant(values, like.device)[torch.bucketize(rand(like), bounds)][..., None, None]


def paper(ink: Tensor, freedom: float = 1.0) -> Tensor:
    """Paper for pictures of ink (N, 64, 64): float32 (N, 3, 64, 64), RGB, 0 to 255."""
    base = one_of(ink, PAPERS, PAPER_CHANCES)
    base = base + 10 * randn(ink, 1, 1, 1) + 3.5 * randn(ink, 3, 1, 1)
    shade = 4 * field(ink, 3)[:, None]
    rows = rand(ink, 1, 1, 1, high=5.0) * randn(ink, 1, CANVAS, 1)
    grain = blur(randn(ink, 1, CANVAS, CANVAS), 0.3 * rand(ink)) * rand(ink, 1, 1, 1, low=0.5, high=7.0)
    tinted = 2.0 * randn(ink, 3, CANVAS, CANVAS)
    return WHITE + freedom * ((base + shade + rows + grain + tinted).clamp(max=253) - WHITE)


def rule(page: Tensor, places: Places, freedom: float = 1.0) -> Tensor:
    """The page with a form's lines, mostly red: above, one or two below, rarely at the sides; rarely a black edge."""
    axis = (torch.arange(CANVAS, device=page.device) + 0.5) / CANVAS
    across, down = axis * places.side[:, None], axis * places.side[:, None]
    tilt = 0.012 * randn(page, 1, 1)
    y = down[:, :, None] + tilt * across[:, None]
    x = across[:, None] + 0.012 * randn(page, 1, 1) * down[:, :, None]
    width = places.width[:, None, None]
    top = rand(page, 1, 1, low=-0.04, high=0.13)
    bottom = rand(page, 1, 1, low=0.72, high=1.0)
    second = bottom + rand(page, 1, 1, low=0.05, high=0.14)
    below = chance(page, 0.72 * freedom)
    lines = band(page, y, top, 0.02, 0.1) * chance(page, 0.45 * freedom)
    lines = torch.maximum(lines, band(page, y, bottom, 0.012, 0.045) * below)
    lines = torch.maximum(lines, band(page, y, second, 0.012, 0.06) * below * chance(page, 0.6))
    left, right = rand(page, 1, 1, low=-0.02, high=0.2), width - rand(page, 1, 1, low=-0.02, high=0.15)
    lines = torch.maximum(lines, band(page, x, left, 0.012, 0.08) * chance(page, 0.1 * freedom))
    lines = torch.maximum(lines, band(page, x, right, 0.012, 0.05) * chance(page, 0.05 * freedom))
    # The thick lines are printed as a pattern.
    pattern = 1 - 0.3 * rand(page, 1, 1) * (torch.sin(2.2 * CANVAS * (x + 0.4 * y)) > 0.3).to(page.dtype)
    red = torch.cat(
        [rand(page, 1, low=140, high=225), rand(page, 1, low=15, high=90), rand(page, 1, low=25, high=95)], 1
    )
    grey = rand(page, 1, low=40, high=130).expand(-1, 3)
    colour = torch.where(rand(page, 1) < 0.07, grey, red)[..., None, None]
    strength = rand(page, 1, 1, 1, low=0.55)
    page = page + (colour - page) * (lines * pattern)[:, None] * strength
    edge = (x < rand(page, 1, 1, low=0.02, high=0.14)).to(page.dtype) * chance(page, 0.04 * freedom)
    return page * (1 - edge[:, None]) + 15 * edge[:, None]


def band(like: Tensor, along: Tensor, start: Tensor, least: float, most: float) -> Tensor:
    """A line from ``start`` on, of a thickness between, as far as it covers each pixel."""
    thick = rand(like, 1, 1, low=least, high=most)
    distance = (along - start - thick / 2).abs() - thick / 2
    return (0.5 - distance * CANVAS).clamp(0, 1)


def chance(like: Tensor, share: float) -> Tensor:
    """1 with that chance, else 0: (N, 1, 1)."""
    return (rand(like, 1, 1) < share).to(like.dtype)


def ink_page(page: Tensor, ink: Tensor, freedom: float = 1.0) -> Tensor:
    """The page with the ink on it, of some colour, its strength uneven along the strokes."""
    colour = one_of(ink, INKS, INK_CHANCES)
    colour = (colour + 14 * randn(ink, 3, 1, 1) + 8 * randn(ink, 1, 1, 1)).clamp(min=0) * freedom
    strength = rand(ink, 1, 1, low=0.7, high=1.15) + 0.13 * field(ink, 8)
    cover = (ink * (1 + freedom * (strength - 1))).clamp(0, 1)[:, None]
    return page * (1 - cover) + colour * cover


def scan(page: Tensor, freedom: float = 1.0) -> Tensor:
    """The page blurred or sharpened as by a scanner, some coarsely, and through JPEG; whole numbers, 0 to 255."""
    page = blur(page, freedom * rand(page, low=-0.13, high=0.17))
    coarse = F.interpolate(F.avg_pool2d(page, 2), scale_factor=2, mode="bilinear", align_corners=False)
    page = torch.lerp(page, coarse, (freedom * chance(page, 0.09) * rand(page, 1, 1, high=0.8))[:, None])
    return jpeg(page.clamp(0, 255), rand(page, low=35, high=95)).round().clamp(0, 255)


def jpeg(pixels: Tensor, quality: Tensor) -> Tensor:
    """RGB (N, 3, 64, 64) as JPEG of that quality (N,) gives it back, its colours at half the size."""
    ycc = torch.einsum("dc,nchw->ndhw", constant(TO_YCC, pixels.device), pixels)
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)
    light = squeeze(ycc[:, :1] - 128, LIGHT, scale) + 128
    colours = squeeze(F.avg_pool2d(ycc[:, 1:], 2), COLOUR, scale)
    colours = F.interpolate(colours, scale_factor=2, mode="bilinear", align_corners=False)
    return torch.einsum("dc,nchw->ndhw", constant(TO_RGB, pixels.device), torch.cat([light, colours], 1))


def squeeze(planes: Tensor, table: tuple[tuple[int, ...], ...], scale: Tensor) -> Tensor:
    """Planes (N, C, H, W), their blocks' cosines rounded to multiples of the table's."""
    count, channels, height, width = planes.shape
    cosines = cosine_transform(planes.device)
    blocks = planes.view(count, channels, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(3, 4)
    steps = constant(table, planes.device) * scale.view(-1, 1, 1, 1, 1, 1)
    steps = steps.round().clamp(min=1)
    rounded = (cosines @ blocks @ cosines.T / steps).round() * steps
    return (cosines.T @ rounded @ cosines).transpose(3, 4).reshape(planes.shape)


@cache
def cosine_transform(device: torch.device) -> Tensor:
    """The orthonormal matrix (8, 8) of the discrete cosine transform."""
    number = torch.arange(BLOCK, device=device)
    waves = torch.cos(torch.pi * (2 * number + 1) * number[:, None] / (2 * BLOCK)) * (2 / BLOCK) ** 0.5
    waves[0] /= 2**0.5
    return waves
