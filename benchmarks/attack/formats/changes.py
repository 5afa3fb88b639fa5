"""What the mutations of all formats share: numbers, valid pictures, parts that are dropped, repeated, swapped, cut."""

import io
import random
from collections.abc import Callable, Sequence
from functools import cache

from PIL import Image

# Numbers that parsers get wrong: limits of types, of formats, of what is allowed, and their neighbours.
NUMBERS = (
    *(0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 64, 100, 127, 128, 129, 255, 256, 257, 1000),
    *(4999, 5000, 5001, 10000, 16383, 16384, 25000, 32767, 32768, 46000, 65500, 65535, 65536, 1 << 20, 3_000_000),
    *((1 << 24) - 1, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 2, (1 << 32) - 1),
)
MOST_BYTES = 1_000_000  # of what is repeated


def noisy(width: int, height: int) -> Image.Image:
    """A grey picture of noise, the same each time."""
    return Image.frombytes("L", (width, height), random.Random(width).randbytes(width * height))  # noqa: S311


@cache
def valid(kind: str, mode: str, width: int = 48, height: int = 36, **options: object) -> bytes:
    """A valid picture of a format."""
    noise = noisy(width, height)
    gradient = Image.linear_gradient("L").resize((width, height))
    picture = Image.merge("RGB", (noise, gradient, gradient.transpose(Image.Transpose.ROTATE_180)))
    if mode in ("I;16", "F", "I"):
        picture = gradient
    buffer = io.BytesIO()
    picture.convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


@cache
def animation(kind: str) -> bytes:
    """Three frames that differ."""
    frames = [noisy(48, 36).rotate(angle).convert("P" if kind == "GIF" else "RGB") for angle in (0, 90, 180)]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=50)
    return buffer.getvalue()


def number(rng: random.Random, bits: int = 32) -> int:
    """A number that fits into so many bits."""
    return rng.choice(NUMBERS) & ((1 << bits) - 1)


def junk(rng: random.Random, most: int = 64) -> bytes:
    return rng.randbytes(rng.randrange(most))


def change_some(
    rng: random.Random, parts: list[bytes], changes: Sequence[Callable[[random.Random, list[bytes]], None]]
) -> None:
    """One to three of the changes, in place."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(changes)(rng, parts)


def most_copies(length: int) -> int:
    """Of what is so long, so that no picture becomes huge by being repeated again and again."""
    return max(1, MOST_BYTES // max(1, length))


def drop(rng: random.Random, parts: list[bytes]) -> None:
    if parts:
        del parts[rng.randrange(len(parts))]


def repeat(rng: random.Random, parts: list[bytes]) -> None:
    if parts:
        place = rng.randrange(len(parts))
        parts[place:place] = [parts[place]] * min(rng.choice((1, 1, 2, 50)), most_copies(sum(map(len, parts))))


def swap(rng: random.Random, parts: list[bytes]) -> None:
    if parts:
        first, second = rng.randrange(len(parts)), rng.randrange(len(parts))
        parts[first], parts[second] = parts[second], parts[first]


def cut(rng: random.Random, parts: list[bytes]) -> None:
    if parts:
        place = rng.randrange(len(parts))
        parts[place] = parts[place][: rng.randrange(len(parts[place]) + 1)]


def damage(rng: random.Random, parts: list[bytes]) -> None:
    if parts:
        place = rng.randrange(len(parts))
        parts[place] = overwrite(rng, parts[place])


def overwrite(rng: random.Random, content: bytes, size: int | None = None) -> bytes:
    """The content with a number at a random place."""
    if len(content) < 5:
        return content
    width = size or rng.choice((1, 2, 4))
    place = rng.randrange(len(content) - width + 1)
    return (
        content[:place]
        + number(rng, 8 * width).to_bytes(width, rng.choice(("little", "big")))
        + content[place + width :]
    )


def finish(rng: random.Random, content: bytes) -> bytes:
    """The picture, or sometimes a part of it, or more than it."""
    choice = rng.random()
    if choice < 0.06:
        return content[: rng.randrange(len(content) + 1)]
    return content + junk(rng, 4096) if choice < 0.1 else content
