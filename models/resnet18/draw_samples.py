"""Draws the sample pictures: ``python -m models.resnet18.draw_samples``. The same pictures each time."""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from models.resnet18.drawing.anatomy import Insect
from models.resnet18.drawing.backdrops import Generator, cloud, draw_flower
from models.resnet18.drawing.insects import make_ant, make_bee
from models.resnet18.drawing.portraits import aim, place_insect
from models.resnet18.drawing.solids import Array, Ellipsoid

HERE = Path(__file__).parent
SIZE = (500, 375)
OVERSAMPLING = 3  # drawn so many times as large, then reduced: smooth edges, fine hair
QUALITY = 88
WIDTH, HEIGHT = SIZE[0] * OVERSAMPLING, SIZE[1] * OVERSAMPLING
HAIR = 6  # times as many hairs as in a drawing to train on, of half the length

Colour = tuple[int, int, int]  # RGB
SAND, BARK, LEAF, MEADOW = (206, 182, 146), (128, 100, 76), (112, 156, 66), (92, 128, 62)
WHITE, YELLOW, VIOLET = (246, 244, 240), (246, 196, 32), (186, 130, 206)
GOLD, BROWN = (232, 184, 40), (96, 62, 30)


@dataclass(frozen=True)
class Animal:
    """One animal: its seed, the camera's angles in radians, its size and place in shares of the width."""

    seed: int
    turn: float
    above: float
    scale: float
    place: tuple[float, float] = (0.5, 0.42)


@dataclass(frozen=True)
class Sample:
    """One picture: ants or bees on the ground, or on a flower.

    ``grain`` is how much wider than high the ground's lumps are. The flower has a radius (a share of the
    picture's width), and the colours of its petals and its core.
    """

    name: str
    bees: bool
    seed: int
    animals: tuple[Animal, ...]
    ground: Colour
    grain: float = 1.0
    flower: tuple[float, Colour, Colour] | None = None


PICTURES = (
    Sample("ant-on-sand", False, 1, (Animal(104, 0.25, 0.5, 0.5),), SAND),
    Sample("ant-on-leaf", False, 2, (Animal(101, -0.4, 0.7, 0.42),), LEAF, 0.3),
    Sample(
        "ants-on-bark",
        False,
        3,
        (Animal(108, 0.5, 0.75, 0.36, (0.34, 0.3)), Animal(103, 2.4, 0.75, 0.36, (0.66, 0.5))),
        BARK,
        6,
    ),
    Sample("bee-on-daisy", True, 4, (Animal(106, 0.3, 0.75, 0.42),), MEADOW, 1, (0.42, WHITE, GOLD)),
    Sample("bee-on-sunflower", True, 5, (Animal(102, -0.5, 0.9, 0.4),), MEADOW, 1, (0.6, YELLOW, BROWN)),
    Sample("bee-on-aster", True, 6, (Animal(103, 2.6, 0.6, 0.46),), MEADOW, 1, (0.5, VIOLET, GOLD)),
)


def draw_floor(generator: Generator, colour: Colour, grain: float) -> Image.Image:
    """Ground of one colour, lighter and darker in lumps of many sizes, ``grain`` times as wide as high."""
    light = np.zeros((HEIGHT, WIDTH, 1), np.float32)
    tint = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for lump, strength in ((400, 0.1), (150, 0.1), (50, 0.1), (18, 0.12), (8, 0.1), (4, 0.06)):
        squeezed = cloud(generator, (int(WIDTH / max(grain, 1)), int(HEIGHT * min(grain, 1))), lump)
        stretched = Image.fromarray(squeezed[..., 0]).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        light += strength * np.asarray(stretched)[..., None]
        tint += 0.02 * cloud(generator, (WIDTH, HEIGHT), lump) * generator.normal(0, 1, 3)
    return Image.fromarray((np.array(colour) * (np.exp(light) + tint)).clip(0, 255).astype(np.uint8))


