"""The ink of characters in a picture: written ones from the pen's points, printed ones from a font's glyph."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from models.handwriting.drawing.bank import SIDE
from models.handwriting.drawing.hands import Written, lean, rand, randn, wave

CANVAS = 64  # px, the side of the square that serving pads a picture to
CHUNK = 256  # written characters at a time: 2 GB


@dataclass(frozen=True)
class Places:
    """Where the pictures and their characters lie, in pictures' heights from the upper left corner: each (N,)."""

    width: Tensor  # of the picture; its height is 1
    side: Tensor  # of the square it is padded to
    x: Tensor  # of the character's middle
    y: Tensor
    wide: Tensor  # of the character
    tall: Tensor


def place(count: int, device: str, freedom: float = 1.0) -> Places:
    """Pictures as they are cut from forms: a line high, tight at the character's sides, or through them."""
    like = torch.empty(count, device=device)
    tall = (0.66 + freedom * 0.15 * randn(like)).clamp(0.3, 1.08)
    wide = tall * torch.exp(freedom * (0.2 * randn(like) - 0.08))
    left, right = ((0.13 + freedom * 0.14 * randn(like)).clamp(-0.14, 0.7) for _ in range(2))
    # Some pictures hold more of the line.
    more = [freedom * 0.9 * rand(like) ** 2 * (rand(like) < 0.12) for _ in range(2)]
    left, right = left + more[0], right + more[1]
    width = (wide * (1 + left + right)).clamp(0.36, 2.0)
    y = (0.57 + freedom * 0.1 * randn(like)).clamp(min=0.5 * tall - 0.08).minimum(1.1 - 0.5 * tall)
    return Places(width, width.clamp(min=1.0), wide * (left + 0.5), y, wide, tall)


def draw_written(written: Written, places: Places, radius: Tensor) -> Tensor:
    """Ink 0 to 1, (N, 64, 64): discs of ``radius`` (N,), in px of a picture's height of 64, along the pen's way."""
    scale = CANVAS / places.side
    size = torch.stack([places.wide, places.tall], -1)[:, None] * scale[:, None, None]
    centre = torch.stack([places.x, places.y], -1)[:, None] * scale[:, None, None]
    # The discs stay inside of the character's size.
    dots = written.points * (size / 2 - radius[:, None, None] * 0.7).clamp(min=2) + centre
    radii = (written.widths * (radius / places.side)[:, None]).clamp(min=0.55)
    parts = [
        cover(points, wide, mean)
        for points, wide, mean in zip(dots.split(CHUNK), radii.split(CHUNK), radius.split(CHUNK), strict=True)
    ]
    return torch.cat(parts)


def cover(dots: Tensor, radii: Tensor, radius: Tensor) -> Tensor:
    """How much of each pixel is inside a disc.

    1 - (distance / radius)^2 is linear in the pixel's x, y and x^2 + y^2, so its maximum over the discs is one
    product of matrices and a reduction.
    """
    axis = torch.arange(CANVAS, device=dots.device) + 0.5 - CANVAS / 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    pixels = torch.stack([x, y, x**2 + y**2, torch.ones_like(x)], -1).view(-1, 4)
    inverse = radii**-2
    centred = dots - CANVAS / 2
    discs = torch.stack(
        [
            2 * inverse * centred[..., 0],
            2 * inverse * centred[..., 1],
            -inverse,
            1 - inverse * (centred**2).sum(-1),
        ],
        1,
    )
    inside = (pixels @ discs).amax(-1)
    # At the edge it falls by 2 / radius in a pixel.
    return (0.5 + inside * radius[:, None].clamp(min=1.0) * 0.5).clamp(0, 1).view(-1, CANVAS, CANVAS)


