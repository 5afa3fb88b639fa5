"""PNG: headers, chunks, checksums and pixels that are not what they should be."""

import random
import struct
import zlib

from benchmarks.attack.formats.changes import change_some, cut, damage, drop, finish, junk, number, repeat, swap, valid
from benchmarks.attack.formats.tiff import exif

PNG_HEAD = b"\x89PNG\r\n\x1a\n"


def png_chunk(kind: bytes, data: bytes, checksum: int | None = None, length: int | None = None) -> bytes:
    checksum = zlib.crc32(kind + data) if checksum is None else checksum
    return struct.pack(">I", len(data) if length is None else length) + kind + data + struct.pack(">I", checksum)


def png_chunks(content: bytes) -> list[bytes]:
    chunks, place = [], len(PNG_HEAD)
    while place + 8 <= len(content):
        end = place + 12 + int.from_bytes(content[place : place + 4], "big")
        chunks.append(content[place:end])
        place = end
    return chunks


def png_text(canary: str, rng: random.Random) -> bytes:
    text = canary.encode() * rng.choice((1, 3, 200))
    bomb = zlib.compress(text + bytes(rng.choice((0, 1000, 1_200_000))))
    kind, data = rng.choice(
        (
            (b"tEXt", b"Comment\0" + text),
            (b"zTXt", b"Comment\0\0" + bomb),
            (b"zTXt", b"Comment\0" + bytes([number(rng, 8)]) + bomb),
            (b"iTXt", b"Comment\0\1\0en\0\0" + bomb),
            (b"iTXt", b"Comment\0" + junk(rng) + text),
            (b"iCCP", b"profile\0\0" + bomb),
            (b"iCCP", b"profile\0\0" + junk(rng)),
            (b"eXIf", exif(rng, canary)),
            (b"eXIf", junk(rng)),
        )
    )
    return png_chunk(kind, data)


def change_png_header(rng: random.Random, chunks: list[bytes]) -> None:
    if not chunks or chunks[0][4:8] != b"IHDR":
        return
    data = bytearray(chunks[0][8:21])
    for _ in range(rng.choice((1, 1, 2))):
        field = rng.randrange(7)
        if field < 2:
            data[4 * field : 4 * field + 4] = struct.pack(">I", number(rng))
        else:
            data[6 + field] = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 255))
    chunks[0] = png_chunk(b"IHDR", bytes(data))


def insert_png_chunk(rng: random.Random, chunks: list[bytes]) -> None:
    kind = rng.choice(
        (
            b"tRNS",
            b"PLTE",
            b"gAMA",
            b"cHRM",
            b"sRGB",
            b"sBIT",
            b"bKGD",
            b"hIST",
            b"pHYs",
            b"tIME",
            b"acTL",
            b"fcTL",
            b"fdAT",
            b"IDAT",
            b"IEND",
            b"IHDR",
            b"CgBI",
            b"iDOT",
            rng.randbytes(4),
        )
    )
    data = rng.choice((b"", junk(rng), bytes(number(rng, 8)), struct.pack(">II", number(rng), number(rng)) + junk(rng)))
    chunk = rng.choice(
        (
            png_chunk(kind, data),
            png_chunk(kind, data),
            png_chunk(kind, data, checksum=rng.getrandbits(32)),
            png_chunk(kind, data, length=number(rng)),
        )
    )
    chunks.insert(rng.randrange(len(chunks) + 1), chunk)


def repack_png_pixels(rng: random.Random, chunks: list[bytes]) -> None:
    """Other pixel data than the header says: too little, too much, damaged, in many chunks."""
    places = [place for place, chunk in enumerate(chunks) if chunk[4:8] == b"IDAT"]
    if places:
        data = rng.choice((b"", bytes(100), bytes(rng.choice((10_000, 400_000))), rng.randbytes(500)))
        packed = zlib.compress(data) if rng.random() < 0.8 else data
        pieces = [packed[begin : begin + 50] for begin in range(0, len(packed), 50)] if rng.random() < 0.3 else [packed]
        chunks[places[0] : places[-1] + 1] = [png_chunk(b"IDAT", piece) for piece in pieces]


def mutated_png(rng: random.Random, canary: str) -> bytes:
    mode, options = rng.choice(
        (
            ("RGB", {}),
            ("RGBA", {}),
            ("P", {}),
            ("L", {}),
            ("LA", {}),
            ("1", {}),
            ("I;16", {}),
            ("P", {"transparency": 3}),
        )
    )
    chunks = png_chunks(valid("PNG", mode, **options))
    chunks.insert(1, png_text(canary, rng))
    change_some(
        rng,
        chunks,
        (
            change_png_header,
            change_png_header,
            insert_png_chunk,
            insert_png_chunk,
            repack_png_pixels,
            drop,
            repeat,
            swap,
            cut,
            damage,
        ),
    )
    return finish(rng, PNG_HEAD + b"".join(chunks))
