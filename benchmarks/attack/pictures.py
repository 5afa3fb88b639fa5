"""Pictures that know their format: valid ones whose fields, chunks, markers, tags, tiles and frames were changed."""

import io
import random
import struct
import zlib
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
PNG_HEAD = b"\x89PNG\r\n\x1a\n"


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


# PNG


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


# JPEG


def jpeg_segment(marker: int, data: bytes, length: int | None = None) -> bytes:
    return bytes([255, marker]) + struct.pack(">H", (len(data) + 2 if length is None else length) & 0xFFFF) + data


def jpeg_segments(content: bytes) -> list[bytes]:
    """The segments behind the first marker; the last one is the first scan and all that follows it."""
    segments, place = [], 2
    while content[place + 1] != 0xDA:
        end = place + 2 + int.from_bytes(content[place + 2 : place + 4], "big")
        segments.append(content[place:end])
        place = end
    return [*segments, content[place:]]


def change_jpeg_frame(rng: random.Random, segments: list[bytes]) -> None:
    for place, segment in enumerate(segments):
        if segment[1:2] in (b"\xc0", b"\xc1", b"\xc2"):
            data = bytearray(segment)
            change = rng.randrange(6)
            if change == 0:
                data[1] = rng.choice((0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC9, 0xCA, 0xCB, 0xCF))
            elif change == 1:
                data[4] = rng.choice((0, 1, 8, 12, 16, 255))  # bits of a sample
            elif change in (2, 3):
                begin = rng.choice((5, 7))
                data[begin : begin + 2] = struct.pack(">H", number(rng, 16))
            elif change == 4:
                data[9] = rng.choice((0, 1, 2, 3, 4, 5, 255))  # components
            elif len(data) > 12:
                data[rng.choice((10, 11, 12))] = rng.choice((0, 0x11, 0x22, 0x44, 0x41, 0xFF))
            segments[place] = bytes(data)


def insert_jpeg_segment(rng: random.Random, segments: list[bytes]) -> None:
    marker = rng.choice((0xC4, 0xDB, 0xDD, 0xDC, 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE, 0xD8, 0xD9, 0xD0, 0x01, 0xF7))
    head = rng.choice((b"", b"JFIF\0", b"Exif\0\0", b"ICC_PROFILE\0\1\1", b"Adobe\0d\0\0\0\0", b"MPF\0", b"8BIM"))
    segment = jpeg_segment(marker, head + junk(rng, 300), None if rng.random() < 0.7 else number(rng, 16))
    segments.insert(rng.randrange(len(segments) + 1), segment)


def repeat_jpeg_scan(rng: random.Random, segments: list[bytes]) -> None:
    if segments and segments[-1][1:2] == b"\xda":
        scan = segments[-1].removesuffix(b"\xff\xd9")
        segments[-1] = scan * min(rng.choice((2, 3, 20, 99, 101, 400)), most_copies(len(scan)))


def mutated_jpeg(rng: random.Random, canary: str) -> bytes:
    mode = rng.choice(("RGB", "L", "CMYK"))
    options = rng.choice(({}, {"progressive": True}, {"subsampling": 2}, {"quality": 1}, {"optimize": True}))
    segments = jpeg_segments(valid("JPEG", mode, **options))
    note = rng.choice(
        (
            jpeg_segment(0xFE, canary.encode() * 20),
            jpeg_segment(0xE1, b"Exif\0\0" + exif(rng, canary)),
            jpeg_segment(0xE2, b"ICC_PROFILE\0\1\1" + canary.encode() + junk(rng, 500)),
            jpeg_segment(0xED, b"Photoshop 3.0\x008BIM" + junk(rng, 40) + canary.encode()),
            jpeg_segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, rng.choice((0, 1, 2, 3, 255)))),
        )
    )
    segments.insert(1, note)
    change_some(
        rng,
        segments,
        (change_jpeg_frame, change_jpeg_frame, insert_jpeg_segment, repeat_jpeg_scan, drop, repeat, swap, cut, damage),
    )
    return finish(rng, b"\xff\xd8" + b"".join(segments))


# GIF, BMP


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


# TIFF, BigTIFF, EXIF

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


# WebP


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
