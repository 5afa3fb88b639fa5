"""The worst inputs that are known, for pictures and for texts: what is allowed and takes most, and what is refused."""

import base64
import io
import json
import random
import struct
import zlib
from collections.abc import Callable

from PIL import Image

from benchmarks.attack.formats.changes import noisy, valid
from benchmarks.attack.formats.jpeg import jpeg_segment, jpeg_segments
from benchmarks.attack.formats.png import PNG_HEAD, png_chunk
from benchmarks.attack.formats.tiff import (
    BITS,
    COMPRESSION,
    HEIGHT,
    LONG,
    PHOTOMETRIC,
    ROWS,
    SAMPLES,
    SHORT,
    STRIP_BYTES,
    STRIP_OFFSETS,
    TILE_BYTES,
    TILE_HEIGHT,
    TILE_OFFSETS,
    TILE_WIDTH,
    WIDTH,
    data_offset,
    exif,
    tiff,
    whole,
)

SIDE = 5000  # 25 million pixels, the most that are allowed
BODY_LIMIT = 10_000_000
MOST_CHARS = 100_000
Request = tuple[bytes, str]  # content, content type


def grey_png(depth: int, colour: int, channels: int, side: int = SIDE) -> bytes:
    """25 million pixels of one colour: some ten KB."""
    row = bytes(1 + side * channels * depth // 8)
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0)
    return PNG_HEAD + b"".join(
        png_chunk(kind, data) for kind, data in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    )


def tile_bomb(side: int = 46_000, packed: int = 0) -> bytes:
    """10 x 10 pixels in one tile of that side; it is nearly empty, or deflated zeros, as many as ``packed`` says."""
    data = zlib.compress(bytes(packed), 9) if packed else b"\x80\0"
    fields = {
        WIDTH: 10, HEIGHT: 10, BITS: 8, COMPRESSION: 8 if packed else 5, PHOTOMETRIC: 1, SAMPLES: 1,
        TILE_WIDTH: side, TILE_HEIGHT: side, TILE_OFFSETS: data_offset(False), TILE_BYTES: len(data),
    }  # fmt: skip
    return tiff([(tag, LONG, whole("<", LONG, value), None) for tag, value in fields.items()], data)


def fax_lines(width: int = 8, height: int = 3_000_000, size: int = 1_000_000) -> bytes:
    """A fax of noise: nearly every row is wrong, and libtiff would tell about each."""
    data = random.Random(1).randbytes(size)  # noqa: S311
    fields = {
        WIDTH: width, HEIGHT: height, BITS: 1, COMPRESSION: 3, PHOTOMETRIC: 0, SAMPLES: 1, ROWS: height,
        STRIP_OFFSETS: data_offset(False), STRIP_BYTES: len(data),
    }  # fmt: skip
    return tiff([(tag, LONG, whole("<", LONG, value), None) for tag, value in fields.items()], data)


def tiff_strip(side: int = SIDE) -> bytes:
    """25 million pixels of RGB, deflated, in one strip."""
    data = zlib.compress(bytes(side * side * 3), 9)
    entries = [
        (tag, LONG, whole("<", LONG, value), None)
        for tag, value in {
            WIDTH: side, HEIGHT: side, COMPRESSION: 8, PHOTOMETRIC: 2, SAMPLES: 3, ROWS: side,
            STRIP_OFFSETS: data_offset(False), STRIP_BYTES: len(data),
        }.items()
    ]  # fmt: skip
    return tiff([*entries, (BITS, SHORT, whole("<", SHORT, 8, 8, 8), None)], data)


def saved(kind: str, mode: str, side: int = SIDE, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (side, side)).save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg_scans(scans: int = 99) -> bytes:
    """25 million pixels, progressive, the last scan again and again: each is a pass over all of them."""
    content = saved("JPEG", "RGB", progressive=True)
    begin = content.rindex(b"\xff\xda")
    again = scans - content.count(b"\xff\xda")
    return content[:-2] + content[begin:-2] * again + content[-2:]


def png_texts(count: int = 400) -> bytes:
    """A small picture with so many texts, each of which unpacks to 1 MB."""
    good = valid("PNG", "RGB")
    text = png_chunk(b"zTXt", b"c\0\0" + zlib.compress(bytes(1_000_000), 9))
    return good[:33] + text * count + good[33:]


