"""Random pictures of drawn insects, as a camera close to them would take them."""

import math

import numpy as np
from PIL import Image, ImageFilter

from models.resnet18.drawing.anatomy import Generator
from models.resnet18.drawing.backdrops import cloud, draw_backdrop
from models.resnet18.drawing.insects import make_ant, make_bee
from models.resnet18.drawing.portraits import aim, place_insect
from models.resnet18.drawing.solids import Array, Camera

MAKERS = (make_ant, make_bee)  # by label


def draw_scene(generator: Generator, label: int, side: int = 256) -> Image.Image:
    """One random picture, RGB, ``side`` by ``side`` pixels, of ants (label 0) or bees (label 1)."""
    size = (side, side)
    image = draw_backdrop(generator, size, label)
    light = np.array([*generator.normal(0, 0.5, 2), 1], np.float32)
    alone = generator.random() < (0.6, 0.8)[label]
    count = 1 if alone else int(generator.integers(2, (14, 5)[label]))
    for _ in range(count):
        size_range, margin = ((0.25, 0.95), 0.22) if alone else ((0.15, 0.6), 0.03)
        scale = side * generator.uniform(*size_range) * (1 if alone else 1.4 / math.sqrt(count))
        x, y = (float(at) for at in generator.uniform(margin * side, (1 - margin) * side, 2))
        span = min(side, int(2.6 * scale))  # a canvas no larger than the animal
        left, top = (int(x - span / 2), int(y - span / 2)) if span < side else (0, 0)
        camera = random_camera(generator, scale, (x - left, y - top))
        insect, shadow = MAKERS[label](generator), generator.random() < 0.8
        place_insect(generator, image, insect, camera, light, (left, top, left + span, top + span), shadow)
    return finish(generator, image)


def random_camera(generator: Generator, scale: float, centre: tuple[float, float]) -> Camera:
    """A view from 10 to 90 degrees above the ground, from any side, the camera held nearly straight."""
    turn, above = generator.uniform(0, 2 * math.pi), math.asin(generator.uniform(0.17, 1))
    roll = generator.uniform(0, 2 * math.pi) if above > 1 else generator.normal(0, 0.3)
    return aim(turn, above, roll, scale, centre)


def finish(generator: Generator, image: Image.Image) -> Image.Image:
    """Blur, uneven light, exposure and noise, as of a camera."""
    if generator.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(generator.uniform(0.0015, 0.006) * max(image.size)))
    pixels: Array = np.asarray(image, np.float32)
    light = 1 + 0.2 * generator.random() * cloud(generator, image.size, max(image.size) / 2)
    pixels = pixels * light * generator.uniform(0.75, 1.25)
    pixels = pixels + generator.normal(0, generator.uniform(0, 8), pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
