"""A picture of a written character as a scanned form shows it: paper, red lines, neighbours, ink, blur, JPEG."""

import cv2
import numpy as np

HEIGHT = 67  # px, the height of most of the pictures that the model is judged on; their width varies
WIDTHS = (28, 52, 88)  # least, most frequent, greatest


def warp(ink: np.ndarray, rng: np.random.Generator, width: int, height: int, freedom: float = 1.0) -> np.ndarray:
    """uint8 (height, width): the ink placed in the picture, scaled, turned, slanted, and bent as rubber.

    With less ``freedom`` than 1 it is large, upright and in the middle.
    """
    side = ink.shape[0]
    tall = (freedom * rng.uniform(0.6, 1.06) + (1 - freedom) * 0.9) * height
    wide = tall * np.exp(freedom * rng.normal(-0.12, 0.18))
    wide = min(wide, width * rng.uniform(0.85, 1.1))
    angle, slant, rise = freedom * rng.normal((0, 0, -0.06), (0.06, 0.12, 0.08))
    centre = np.array([width, height]) / 2 + freedom * rng.normal(0, (0.05 * width, 0.06 * height))
    shape = np.array([[wide / side, 0], [0, tall / side]])
    shape = (
        np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        @ np.array([[1, slant], [rise, 1]])
        @ shape
    )
    inverse = np.linalg.inv(shape)
    # The rubber: a displacement at 4 x 4 points, smoothly between them.
    strength = freedom * rng.uniform(0, 3.5)
    bend = cv2.resize(
        rng.normal(0, strength, (4, 4, 2)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x, y = x - centre[0], y - centre[1]
    tilt = freedom * rng.normal(0, 0.12, 2) / height  # perspective
    depth = 1 + tilt[0] * x + tilt[1] * y
    x, y = x / depth, y / depth
    map_x = (inverse[0, 0] * x + inverse[0, 1] * y + side / 2 + bend[..., 0]).astype(np.float32)
    map_y = (inverse[1, 0] * x + inverse[1, 1] * y + side / 2 + bend[..., 1]).astype(np.float32)
    # Averaged beforehand, or thin strokes would fall between the pixels.
    shrink = side / max(wide, tall)
    if shrink > 1.2:
        ink = cv2.GaussianBlur(ink, (0, 0), 0.35 * shrink)
    return cv2.remap(ink, map_x, map_y, cv2.INTER_LINEAR, borderValue=0)


def thicken(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A printed glyph with a thicker or thinner stroke."""
    size = int(rng.integers(1, 5))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    if rng.random() < 0.5:
        return cv2.dilate(ink, kernel)
    thin = cv2.erode(ink, kernel)
    return thin if thin.sum() > 0.35 * ink.sum() else ink


def neighbour(mask: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> None:
    """Adds a slice of another character at an edge of the picture's ink, in place."""
    height, width = mask.shape
    edge = rng.integers(0, 4)
    depth = int(rng.integers(2, 14))
    if edge < 2:
        strip = cv2.resize(
            other[-24:] if edge == 0 else other[:24], (width, max(depth, 4)), interpolation=cv2.INTER_AREA
        )[:depth]
        target = mask[: len(strip)] if edge == 0 else mask[height - len(strip) :]
    else:
        strip = cv2.resize(
            other[:, -24:] if edge == 2 else other[:, :24], (max(depth, 4), height), interpolation=cv2.INTER_AREA
        )[:, :depth]
        target = mask[:, : strip.shape[1]] if edge == 2 else mask[:, width - strip.shape[1] :]
    np.maximum(target, strip, out=target)


def paper(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """float32 (height, width, 3), RGB, 0 to 255: paper of some tint, with grain and uneven light."""
    light = rng.uniform(140, 252) if rng.random() < 0.75 else rng.uniform(230, 255)
    tint = rng.normal(0, 5, 3) + rng.choice([0, 1]) * np.array([8, -2, -6]) * rng.uniform(0, 2.5)
    shade = cv2.resize(rng.normal(0, 5, (3, 3)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, rng.uniform(0.5, 7), (height, width)).astype(np.float32)
    if rng.random() < 0.5:
        grain = cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.5, 1.5)) * 1.5
    return (light + tint).astype(np.float32) + (shade + grain)[..., None]


def rule(page: np.ndarray, rng: np.random.Generator) -> None:
    """Draws a form's lines near the edges, mostly red, in place."""
    height, width = page.shape[:2]
    colour = np.array([rng.uniform(150, 235), rng.uniform(20, 130), rng.uniform(30, 130)], np.float32)
    if rng.random() < 0.15:
        colour[:] = rng.uniform(30, 120)
    strength = rng.uniform(0.4, 1)
    for edge, chance in ((0, 0.35), (1, 0.5), (2, 0.15), (3, 0.15)):
        if rng.random() < chance:
            thickness = int(rng.integers(1, 4))
            inset = int(rng.integers(0, 10))
            span = (height, width)[edge // 2]
            start = inset if edge % 2 == 0 else span - inset - thickness
            band = page[start : start + thickness] if edge < 2 else page[:, start : start + thickness]
            band += (colour - band) * strength


INKS = ((35, 40, 60), (30, 40, 110), (50, 60, 150), (25, 25, 28), (10, 10, 10), (20, 70, 90), (70, 70, 110))


def ink_page(page: np.ndarray, mask: np.ndarray, rng: np.random.Generator, freedom: float = 1.0) -> np.ndarray:
    """The page with the ink on it: a colour of ink, its strength uneven along the strokes; black with no freedom."""
    height, width = mask.shape
    colour = np.array(INKS[rng.integers(len(INKS))], np.float32) + rng.normal(0, 12, 3).astype(np.float32)
    uneven = rng.uniform(0.6, 1.15, (8, 8)).astype(np.float32) * rng.uniform(0.7, 1.15)
    strength = 1 + freedom * (cv2.resize(uneven, (width, height), interpolation=cv2.INTER_LINEAR) - 1)
    cover = np.clip(mask.astype(np.float32) / 255 * strength, 0, 1)[..., None]
    return page * (1 - cover) + freedom * np.maximum(colour, 0) * cover


def photograph(page: np.ndarray, rng: np.random.Generator, freedom: float = 1.0) -> np.ndarray:
    """uint8 RGB: the page blurred as by a scanner, and through JPEG."""
    if rng.random() < 0.5 * freedom:
        page = cv2.GaussianBlur(page, (0, 0), rng.uniform(0.3, 0.8))
    if rng.random() < 0.15 * freedom:  # scanned coarsely
        height, width = page.shape[:2]
        factor = rng.uniform(0.5, 0.9)
        small = cv2.resize(
            page, (max(8, int(width * factor)), max(8, int(height * factor))), interpolation=cv2.INTER_AREA
        )
        page = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    pixels = np.clip(page, 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 96))))
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