def gif_frame(side: int = 65_000) -> bytes:
    """A screen of 10 x 10 pixels with a frame of 65,000 x 65,000."""
    content = bytearray(valid("GIF", "P"))
    frame = content.index(b",", 13)
    content[6:10] = struct.pack("<HH", 10, 10)
    content[frame + 5 : frame + 9] = struct.pack("<HH", side, side)
    return bytes(content)


def webp_canvas(side: int = 16_383) -> bytes:
    """A canvas of 268 million pixels."""
    content = bytearray(valid("WEBP", "RGBA", lossless=True))
    content[21:25] = struct.pack("<I", (side & 0x3FFF) | (side & 0x3FFF) << 14)
    return bytes(content)


def png_with_profile(size: int) -> bytes:
    """A small picture with a colour profile that unpacks to so many bytes."""
    good = valid("PNG", "RGB")
    profile = png_chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(size), 9))
    return good[:33] + profile + good[33:]


def jpeg_with_thumbnail() -> bytes:
    """A JPEG whose EXIF names a thumbnail of 4 GB."""
    segments = jpeg_segments(valid("JPEG", "RGB"))
    segments.insert(1, jpeg_segment(0xE1, b"Exif\0\0" + exif(random.Random(4), "thumbnail")))  # noqa: S311
    return b"\xff\xd8" + b"".join(segments)


def noise_jpeg(width: int, height: int, quality: int = 85) -> bytes:
    buffer = io.BytesIO()
    noisy(width, height).convert("RGB").save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def as_json(field: str, content: bytes) -> Request:
    return json.dumps({field: base64.b64encode(content).decode()}).encode(), "application/json"


def as_form(content: bytes, kind: str) -> Request:
    head = f'--bound\r\nContent-Disposition: form-data; name="data"; filename="a"\r\nContent-Type: {kind}\r\n\r\n'
    return head.encode() + content + b"\r\n--bound--\r\n", "multipart/form-data; boundary=bound"


