"""Which way up a picture is shown: the orientation in its EXIF or XMP metadata."""

import re
import struct
import zlib

ORIENTATION_TAG = 0x0112  # EXIF 2.3, table 4
UPRIGHT = 1
# Integer types of a TIFF directory: number -> struct format.
INTEGERS = {3: "H", 4: "L", 8: "h", 9: "l"}
EXIF_HEAD = b"Exif\0\0"
XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
# What metadata may unpack to; a block that is larger is not read.
MAX_METADATA = 1000000
# Keys of a PNG's texts that hold an XMP packet or an EXIF block.
PNG_XMP = b"XML:com.adobe.xmp"
PNG_KEYS = (PNG_XMP, b"Raw profile type exif")


def read_exif(block: bytes) -> int:
    """The orientation (1 to 8, or whatever number is there) in an EXIF block; 0 if it tells none or is damaged."""
    while block.startswith(EXIF_HEAD):
        block = block[len(EXIF_HEAD) :]
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return 0
    try:
        (start,) = struct.unpack_from(order + "L", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for position in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, length = struct.unpack_from(order + "HHL", block, position)
            if tag == ORIENTATION_TAG:
                if kind not in INTEGERS or length != 1:
                    return 0
                number: int = struct.unpack_from(order + INTEGERS[kind], block, position + 8)[0]
                return number
    except struct.error:
        pass
    return 0


def read_xmp(packet: bytes) -> int:
    """The orientation in an XMP packet; 0 if it tells none."""
    found = XMP_ORIENTATION.search(packet, 0, MAX_METADATA)
    return int(found.group(1)) if found else 0


def read_png_text(kind: bytes, content: bytes) -> int:
    """The orientation in a PNG's text chunk (``kind`` is tEXt, zTXt or iTXt) whose key is one of ``PNG_KEYS``."""
    key, _, rest = content.partition(b"\0")
    is_packed = kind == b"zTXt"
    if kind == b"zTXt":
        rest = rest[1:]
    elif kind == b"iTXt":
        is_packed = rest[:1] == b"\1"
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    if is_packed:
        rest = unpack(rest)
    if key == PNG_XMP:
        return read_xmp(rest)
    try:  # three lines, then hexadecimal digits
        return read_exif(bytes.fromhex("".join(rest[:MAX_METADATA].decode("latin-1").split("\n")[3:])))
    except ValueError:
        return 0


def unpack(packed: bytes) -> bytes:
    """What zlib data unpacks to, as far as ``MAX_METADATA``; nothing if it is damaged."""
    try:
        return zlib.decompressobj().decompress(packed, MAX_METADATA)
    except zlib.error:
        return b""
