"""GIF: screens, frames, extensions and codes that are not what they should be."""

import random
import struct

from benchmarks.attack.formats.changes import animation, finish, junk, most_copies, number, valid


def mutated_gif(rng: random.Random, canary: str) -> bytes:
    content = bytearray(animation("GIF") if rng.random() < 0.4 else valid("GIF", "P"))
    for _ in range(rng.choice((1, 1, 2, 3))):
        frame = content.find(b",", 13)
        change = rng.randrange(6)
        if change == 0:
            place = rng.choice((6, 8))  # of the screen
            content[place : place + 2] = struct.pack("<H", number(rng, 16))
        elif change == 1 and frame > 0:
            place = frame + rng.choice((1, 3, 5, 7))  # of a frame
            content[place : place + 2] = struct.pack("<H", number(rng, 16))
        elif change == 2 and 0 < frame < len(content) - 12:
            content[frame + rng.choice((9, 10))] = number(rng, 8)  # flags, bits of a code
        elif change == 3 and frame > 0:
            block = rng.choice(
                (
                    b"!\xfe" + bytes([len(canary)]) + canary.encode() + b"\0",
                    b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", number(rng, 16)) + b"\0",
                    b"!\xf9\x04" + rng.randbytes(4) + b"\0",
                    b"!" + junk(rng),
                )
            )
            content[frame:frame] = block
        elif change == 4 and frame > 0:
            content[-1:] = bytes(content[frame:-1]) * min(rng.choice((1, 5, 200)), most_copies(len(content))) + b";"
        else:
            content[10] = number(rng, 8)  # flags of the screen
    return finish(rng, bytes(content))
