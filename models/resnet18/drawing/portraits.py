"""One insect on a picture: seen through a camera, with its hair, its wings and its shadow."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from models.resnet18.drawing.anatomy import Generator, Insect
from models.resnet18.drawing.solids import Array, Camera, Canvas, Ellipsoid

SHADOW, SHADOW_DEPTH = (18, 14, 10), 0.65
# Shares of the animal's length.
SHADOW_BLUR = 0.02
LINE = 0.004


def aim(turn: float, above: float, roll: float, scale: float, centre: tuple[float, float]) -> Camera:
    """A camera by its angles in radians: round the animal, above the ground, and about its own axis."""
    right = np.array([math.cos(turn), math.sin(turn), 0])
    eye = np.array([-math.sin(turn) * math.cos(above), math.cos(turn) * math.cos(above), math.sin(above)])
    down = np.cross(eye, right)
    turned = np.array([[math.cos(roll), math.sin(roll)], [-math.sin(roll), math.cos(roll)]]) @ np.stack([right, down])
    return Camera(np.stack([*turned, eye]).astype(np.float32), scale, centre)


def place_insect(
    generator: Generator,
    image: Image.Image,
    insect: Insect,
    camera: Camera,
    light: Array,
    frame: tuple[int, int, int, int],
    shadow: bool = True,
) -> None:
    """Lays the animal on the picture, and its shadow under it, within ``frame``: left, top, right, bottom.

    ``camera`` counts its pixels from the frame's corner. ``light`` points to the light, in the animal's
    coordinates.
    """
    size = (frame[2] - frame[0], frame[3] - frame[1])
    seen = camera.rotation @ light
    if shadow:
        cast = draw_insect(generator, insect.shadow(light), camera, size, seen).getchannel("A")
        cast = cast.filter(ImageFilter.GaussianBlur(SHADOW_BLUR * camera.scale))
        image.paste(SHADOW, frame, cast.point(lambda alpha: int(alpha * SHADOW_DEPTH)))
    animal = draw_insect(generator, insect, camera, size, seen)
    image.paste(animal, frame, animal)


def draw_insect(
    generator: Generator, insect: Insect, camera: Camera, size: tuple[int, int], light: Array
) -> Image.Image:
    """The animal alone, RGBA. ``light`` points to the light, in the camera's coordinates."""
    canvas = Canvas(*size, light)
    canvas.draw(insect.solids, camera)
    covered = np.isfinite(canvas.depth)
    image = Image.fromarray(np.dstack([canvas.colour.clip(0, 255), covered * 255.0]).astype(np.uint8), "RGBA")
    for solid in insect.solids:
        if isinstance(solid, Ellipsoid) and solid.hair:
            draw_hair(generator, image, canvas, solid, camera)
    image.alpha_composite(draw_wings(insect, camera, size))
    return image


def draw_hair(generator: Generator, image: Image.Image, canvas: Canvas, solid: Ellipsoid, camera: Camera) -> None:
    """The hair of one segment, where its roots are in sight."""
    directions = generator.normal(0, 1, (solid.hair, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    offsets = directions @ solid.axes.T
    outward = directions @ np.linalg.inv(solid.axes)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    bent = outward + generator.normal(0, 0.35, outward.shape)
    lengths = solid.hair_length * generator.uniform(0.5, 1.2, (solid.hair, 1))
    roots = camera.place(solid.centre + offsets)
    tips = camera.place(solid.centre + offsets + bent * lengths)
    lit = 0.5 + 0.6 * np.clip(outward @ camera.rotation.T @ canvas.light, 0, 1)
    shades = lit[:, None] * generator.uniform(0.8, 1.4, (solid.hair, 1))
    colours = (solid.texture(directions.astype(np.float32)) * shades).clip(0, 255).astype(int)
    draw, width = ImageDraw.Draw(image), max(1, round(camera.scale * LINE))
    rows, columns = canvas.depth.shape
    for root, tip, colour in zip(roots, tips, colours, strict=True):
        x, y = int(root[0]), int(root[1])
        if 0 <= x < columns and 0 <= y < rows and root[2] >= canvas.depth[y, x] - 0.05 * camera.scale:
            draw.line([*root[:2], *tip[:2]], fill=(*colour, 255), width=width)


def draw_wings(insect: Insect, camera: Camera, size: tuple[int, int]) -> Image.Image:
    """The wings, one over the other, RGBA."""
    wings = Image.new("RGBA", size)
    for outline, (red, green, blue, alpha), veins in insect.wings:
        layer = Image.new("RGBA", size)
        draw = ImageDraw.Draw(layer)
        edge = (red // 2, green // 2, blue // 2, min(255, alpha + 60))
        draw.polygon(camera.place(outline)[:, :2].flatten().tolist(), (red, green, blue, alpha), edge)
        for vein in veins:
            points = camera.place(vein)[:, :2].flatten().tolist()
            draw.line(points, edge, max(1, round(camera.scale * LINE)))
        wings.alpha_composite(layer)
    return wings
