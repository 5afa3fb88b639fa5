"""Ants and bees, no two alike."""

import math

import numpy as np

from models.resnet18.drawing.anatomy import (
    Generator,
    Insect,
    add_head,
    add_legs,
    along,
    banded,
    limb,
    pick_colour,
    plain,
    point,
)
from models.resnet18.drawing.solids import Array, Ellipsoid

# RGB. What ants and bees are made of, and what hair is made of.
CHITIN = ((26, 22, 22), (18, 17, 22), (60, 34, 22), (125, 58, 26), (165, 80, 34), (88, 46, 30), (45, 45, 52))
BAND = ((222, 160, 44), (200, 130, 52), (236, 190, 62), (190, 142, 92), (172, 110, 60), (214, 192, 150))
DARK = ((30, 24, 20), (58, 38, 26), (22, 20, 26))
HAIR = ((186, 134, 66), (156, 112, 72), (206, 150, 44), (66, 52, 42), (194, 172, 132), (34, 30, 30))
WING = ((212, 206, 190), (184, 164, 126), (232, 232, 236), (104, 80, 58))


def make_ant(generator: Generator) -> Insect:
    """An ant: three parts with a thin waist, elbowed antennae, long legs, a shine."""
    insect = Insect()
    rear = pick_colour(generator, CHITIN)
    front = pick_colour(generator, CHITIN) if generator.random() < 0.5 else rear
    limbs = (front * generator.uniform(0.75, 1.25)).clip(5, 230).astype(np.float32)
    gloss, fat, height = (
        generator.uniform(0.1, 0.7),
        generator.uniform(0.8, 1.25),
        generator.uniform(0.2, 0.32),
    )
    add_legs(insect, generator, limbs, (0.2, 0.1, 0.0), height, generator.uniform(0.6, 0.95), 0.022 * fat)
    lift = generator.normal(0, 0.07)
    bend = generator.normal(0, 0.06)
    tail = point(-0.5, bend, height + lift)
    gaster = along(point(1, -bend, -lift * 2), 0.27 * generator.uniform(0.8, 1.15), 0.17 * fat, 0.17 * fat)
    insect.solids.append(Ellipsoid(tail, gaster, plain(rear, generator, 4), gloss, int(generator.integers(0, 40))))
    for x, size in ((-0.2, 0.055), (-0.13, 0.045))[: generator.integers(1, 3)]:
        axes = along(point(1, 0, 0), 0.05, size * 0.9, size * 1.3)
        insect.solids.append(Ellipsoid(point(x, bend * 0.3, height), axes, plain(front, generator), gloss / 2))
    insect.solids += limb([point(-0.3, bend * 0.5, height - 0.01), point(0.0, 0, height)], [0.03, 0.04], front, 0.1)
    for x, sizes in ((0.06, (0.16, 0.075, 0.085)), (0.22, (0.13, 0.085, 0.1))):
        axes = along(point(1, 0, 0.1), sizes[0], sizes[1] * fat, sizes[2] * fat)
        insect.solids.append(Ellipsoid(point(x, 0, height + 0.02), axes, plain(front, generator), gloss * 0.7, 15))
    big = generator.uniform(0.85, 1.25)
    head = point(0.46 + 0.04 * big, bend * generator.normal(0, 1), height + generator.uniform(-0.06, 0.06))
    add_head(insect, generator, front, head, (0.15 * big, 0.13 * big * fat, 0.11 * big), 0.035, gloss, 15)
    for side in (-1, 1):
        root = head + point(0.1, side * 0.05, 0.03)
        elbow = root + point(
            generator.uniform(0.05, 0.25), side * generator.uniform(0.12, 0.26), generator.uniform(0.0, 0.16)
        )
        tip = elbow + point(
            generator.uniform(0.12, 0.3), side * generator.uniform(-0.1, 0.2), generator.uniform(-0.2, 0.05)
        )
        insect.solids += limb([root, elbow, tip], [0.012 * fat, 0.012 * fat, 0.017 * fat], limbs, 0.2)
        jaw = head + point(0.13 * big, side * 0.06, -0.07)
        insect.solids += limb([jaw, jaw + point(0.09, -side * 0.04, -0.03)], [0.025, 0.01], limbs, 0.3)
    return insect


