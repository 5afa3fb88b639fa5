"""Pictures that know their format: valid ones whose fields, chunks, markers, tags, tiles and frames were changed."""

import random
from collections.abc import Callable

from benchmarks.attack.formats.bmp import mutated_bmp
from benchmarks.attack.formats.changes import valid
from benchmarks.attack.formats.gif import mutated_gif
from benchmarks.attack.formats.jpeg import mutated_jpeg
from benchmarks.attack.formats.png import mutated_png
from benchmarks.attack.formats.tiff import mutated_tiff
from benchmarks.attack.formats.webp import mutated_webp

PICTURES: dict[str, Callable[[random.Random, str], bytes]] = {
    "png": mutated_png,
    "jpeg": mutated_jpeg,
    "gif": mutated_gif,
    "bmp": mutated_bmp,
    "tiff": mutated_tiff,
    "webp": mutated_webp,
}


def valid_picture(rng: random.Random) -> tuple[bytes, str]:
    """A good picture of any format, and its media type."""
    kind, mode = rng.choice(
        (
            ("PNG", "RGB"),
            ("PNG", "RGBA"),
            ("JPEG", "RGB"),
            ("JPEG", "CMYK"),
            ("GIF", "P"),
            ("BMP", "RGB"),
            ("TIFF", "RGB"),
            ("TIFF", "L"),
            ("WEBP", "RGB"),
            ("PNG", "I;16"),
        )
    )
    return valid(kind, mode), f"image/{kind.lower()}"
