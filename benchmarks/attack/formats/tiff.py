"""TIFF, BigTIFF and EXIF: directories whose entries are not what they should be."""

import random
import struct
import zlib
from collections.abc import Sequence

from benchmarks.attack.formats.changes import finish, junk, number

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, DOUBLE, LONG8 = 1, 2, 3, 4, 5, 7, 12, 16
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, DESCRIPTION, STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS = (
    *(256, 257, 258, 259, 262, 270, 273, 274, 277, 278),
)
STRIP_BYTES, PLANAR, PREDICTOR, PALETTE, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES, SUB_DIRECTORIES = (
    *(279, 284, 317, 320, 322, 323, 324, 325, 330),
)
EXTRA, FORMAT, JPEG_TABLES, SUBSAMPLING, PROFILE, EXIF_DIRECTORY, GPS_DIRECTORY = (
    338,
    339,
    347,
    530,
    34675,
    34665,
    34853,
)
COMPRESSIONS = (1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34661, 34676, 34677, 34925, 50000, 50001, 65535)
Entry = tuple[int, int, bytes, int | None]  # tag, type, values, and the count where it lies


def tiff(entries: Sequence[Entry], data: bytes, order: str = "<", big: bool = False, following: int = 0) -> bytes:
    """A file of one directory: the head, the data (from ``data_offset`` on), the values, the entries."""
    head_size, inline = (16, 8) if big else (8, 4)
    values, table = bytearray(), bytearray()
    for tag, kind, value, lied in entries:
        count = len(value) // SIZES.get(kind, 1) if lied is None else lied
        if len(value) <= inline:
            field = value.ljust(inline, b"\0")
        else:
            field = struct.pack(order + ("Q" if big else "I"), head_size + len(data) + len(values))
            values += value + bytes(len(value) % 2)
        table += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, count) + field
    begin = head_size + len(data) + len(values)
    mark = b"II" if order == "<" else b"MM"
    if big:
        head = mark + struct.pack(order + "HHHQ", 43, 8, 0, begin)
        counted = struct.pack(order + "Q", len(entries))
        last = struct.pack(order + "Q", following)
    else:
        head = mark + struct.pack(order + "HI", 42, begin & 0xFFFFFFFF)
        counted = struct.pack(order + "H", len(entries) & 0xFFFF)
        last = struct.pack(order + "I", following & 0xFFFFFFFF)
    return head + data + bytes(values) + counted + bytes(table) + last


def data_offset(big: bool) -> int:
    return 16 if big else 8


def whole(order: str, kind: int, *numbers: int) -> bytes:
    form = {BYTE: "B", SHORT: "H", LONG: "I", LONG8: "Q"}[kind]
    mask = (1 << 8 * SIZES[kind]) - 1
    return struct.pack(f"{order}{len(numbers)}{form}", *(value & mask for value in numbers))


def compress_samples(rng: random.Random, compression: int, samples: bytes) -> bytes:
    """The samples as that compression has them, or what is none."""
    if compression in (8, 32946):
        return zlib.compress(samples)
    if compression == 32773:
        return b"".join(
            bytes([127]) + samples[begin : begin + 128].ljust(128, b"\0") for begin in range(0, len(samples), 128)
        )
    if compression == 1 or rng.random() < 0.3:
        return samples
    return rng.randbytes(rng.choice((4, 100, 2000)))