def draw_printed(glyphs: Tensor, places: Places, freedom: float = 1.0) -> Tensor:
    """Ink 0 to 1, (N, 64, 64), of glyphs (N, 72, 72): bent as rubber, thicker or thinner, unevenly."""
    axis = (torch.arange(CANVAS, device=glyphs.device) + 0.5) / CANVAS
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    grid = torch.stack([x, y], -1).view(1, -1, 2) * places.side[:, None, None]
    middle = torch.stack([places.x, places.y], -1)[:, None]
    size = torch.stack([places.wide, places.tall], -1)[:, None]
    inner = (grid - middle) / (size / 2)
    inner = wave(lean(inner, freedom), freedom * rand(glyphs, 1, high=0.12))
    inner = inner.view(-1, CANVAS, CANVAS, 2)
    shrink = SIDE * places.side / (CANVAS * places.tall)
    blurred = blur((glyphs.float() / 255)[:, None], (0.12 * shrink).clamp(0.05, 0.3))
    ink = F.grid_sample(blurred, inner, align_corners=False)[:, 0]
    # A line that is blurred and cut at a low level is thicker, at a high one thinner.
    level = 0.5 + freedom * 0.17 * rand(glyphs, low=-1.4)[:, None, None] + freedom * 0.12 * field(glyphs, 4)
    sharp = rand(glyphs, low=3.5, high=9.0)[:, None, None]
    return (0.5 + sharp * (ink - level.clamp(0.12, 0.75))).clamp(0, 1)


def field(like: Tensor, points: int, size: int = CANVAS) -> Tensor:
    """Smooth noise (N, size, size), normal at ``points`` x ``points`` places."""
    noise = randn(like, 1, points, points)
    return F.interpolate(noise, (size, size), mode="bicubic", align_corners=True)[:, 0]


def blur(pixels: Tensor, strength: Tensor) -> Tensor:
    """(N, C, H, W), each pixel mixed with its neighbours; below 0 it is sharpened. ``strength`` (N,), under 1/3."""
    side = strength[:, None, None, None]
    padded = F.pad(pixels, (1, 1, 0, 0), mode="replicate")
    pixels = pixels * (1 - 2 * side) + side * (padded[..., 2:] + padded[..., :-2])
    padded = F.pad(pixels, (0, 0, 1, 1), mode="replicate")
    return pixels * (1 - 2 * side) + side * (padded[..., 2:, :] + padded[..., :-2, :])


def beside(ink: Tensor, places: Places, dx: Tensor, dy: Tensor) -> Tensor:
    """The ink of the batch's next picture, its character moved to ``dx``, ``dy`` (N,), heights from the middle."""
    other = [value.roll(-1) for value in (places.side, places.x, places.y)]
    scale = places.side / other[0]
    axis = (torch.arange(CANVAS, device=ink.device) + 0.5) / CANVAS
    x = axis * scale[:, None] + ((other[1] - places.x - dx) / other[0])[:, None]
    y = axis * scale[:, None] + ((other[2] - places.y - dy) / other[0])[:, None]
    grid = torch.stack(
        [x[:, None].expand(-1, CANVAS, -1), y[:, :, None].expand(-1, -1, CANVAS)],
        -1,
    )
    return F.grid_sample(ink.roll(-1, 0)[:, None], grid * 2 - 1, align_corners=False)[:, 0]


def neighbours(ink: Tensor, places: Places, freedom: float = 1.0) -> Tensor:
    """Ink with that of the characters before, behind, above and below in the form, as far as the picture shows it."""
    other_wide, other_tall = places.wide.roll(-1), places.tall.roll(-1)
    for sign in (-1, 1):
        dx = sign * (0.5 * (places.wide + other_wide) + rand(ink, low=-0.02, high=0.25))
        beyond = beside(ink, places, dx, 0.06 * randn(ink))
        ink = torch.maximum(ink, beyond * shown(ink, 0.6 * freedom))
    above = -places.y - other_tall / 2 + rand(ink, high=0.16)
    below = 1 - places.y + other_tall / 2 - rand(ink, high=0.12)
    for dy, chance in ((above, 0.25), (below, 0.15)):
        ink = torch.maximum(ink, beside(ink, places, 0.3 * randn(ink), dy) * shown(ink, chance * freedom))
    return ink


def shown(like: Tensor, chance: float) -> Tensor:
    """1 with that chance, else 0: (N, 1, 1)."""
    return (rand(like, 1, 1) < chance).to(like.dtype)
