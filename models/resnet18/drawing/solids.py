"""A small renderer: ellipsoids and tapered rods, seen from afar, shaded by one light."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Texture = Callable[[Array], Array]  # points on the unit sphere (N, 3) -> colours (N, 3), 0 to 255

AMBIENT, WRAP = 0.35, 0.25  # light from everywhere, and how far the light reaches round an edge


@dataclass(frozen=True)
class Ellipsoid:
    """A body segment. ``axes`` (3, 3): the half axes as columns, the first along the body."""

    centre: Array
    axes: Array
    texture: Texture
    gloss: float = 0.0
    hair: int = 0  # how many hairs stand on it
    hair_length: float = 0.05


@dataclass(frozen=True)
class Rod:
    """A piece of a leg or an antenna, from one point to another, with a radius at each."""

    start: Array
    end: Array
    radii: tuple[float, float]
    colour: Array
    gloss: float = 0.0


@dataclass(frozen=True)
class Camera:
    """Turns the model's coordinates into pixels: x right, y down, z towards the eye, all in pixels."""

    rotation: Array  # (3, 3), its rows the camera's axes
    scale: float  # pixels a unit of length
    centre: tuple[float, float]

    def place(self, points: Array) -> Array:
        """Points (..., 3) as (x, y, z) in pixels."""
        turned = points @ self.rotation.T * self.scale
        placed: Array = (turned + np.array([*self.centre, 0.0])).astype(np.float32)
        return placed


class Canvas:
    """A square or oblong picture in the making: colours, coverage, and how near each pixel is."""

    def __init__(self, width: int, height: int, light: Array) -> None:
        self.colour = np.zeros((height, width, 3), np.float32)
        self.depth = np.full((height, width), -np.inf, np.float32)
        self.light = (light / np.linalg.norm(light)).astype(np.float32)  # from the scene to the light
        halfway = self.light + np.array([0, 0, 1], np.float32)
        self.halfway = halfway / np.linalg.norm(halfway)

    def window(self, low: Array, high: Array) -> tuple[slice, slice] | None:
        """The rows and columns that a box in pixels touches, or None if it lies outside."""
        height, width = self.depth.shape
        left, right = max(0, int(low[0])), min(width, int(high[0]) + 2)
        top, bottom = max(0, int(low[1])), min(height, int(high[1]) + 2)
        return (slice(top, bottom), slice(left, right)) if left < right and top < bottom else None

    def paint(
        self,
        window: tuple[slice, slice],
        inside: NDArray[np.bool_],
        z: Array,
        normals: Array,
        colours: Array,
        gloss: float,
    ) -> None:
        """Shades the pixels ``inside`` a window where they are nearer than what is there.

        z (N,), normals (N, 3) and colours (N, 3) are given for the pixels that are ``inside``.
        """
        nearer = z > self.depth[window][inside]
        visible = inside.copy()
        visible[inside] = nearer
        normals, colours = normals[nearer], colours[nearer]
        towards = normals @ self.light
        diffuse = AMBIENT + (1 - AMBIENT) * np.clip((towards + WRAP) / (1 + WRAP), 0, 1)
        shine = gloss * (np.clip(normals @ self.halfway, 0, 1) ** 30 + 0.25 * (1 - normals[:, 2].clip(0, 1)) ** 3)
        self.colour[window][visible] = colours * diffuse[:, None] + 255 * shine[:, None]
        self.depth[window][visible] = z[nearer]

    def draw_ellipsoid(self, solid: Ellipsoid, camera: Camera) -> None:
        """Solves for the surface's near side at each pixel of its box."""
        centre = camera.place(solid.centre)
        axes = camera.rotation @ solid.axes * camera.scale
        reach = np.sqrt((axes**2).sum(1))
        window = self.window(centre - reach, centre + reach)
        if window is None:
            return
        y, x = np.mgrid[window].astype(np.float32)
        x, y = x - centre[0], y - centre[1]
        inverse = np.linalg.inv(axes).astype(np.float32)
        form = inverse.T @ inverse
        b = form[0, 2] * x + form[1, 2] * y
        c = form[0, 0] * x * x + 2 * form[0, 1] * x * y + form[1, 1] * y * y - 1
        root = b * b - form[2, 2] * c
        inside = root > 0
        z = (-b[inside] + np.sqrt(root[inside])) / form[2, 2]
        points = np.stack([x[inside], y[inside], z], 1)
        normals = points @ form
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        self.paint(window, inside, z + centre[2], normals, solid.texture(points @ inverse.T), solid.gloss)

    def draw_rod(self, rod: Rod, camera: Camera) -> None:
        """Draws a rod as a row of discs that bulge towards the eye."""
        start, end = camera.place(rod.start), camera.place(rod.end)
        radii = np.maximum(np.array(rod.radii) * camera.scale, 0.6)
        window = self.window(np.minimum(start, end) - radii.max(), np.maximum(start, end) + radii.max())
        if window is None:
            return
        y, x = np.mgrid[window].astype(np.float32)
        along = (end - start)[:2]
        share = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / max(float(along @ along), 1e-6)
        share = share.clip(0, 1)
        dx, dy = x - start[0] - share * along[0], y - start[1] - share * along[1]
        radius = radii[0] + share * (radii[1] - radii[0])
        height = radius**2 - dx**2 - dy**2
        inside = height > 0
        z = np.sqrt(height[inside])
        normals = np.stack([dx[inside], dy[inside], z], 1) / radius[inside][:, None]
        depth = z + start[2] + share[inside] * (end[2] - start[2])
        colours = np.broadcast_to(rod.colour.astype(np.float32), normals.shape)
        self.paint(window, inside, depth.astype(np.float32), normals.astype(np.float32), colours, rod.gloss)

    def draw(self, solids: Sequence[Ellipsoid | Rod], camera: Camera) -> None:
        """Draws the parts of one animal; what is nearer hides what is behind."""
        for solid in solids:
            if isinstance(solid, Ellipsoid):
                self.draw_ellipsoid(solid, camera)
            else:
                self.draw_rod(solid, camera)