def furred(insect: Insect) -> Insect:
    """The animal with hair fine enough for a large picture."""
    insect.solids = [
        replace(solid, hair=solid.hair * HAIR, hair_length=solid.hair_length * 0.6)
        if isinstance(solid, Ellipsoid)
        else solid
        for solid in insect.solids
    ]
    return insect


def draw_lights(generator: Generator, image: Image.Image) -> Image.Image:
    """Soft discs of light: what is bright and far behind, out of focus."""
    layer = Image.new("RGBA", image.size)
    draw = ImageDraw.Draw(layer)
    for _ in range(26):
        x, y, radius = (
            generator.uniform(0, WIDTH),
            generator.uniform(0, 0.6 * HEIGHT),
            generator.uniform(20, 90),
        )
        tint = tuple(int(value) for value in generator.uniform((190, 190, 120), (255, 255, 220)))
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=(*tint, int(generator.uniform(10, 60))))
    blurred = layer.filter(ImageFilter.GaussianBlur(5))
    image.paste(blurred, mask=blurred)
    return image


def out_of_focus(image: Image.Image, focus: Array, blur: float) -> Image.Image:
    """The picture sharp where ``focus`` (H, W) is 1 and blurred where it is 0."""
    near, far = (image.filter(ImageFilter.GaussianBlur(blur * share)) for share in (0.3, 1.0))
    for blurred, threshold in ((near, 0.66), (far, 0.33)):
        mask = Image.fromarray((((threshold - focus) * 3 + 0.5).clip(0, 1) * 255).astype(np.uint8))
        image = Image.composite(blurred, image, mask)
    return image


def draw_sample(sample: Sample) -> Image.Image:
    """The picture, RGB, 500 by 375 pixels."""
    generator = np.random.default_rng(sample.seed)
    image = draw_floor(generator, sample.ground, sample.grain)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    focus = np.exp(-(((rows - 0.62 * HEIGHT) / (0.3 * HEIGHT)) ** 2))
    if sample.flower:
        radius, petal, core = sample.flower
        image = draw_lights(generator, image.filter(ImageFilter.GaussianBlur(45)))
        for _ in range(3):
            place = generator.uniform(0, WIDTH), generator.uniform(0, HEIGHT)
            draw_flower(generator, image, place, WIDTH * generator.uniform(0.1, 0.2), (petal,), (core,))
        image = image.filter(ImageFilter.GaussianBlur(22))
        draw_flower(generator, image, (0.5 * WIDTH, 0.55 * HEIGHT), WIDTH * radius, (petal,), (core,))
        distance = np.hypot(columns - 0.5 * WIDTH, rows - 0.55 * HEIGHT) / WIDTH
        focus = np.exp(-((distance / 0.33) ** 2))
    image = out_of_focus(image, focus, 18)
    light = np.array([-0.35, 0.3, 1.0], np.float32)
    for animal in sample.animals:
        insect = furred((make_bee if sample.bees else make_ant)(np.random.default_rng(animal.seed)))
        centre = animal.place[0] * WIDTH, animal.place[1] * WIDTH
        camera = aim(animal.turn, animal.above, 0.0, animal.scale * WIDTH, centre)
        place_insect(generator, image, insect, camera, light, (0, 0, WIDTH, HEIGHT))
    image = image.filter(ImageFilter.GaussianBlur(1.5)).resize(SIZE, Image.Resampling.LANCZOS)
    pixels = np.asarray(image, np.float32) * (1.12 + 0.06 * cloud(generator, SIZE, 300))
    grain = generator.normal(0, 3.5, (SIZE[1], SIZE[0], 1)) + generator.normal(0, 1.5, pixels.shape)
    return Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8))


def main() -> None:
    """Writes each picture as a JPEG."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE / "samples", help="folder (default: the model's samples)")
    out = parser.parse_args().out
    for sample in PICTURES:
        draw_sample(sample).save(out / f"{sample.name}.jpg", quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main()