def names(length: int) -> str:
    sentence = "Ada Lovelace met Charles Babbage in London, and George Washington of New York wrote to Marie Curie. "
    return (sentence * (length // len(sentence) + 1))[:length]


# name: what is posted
PICTURE_CASES: dict[str, Callable[[], Request]] = {
    "25 MP PNG, RGBA": lambda: (grey_png(8, 6, 4), "image/png"),
    "25 MP PNG, RGBA, 16 bits": lambda: (grey_png(16, 6, 4), "image/png"),
    "25 MP PNG, RGB, interlaced": lambda: (saved_interlaced(), "image/png"),
    "25 MP PNG, grey, 16 bits": lambda: (grey_png(16, 0, 1), "image/png"),
    "25 MP PNG, RGBA, cut off": lambda: (grey_png(8, 6, 4)[:-2000], "image/png"),
    "25 MP WebP, lossless": lambda: (saved("WEBP", "RGBA", lossless=True), "image/webp"),
    "25 MP JPEG, progressive": lambda: (saved("JPEG", "RGB", progressive=True), "image/jpeg"),
    "25 MP JPEG, CMYK": lambda: (saved("JPEG", "CMYK"), "image/jpeg"),
    "25 MP JPEG of 9 MB": lambda: (noise_jpeg(5000, 5000, 40)[:BODY_LIMIT], "image/jpeg"),
    "25 MP JPEG, 99 scans": lambda: (jpeg_scans(), "image/jpeg"),
    "25 MP GIF": lambda: (saved("GIF", "P"), "image/gif"),
    "25 MP TIFF, deflated, one strip": lambda: (tiff_strip(), "image/tiff"),
    "25 MP PNG in a form": lambda: as_form(grey_png(8, 6, 4), "image/png"),
    "10 MB in base64": lambda: as_json("image", noise_jpeg(3000, 3000)[:BODY_LIMIT].ljust(BODY_LIMIT, b"\0")),
    "10 MB in base64 with line breaks": lambda: (
        b'{"image": "' + base64.encodebytes(bytes(9_000_000)).replace(b"\n", b"\\n") + b'"}',
        "application/json",
    ),
    "10 MB of escapes in JSON": lambda: (b'{"image": "' + b"\\u0041" * 1_600_000 + b'"}', "application/json"),
    "10 MB of nested lists in JSON": lambda: (b'{"image": ' + b"[" * 5_000_000, "application/json"),
    "10 MB of small lists in JSON": lambda: (b'{"image": [' + b"[]," * 3_300_000 + b"0]}", "application/json"),
    "10 MB of keys in JSON": lambda: (
        b"{" + b",".join(b'"%07d":0' % index for index in range(800_000)) + b"}",
        "application/json",
    ),
    "10 MB of parts in a form": lambda: (
        b'--b\r\nContent-Disposition: form-data; name="data"\r\n\r\nx\r\n' * 160_000 + b"--b--\r\n",
        "multipart/form-data; boundary=b",
    ),
    "TIFF with a tile of 46,000 x 46,000": lambda: (tile_bomb(), "image/tiff"),
    "TIFF with a deflated tile of 300 MB": lambda: (tile_bomb(17_000, 17_000 * 17_000), "image/tiff"),
    "TIFF fax of 8 x 3,000,000": lambda: (fax_lines(), "image/tiff"),
    "GIF with a frame of 65,000 x 65,000": lambda: (gif_frame(), "image/gif"),
    "WebP of 16,383 x 16,383": lambda: (webp_canvas(), "image/webp"),
    "PNG of 30,000 x 30,000": lambda: (grey_png(1, 0, 1, side=30_000), "image/png"),
    "PNG with a profile of 500 MB": lambda: (png_with_profile(500_000_000), "image/png"),
    "PNG with 400 texts of 1 MB": lambda: (png_texts(), "image/png"),
    "JPEG with a thumbnail that leads astray": lambda: (jpeg_with_thumbnail(), "image/jpeg"),
    "20 MB of zeros": lambda: (bytes(20_000_000), "image/png"),
}
TEXT_CASES: dict[str, Callable[[], Request]] = {
    "100,000 characters": lambda: (names(MOST_CHARS).encode(), "text/plain"),
    "100,000 characters of four bytes": lambda: ("\U0001f600".encode() * MOST_CHARS, "text/plain"),
    "100,000 characters without a space": lambda: (b"a" * MOST_CHARS, "text/plain"),
    "100,000 combining marks": lambda: (b"a" + "\u0301".encode() * (MOST_CHARS - 1), "text/plain"),
    "50,000 sentences": lambda: (b"A." * (MOST_CHARS // 2), "text/plain"),
    "100,000 characters as escapes": lambda: (
        b'{"text": "' + b"\\ud83d\\ude00" * MOST_CHARS + b'"}',
        "application/json",
    ),
    "100,001 characters": lambda: (names(MOST_CHARS + 1).encode(), "text/plain"),
    "1.2 MB of escapes, cut off": lambda: (b'{"text": "' + b"\\u4e2d" * 199_000, "application/json"),
    "10 MB of text": lambda: (names(BODY_LIMIT).encode(), "text/plain"),
    "10 MB of small lists in JSON": lambda: (b'{"text": [' + b"[]," * 3_300_000 + b"0]}", "application/json"),
    "10 MB of parts in a form": PICTURE_CASES["10 MB of parts in a form"],
    "100,000 characters in a form": lambda: as_form(names(MOST_CHARS).encode(), "text/plain"),
    "20 MB of zeros": lambda: (bytes(20_000_000), "text/plain"),
}
# The worst of each kind, for a place where all of them would take too long.
WORST = (
    "25 MP PNG, RGBA, 16 bits", "25 MP PNG, RGBA, cut off", "25 MP WebP, lossless", "10 MB in base64",
    "10 MB of small lists in JSON", "10 MB of keys in JSON", "10 MB of parts in a form",
    "TIFF with a tile of 46,000 x 46,000", "TIFF with a deflated tile of 300 MB", "TIFF fax of 8 x 3,000,000",
    "100,000 characters as escapes", "50,000 sentences",
)  # fmt: skip
CASES = {"image": PICTURE_CASES, "text": TEXT_CASES}


def saved_interlaced() -> bytes:
    """An interlaced picture whose passes are all there (Adam7, PNG specification 8.2)."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    packer = zlib.compressobj(9)
    pixels = b""
    for left, top, across, down in passes:
        width, rows = -(-(SIDE - left) // across), -(-(SIDE - top) // down)
        pixels += b"".join(packer.compress(bytes(1 + 3 * width)) for _ in range(rows))
    pixels += packer.flush()
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 1)
    return PNG_HEAD + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")
