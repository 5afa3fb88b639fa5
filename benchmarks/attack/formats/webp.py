"""WebP: canvases, frames and chunks that are not what they should be."""

import random
import struct

from benchmarks.attack.formats.changes import (
    animation,
    change_some,
    cut,
    damage,
    drop,
    finish,
    junk,
    number,
    repeat,
    swap,
    valid,
)
from benchmarks.attack.formats.tiff import exif


def webp_chunks(content: bytes) -> list[bytes]:
    chunks, place = [], 12
    while place + 8 <= len(content):
        size = int.from_bytes(content[place + 4 : place + 8], "little")
        end = place + 8 + size + size % 2
        chunks.append(content[place:end])
        place = end
    return chunks


def webp_chunk(kind: bytes, data: bytes, length: int | None = None) -> bytes:
    return kind + struct.pack("<I", len(data) if length is None else length) + data + bytes(len(data) % 2)


def change_webp_dimensions(rng: random.Random, chunks: list[bytes]) -> None:
    for place, chunk in enumerate(chunks):
        data = bytearray(chunk)
        if chunk[:4] == b"VP8X":
            begin = rng.choice((12, 15))
            data[begin : begin + 3] = struct.pack("<I", number(rng, 24))[:3]
        elif chunk[:4] == b"VP8L" and len(data) > 13:
            data[9:13] = struct.pack("<I", number(rng))
        elif chunk[:4] == b"VP8 " and len(data) > 18:
            begin = rng.choice((14, 16))
            data[begin : begin + 2] = struct.pack("<H", number(rng, 16))
        elif chunk[:4] == b"ANMF" and len(data) > 24:
            begin = rng.choice((8, 11, 14, 17))
            data[begin : begin + 3] = struct.pack("<I", number(rng, 24))[:3]
        else:
            continue
        chunks[place] = bytes(data)


def insert_webp_chunk(rng: random.Random, chunks: list[bytes]) -> None:
    kind = rng.choice(
        (b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP ", b"VP8 ", b"VP8L", rng.randbytes(4))
    )
    chunk = webp_chunk(kind, junk(rng, 300), None if rng.random() < 0.7 else number(rng))
    chunks.insert(rng.randrange(len(chunks) + 1), chunk)


def mutated_webp(rng: random.Random, canary: str) -> bytes:
    content = rng.choice(
        (
            lambda: valid("WEBP", "RGB"),
            lambda: valid("WEBP", "RGBA"),
            lambda: valid("WEBP", "RGB", lossless=True),
            lambda: valid("WEBP", "RGB", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
            lambda: animation("WEBP"),
        )
    )()
    chunks = webp_chunks(content)
    chunks.append(webp_chunk(rng.choice((b"EXIF", b"XMP ", b"ICCP")), rng.choice((canary.encode(), exif(rng, canary)))))
    change_some(
        rng,
        chunks,
        (change_webp_dimensions, change_webp_dimensions, insert_webp_chunk, drop, repeat, swap, cut, damage),
    )
    joined = b"".join(chunks)
    size = len(joined) + 4 if rng.random() < 0.85 else number(rng)
    return finish(rng, b"RIFF" + struct.pack("<I", size) + b"WEBP" + joined)
