"""What insects sit on: soil, bark, leaves and flowers."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from models.resnet18.drawing.solids import Array

Generator = np.random.Generator
Palette = tuple[tuple[int, int, int], ...]  # RGB


GROUND = (
    (150, 125, 95),
    (190, 175, 150),
    (110, 80, 55),
    (120, 120, 115),
    (205, 202, 195),
    (235, 232, 225),
    (70, 50, 35),
    (160, 90, 50),
    (90, 95, 100),
)
GREEN = ((70, 110, 40), (100, 150, 50), (40, 70, 30), (130, 160, 80), (30, 45, 20), (60, 90, 60))
PETAL = (
    (240, 200, 30),
    (250, 220, 60),
    (230, 140, 30),
    (220, 80, 150),
    (180, 90, 190),
    (130, 100, 210),
    (240, 240, 235),
    (230, 60, 50),
    (250, 180, 200),
    (90, 110, 220),
)
CORE = ((220, 180, 30), (90, 60, 20), (200, 210, 80), (60, 40, 20))


def pick_tint(generator: Generator, palette: Palette, spread: float = 16.0) -> tuple[int, int, int]:
    """A colour near one of the palette's, RGB."""
    colour = np.array(palette[generator.integers(len(palette))])
    red, green, blue = (colour + generator.normal(0, spread, 3) + generator.normal(0, spread)).clip(0, 255)
    return int(red), int(green), int(blue)


def cloud(generator: Generator, size: tuple[int, int], grain: float) -> Array:
    """Smooth noise (H, W, 1) about 0, of deviation 1, its lumps ``grain`` pixels wide."""
    width, height = size
    small = (max(2, int(width / grain) + 2), max(2, int(height / grain) + 2))
    lumps = Image.fromarray(generator.normal(0, 1, small[::-1]).astype(np.float32))
    return np.asarray(lumps.resize(size, Image.Resampling.BICUBIC))[..., None]


def draw_ground(generator: Generator, size: tuple[int, int], palette: Palette) -> Image.Image:
    """Soil, bark, stone or leaf: one colour, and noise of several grains."""
    unit = max(size) / 256
    base, other = (np.array(pick_tint(generator, colours, 20), np.float32) for colours in (palette, GROUND + GREEN))
    picture: Array = np.broadcast_to(base, (size[1], size[0], 3))
    strength = generator.uniform(5, 45)
    for grain in (generator.uniform(60, 150), generator.uniform(15, 50), generator.uniform(4, 12), 2):
        noise = cloud(generator, size, grain * unit)
        picture = picture + strength * generator.uniform(0, 1) * noise * (0.4 + base / 255)
        if generator.random() < 0.35:
            share = 0.7 / (1 + np.exp(-6 * noise))
            picture = picture * (1 - share) + other * share
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def draw_flower(
    generator: Generator,
    image: Image.Image,
    centre: tuple[float, float],
    radius: float,
    petals: Palette = PETAL,
    cores: Palette = CORE,
) -> None:
    """A flower seen from above: rings of shaded petals round a core of florets."""
    draw = ImageDraw.Draw(image)
    count, colour, turn = (
        int(generator.integers(5, 22)),
        np.array(pick_tint(generator, petals)),
        generator.uniform(0, 7),
    )
    width = generator.uniform(0.5, 1.4) * math.pi * radius / count
    around = np.linspace(0, 2 * math.pi, 24)
    for ring in range(int(generator.integers(1, 4))):
        for petal in range(count):
            angle = turn + ring * 2.4 + 2 * math.pi * petal / count + generator.normal(0, 0.06)
            shade = generator.uniform(0.8, 1.05) * (0.82 + 0.09 * ring)
            for inner in (1.0, 0.8, 0.55, 0.3):
                x = radius * (1 - 0.12 * ring) * (0.5 + 0.5 * np.cos(around) * (0.6 + 0.4 * inner))
                y = width * inner * np.sin(around)
                points = np.stack(
                    [
                        centre[0] + x * math.cos(angle) - y * math.sin(angle),
                        centre[1] + x * math.sin(angle) + y * math.cos(angle),
                    ],
                    1,
                )
                tint = (colour * shade * (0.84 + 0.18 * (1 - inner))).clip(0, 255).astype(int)
                draw.polygon([tuple(place) for place in points], fill=tuple(tint))
    core, colour = radius * generator.uniform(0.1, 0.4), np.array(cores[generator.integers(len(cores))])
    for distance in np.sqrt(np.linspace(1, 0, 220)):
        angle, size = generator.uniform(0, 7), core * 0.1
        x, y = centre[0] + core * distance * math.cos(angle), centre[1] + core * distance * math.sin(angle)
        tint = (colour * generator.uniform(0.55, 1.2)).clip(0, 255).astype(int)
        draw.ellipse([x - size, y - size, x + size, y + size], fill=tuple(tint))


def draw_backdrop(generator: Generator, size: tuple[int, int], label: int) -> Image.Image:
    """Where the insect sits. Ants are more often on the ground and bees on flowers, but neither always."""
    image = draw_ground(generator, size, GROUND if generator.random() < (0.6, 0.25)[label] else GREEN)
    draw, side = ImageDraw.Draw(image), max(size)
    for _ in range(int(generator.integers(0, 4))):
        place, angle = generator.uniform(0, side, 2), generator.uniform(0, math.pi)
        way = 1.5 * side * np.array([math.cos(angle), math.sin(angle)])
        draw.line(
            [tuple(place - way), tuple(place + way)],
            fill=pick_tint(generator, GROUND + GREEN),
            width=int(side * generator.exponential(0.035)) + 1,
        )
    if generator.random() < (0.25, 0.72)[label]:
        for _ in range(1 if generator.random() < 0.6 else int(generator.integers(2, 12))):
            centre = generator.uniform(0, size[0]), generator.uniform(0, size[1])
            draw_flower(generator, image, centre, side * generator.uniform(0.06, 0.7))
    if generator.random() < 0.65:
        image = image.filter(ImageFilter.GaussianBlur(generator.exponential(0.012) * side))
    return image