def mutated_tiff(rng: random.Random, canary: str) -> bytes:
    order, big, tiled = rng.choice("<>"), rng.random() < 0.25, rng.random() < 0.45
    width, height = rng.choice(((16, 16), (48, 36), (100, 1), (8, 300)))
    bits, samples, photometric = rng.choice(
        (
            (8, 3, 2),
            (8, 1, 1),
            (8, 4, 2),
            (8, 4, 5),
            (16, 1, 1),
            (16, 3, 2),
            (1, 1, 0),
            (8, 1, 3),
            (32, 1, 1),
            (8, 3, 6),
            (4, 1, 3),
            (2, 1, 1),
            (8, 2, 1),
            (12, 1, 1),
            (64, 1, 1),
            (16, 3, 32845),
            (8, 3, 8),
        )
    )
    compression = rng.choice(COMPRESSIONS) if rng.random() < 0.7 else 1
    side = rng.choice((16, 32, 48))
    pixels = side * side * (-(-width // side) * -(-height // side)) if tiled else width * height
    data = compress_samples(rng, compression, rng.randbytes(64) * (pixels * bits * samples // 8 // 64 + 1))
    offset, tiles = data_offset(big), -(-width // side) * -(-height // side)

    def entry(tag: int, kind: int, *numbers: int) -> Entry:
        return tag, kind, whole(order, kind, *numbers), None

    entries = [
        entry(WIDTH, LONG, width),
        entry(HEIGHT, LONG, height),
        entry(BITS, SHORT, *[bits] * samples),
        entry(COMPRESSION, SHORT, compression),
        entry(PHOTOMETRIC, SHORT, photometric),
        (DESCRIPTION, ASCII, canary.encode() * rng.choice((1, 300)) + b"\0", None),
        entry(ORIENTATION, SHORT, rng.randrange(10)),
        entry(SAMPLES, SHORT, samples),
        entry(PLANAR, SHORT, rng.choice((1, 1, 1, 2))),
        entry(FORMAT, SHORT, *[3 if bits >= 32 else rng.choice((1, 1, 2))] * samples),
    ]
    if tiled:
        entries += [entry(TILE_WIDTH, LONG, side), entry(TILE_HEIGHT, LONG, side)]
        entries += [entry(TILE_OFFSETS, LONG, *[offset + index * len(data) // tiles for index in range(tiles)])]
        entries += [entry(TILE_BYTES, LONG, *[len(data) // tiles] * tiles)]
    else:
        entries += [entry(ROWS, LONG, height), entry(STRIP_OFFSETS, LONG, offset), entry(STRIP_BYTES, LONG, len(data))]
    if photometric == 3:
        entries.append(entry(PALETTE, SHORT, *[number(rng, 16)] * 3 * (1 << min(bits, 8))))
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        change_entries(rng, entries, order, canary)
    entries.sort(key=lambda each: each[0] if rng.random() < 0.98 else 0)
    following = rng.choice((0, 0, 0, offset, number(rng)))
    return finish(rng, tiff(entries, data, order, big, following))


def change_entries(rng: random.Random, entries: list[Entry], order: str, canary: str) -> None:
    place = rng.randrange(len(entries))
    tag, kind, value, _ = entries[place]
    change = rng.randrange(8)
    if change <= 2:
        # Dimensions and places are what decoders allocate and read by.
        numeric = [index for index, each in enumerate(entries) if each[1] in (SHORT, LONG)]
        place = rng.choice(numeric or [place])
        tag, kind, value, _ = entries[place]
        kind = kind if kind in (SHORT, LONG) else LONG
        entries[place] = (tag, kind, whole(order, kind, *[number(rng)] * max(1, len(value) // SIZES[kind])), None)
    elif change == 3:
        entries[place] = (tag, rng.choice((*SIZES, 0, 14, 255, 65535)), value, None)
    elif change == 4:
        entries[place] = (tag, kind, value, number(rng))
    elif change == 5:
        del entries[place]
    elif change == 6:
        entries.append(entries[place])
    else:
        tag = rng.choice(
            (
                PREDICTOR,
                EXTRA,
                JPEG_TABLES,
                SUBSAMPLING,
                PROFILE,
                EXIF_DIRECTORY,
                GPS_DIRECTORY,
                SUB_DIRECTORIES,
                266,
                301,
                318,
                332,
                333,
                342,
                700,
                33723,
                34377,
                50706,
                rng.randrange(65536),
            )
        )
        kind = rng.choice((SHORT, LONG, UNDEFINED, ASCII))
        value = whole(order, kind, number(rng)) if kind in (SHORT, LONG) else canary.encode() + junk(rng)
        entries.append((tag, kind, value, None))


def exif(rng: random.Random, canary: str) -> bytes:
    """A block of EXIF: a small TIFF directory, sometimes one that leads astray."""
    order = rng.choice("<>")
    entries: list[Entry] = [
        (DESCRIPTION, ASCII, canary.encode() + b"\0", None),
        (
            ORIENTATION,
            rng.choice((SHORT, SHORT, LONG, ASCII)),
            whole(order, SHORT, rng.choice((*range(10), 65535))),
            None,
        ),
    ]
    if rng.random() < 0.4:
        entries.append((EXIF_DIRECTORY, LONG, whole(order, LONG, number(rng)), None))
    if rng.random() < 0.4:
        change_entries(rng, entries, order, canary)
    return tiff(entries, b"", order, following=rng.choice((0, 8, number(rng))))
