"""What insects are put together from. Units of about one body length; x forward, y left, z up."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from models.resnet18.drawing.solids import Array, Ellipsoid, Rod, Texture

Generator = np.random.Generator

EYE = (16, 13, 12)


@dataclass
class Insect:
    """An animal in parts; a wing is an outline (N, 3), a colour RGBA, and veins to draw on it."""

    solids: list[Ellipsoid | Rod] = field(default_factory=list)
    wings: list[tuple[Array, tuple[int, int, int, int], list[Array]]] = field(default_factory=list)

    def shadow(self, light: Array) -> "Insect":
        """The animal flattened onto the ground z = 0, along the light's direction (towards the light)."""
        flat = np.eye(3, dtype=np.float32)
        flat[:, 2] = -light / light[2]
        flat[2, 2] = 0.02
        cast = Insect()
        for solid in self.solids:
            if isinstance(solid, Ellipsoid):
                cast.solids.append(replace(solid, centre=flat @ solid.centre, axes=flat @ solid.axes, hair=0))
            else:
                cast.solids.append(replace(solid, start=flat @ solid.start, end=flat @ solid.end))
        return cast


def pick_colour(generator: Generator, palette: tuple[tuple[int, int, int], ...]) -> Array:
    """A colour near one of the palette's, lighter or darker, its hue a little off: float32 (3,), 0 to 255."""
    colour = np.array(palette[generator.integers(len(palette))])
    colour = colour * math.exp(generator.normal(0, 0.2)) * np.exp(generator.normal(0, 0.08, 3))
    return colour.clip(6, 250).astype(np.float32)


def point(*coordinates: float) -> Array:
    """A place or a direction, float32 (3,)."""
    return np.array(coordinates, np.float32)


def along(direction: Array, length: float, width: float, height: float) -> Array:
    """Half axes (3, 3) of a segment whose long axis points this way and whose third axis points upwards."""
    forward = direction / np.linalg.norm(direction)
    side = np.cross(point(0, 0, 1), forward)
    side /= np.linalg.norm(side)
    return np.stack([forward * length, side * width, np.cross(forward, side) * height], 1).astype(np.float32)


def plain(colour: Array, generator: Generator, rings: int = 0) -> Texture:
    """One colour, a little mottled, with ``rings`` where the plates of an abdomen overlap."""
    seed = int(generator.integers(1 << 30))

    def texture(points: Array) -> Array:
        grain = np.random.default_rng(seed).normal(1, 0.07, (len(points), 1))
        if rings:
            phase = (points[:, :1] * 0.5 + 0.5) * rings % 1
            grain = grain * (1 - 0.45 * np.exp(-(((phase - 0.5) / 0.09) ** 2)) + 0.25 * (phase > 0.62) * (phase < 0.8))
        return (colour * grain).astype(np.float32)

    return texture


def banded(light: Array, dark: Array, generator: Generator, bands: int, share: float) -> Texture:
    """Bands across the body, ``share`` of each dark, with ragged edges and a dark tip."""
    seed = int(generator.integers(1 << 30))

    def texture(points: Array) -> Array:
        noise = np.random.default_rng(seed).normal(0, 1, (len(points), 2))
        phase = ((points[:, 0] * 0.5 + 0.5) * bands + 0.04 * noise[:, 0] + 0.12 * points[:, 1] ** 2) % 1
        weight = 1 / (1 + np.exp((phase - share) * 30)) + (points[:, 0] < -0.86)
        weight = weight.clip(0, 1)[:, None]
        return ((weight * dark + (1 - weight) * light) * (1 + 0.09 * noise[:, 1:])).astype(np.float32)

    return texture


def limb(places: list[Array], radii: list[float], colour: Array, gloss: float) -> list[Ellipsoid | Rod]:
    """Rods from place to place, a radius at each."""
    return [
        Rod(start, end, (a, b), colour, gloss)
        for start, end, a, b in zip(places, places[1:], radii, radii[1:], strict=False)
    ]


def add_legs(
    insect: Insect,
    generator: Generator,
    colour: Array,
    hips: tuple[float, float, float],
    height: float,
    reach: float,
    thickness: float,
) -> None:
    """Six legs, each from the body up to a knee and down to the ground at z = 0."""
    for side in (-1, 1):
        for hip, swing in zip(hips, (0.75, -0.15, -0.85), strict=True):
            angle = swing + generator.normal(0, 0.22)
            length = reach * generator.uniform(0.85, 1.15) * (1.2 if swing < -0.5 else 1.0)
            out = point(math.sin(angle), side * math.cos(angle), 0)
            start = point(hip, side * 0.06, height)
            knee = start + out * length * 0.42 + point(0, 0, length * generator.uniform(0.1, 0.4))
            ankle = start + out * length * generator.uniform(0.72, 0.9)
            ankle[2] = 0.03
            toe = ankle + out * length * 0.2 + point(generator.normal(0, 0.03), 0, -0.03)
            insect.solids += limb(
                [start, knee, ankle, toe],
                [thickness * 1.25, thickness, thickness * 0.6, thickness * 0.35],
                colour,
                0.25,
            )


def add_head(
    insect: Insect,
    generator: Generator,
    colour: Array,
    centre: Array,
    sizes: tuple[float, float, float],
    eyes: float,
    gloss: float,
    hair: int,
) -> None:
    """A head with an eye on each side."""
    direction = point(1, 0, -generator.uniform(0.1, 0.8))
    insect.solids.append(Ellipsoid(centre, along(direction, *sizes), plain(colour, generator), gloss, hair, 0.05))
    for side in (-1, 1):
        place = centre + point(sizes[0] * 0.3, side * sizes[1] * 0.82, sizes[2] * 0.3)
        axes = along(direction, eyes * 0.7, eyes * 0.45, eyes)
        insect.solids.append(Ellipsoid(place, axes, plain(point(*EYE), generator), 0.5))
