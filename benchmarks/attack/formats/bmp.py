"""BMP: fields of the header that are not what they should be."""

import random
import struct

from benchmarks.attack.formats.changes import finish, number, valid

BMP_FIELDS = (
    ("<I", 2),
    ("<I", 10),
    ("<I", 14),
    ("<i", 18),
    ("<i", 22),
    ("<H", 26),
    ("<H", 28),
    ("<I", 30),
    ("<I", 34),
    ("<i", 38),
    ("<I", 46),
    ("<I", 50),
)


def mutated_bmp(rng: random.Random, canary: str) -> bytes:
    content = bytearray(valid("BMP", rng.choice(("RGB", "P", "L", "1", "RGBA"))))
    for _ in range(rng.choice((1, 1, 2, 3))):
        form, place = rng.choice(BMP_FIELDS)
        size = struct.calcsize(form)
        value = rng.choice((12, 40, 52, 56, 64, 108, 124)) if place == 14 else number(rng, 8 * size)
        content[place : place + size] = value.to_bytes(size, "little")
    return finish(rng, bytes(content) + canary.encode())
