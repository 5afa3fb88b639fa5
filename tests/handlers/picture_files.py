"""Picture files put together byte by byte, as no library writes them."""

import struct
import zlib
from collections.abc import Sequence

# TIFF types.
BYTE, ASCII, SHORT, LONG, FLOAT, DOUBLE, LONG8 = 1, 2, 3, 4, 11, 12, 16
CODES = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "L", 8: "h", 9: "l", FLOAT: "f", DOUBLE: "d", LONG8: "Q"}
Tag = tuple[int, int, Sequence[float]]


def tiff(body: bytes, *tags: Tag, order: str = "<", big: bool = False, pages: int = 1) -> bytes:
    """A TIFF whose pixels are ``body``, which starts at byte 16 (where ``STRIP`` points), and so many directories."""
    mark = b"II" if order == "<" else b"MM"
    inline, pointer, count_code = (8, "Q", "Q") if big else (4, "L", "H")
    start = 16 + len(body) + len(body) % 2
    head = mark + struct.pack(order + ("HHHQ" if big else "HL"), *([43, 8, 0] if big else [42]), start)
    data = head.ljust(16, b"\0") + body.ljust(start - 16, b"\0")
    for page in range(pages):
        size = struct.calcsize("=" + count_code) + len(tags) * (20 if big else 12) + inline
        end = len(data) + size
        entries, values = b"", b""
        for tag, kind, numbers in sorted(tags):
            content = struct.pack(f"{order}{len(numbers)}{CODES[kind]}", *numbers)
            place = content.ljust(inline, b"\0")
            if len(content) > inline:
                place = struct.pack(order + pointer, end + len(values))
                values += content + b"\0" * (len(content) % 2)
            entries += struct.pack(order + "HH" + pointer, tag, kind, len(numbers)) + place
        following = end + len(values) if page + 1 < pages else 0
        data += struct.pack(order + count_code, len(tags)) + entries + struct.pack(order + pointer, following) + values
    return data


def layout(
    width: int,
    height: int,
    size: int,
    bits: Sequence[int] = (8,),
    photometric: int = 1,
    compression: int = 1,
    rows: int | None = None,
) -> list[Tag]:
    """The tags of a picture in one strip of ``size`` bytes, at the place of ``tiff``'s body."""
    return [
        (256, LONG, [width]),
        (257, LONG, [height]),
        (258, SHORT, bits),
        (259, SHORT, [compression]),
        (262, SHORT, [photometric]),
        (273, LONG, [16]),
        (277, SHORT, [len(bits)]),
        (278, LONG, [rows or height]),
        (279, LONG, [size]),
    ]


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))


def png(
    width: int, height: int, bits: int, colour: int, rows: bytes, *chunks: bytes, interlaced: bool = False
) -> bytes:
    """A PNG of filtered rows, with further chunks before its pixels."""
    head = struct.pack(">LLBBBBB", width, height, bits, colour, 0, 0, interlaced)
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head), *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND")]
    return b"".join(parts)


def segment(marker: int, content: bytes = b"") -> bytes:
    """A segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def bmp(width: int, height: int, bits: int, compression: int, body: bytes) -> bytes:
    """A BMP with a palette of greys and pixels as they are stored."""
    palette = (
        b"".join(bytes([level, level // 2, level, 0]) for level in range(0, 256, 256 >> bits)) if bits < 9 else b""
    )
    offset = 54 + len(palette)
    head = struct.pack("<LHHL", offset + len(body), 0, 0, offset)
    info = struct.pack("<LllHH6L", 40, width, height, 1, bits, compression, len(body), 0, 0, 0, 0)
    return b"BM" + head + info + palette + body