def make_bee(generator: Generator) -> Insect:
    """A bee: stout and hairy, banded or dark, with wings, large eyes and short antennae."""
    insect = Insect()
    dark, light, fur = (
        pick_colour(generator, DARK),
        pick_colour(generator, BAND),
        pick_colour(generator, HAIR),
    )
    fat, height = generator.uniform(0.9, 1.3), generator.uniform(0.24, 0.34)
    bands = int(generator.integers(3, 7))
    share = 1.1 if generator.random() < 0.14 else generator.uniform(0.25, 0.65)
    add_legs(insect, generator, dark, (0.24, 0.14, 0.04), height - 0.08, generator.uniform(0.4, 0.6), 0.036)
    droop = generator.uniform(-0.05, 0.14)
    abdomen = along(
        point(1, generator.normal(0, 0.1), droop), 0.36 * generator.uniform(0.85, 1.1), 0.2 * fat, 0.19 * fat
    )
    texture = banded(light, dark, generator, bands, share)
    shaggy = int(generator.integers(40, 500))
    insect.solids.append(Ellipsoid(point(-0.32, 0, height - droop), abdomen, texture, 0.22, shaggy, 0.05))
    thorax = along(point(1, 0, 0), 0.2 * fat, 0.19 * fat, 0.19 * fat)
    hair = int(generator.integers(200, 900))
    insect.solids.append(
        Ellipsoid(
            point(0.12, 0, height + 0.03),
            thorax,
            plain(fur, generator),
            0.02,
            hair,
            generator.uniform(0.04, 0.09),
        )
    )
    head = point(0.12 + 0.26 * fat, 0, height + generator.uniform(-0.06, 0.02))
    add_head(insect, generator, dark, head, (0.1, 0.15, 0.14), 0.085, 0.1, int(generator.integers(20, 200)))
    for side in (-1, 1):
        root = head + point(0.08, side * 0.04, 0.04)
        elbow = root + point(0.08, side * 0.06, 0.08)
        tip = elbow + point(generator.uniform(0.08, 0.2), side * generator.uniform(0.0, 0.14), -0.05)
        insect.solids += limb([root, elbow, tip], [0.014, 0.013, 0.016], dark, 0.2)
    add_wings(insect, generator, point(0.1, 0, height + 0.17 * fat))
    return insect


def add_wings(insect: Insect, generator: Generator, root: Array) -> None:
    """Two pairs, folded back or spread, with veins."""
    colour = tuple(int(value) for value in pick_colour(generator, WING))
    rgba = (colour[0], colour[1], colour[2], int(generator.uniform(60, 160)))
    spread, lift = generator.uniform(0.15, 1.3), generator.uniform(0.0, 0.7)
    for side in (-1, 1):
        for length, turn in ((generator.uniform(0.42, 0.55), 0.8), (generator.uniform(0.6, 0.8), 1.0)):
            out = point(-math.cos(spread * turn), side * math.sin(spread * turn), lift)
            across = point(math.sin(spread * turn), side * math.cos(spread * turn), 0) * length * 0.19
            start = root + point(-0.03, side * 0.1, 0)
            around = np.linspace(0, 2 * math.pi, 40)[:, None]
            reach = (1 - np.cos(around)) / 2
            outline = start + out * length * reach - across * np.sin(around) * reach**0.4
            veins = [
                np.stack([start, start + out * length * end + across * sideways])
                for end, sideways in ((0.95, 0.5), (0.9, 0.0), (0.75, -0.5), (0.55, -0.6))
            ]
            insect.wings.append((outline.astype(np.float32), rgba, veins))
