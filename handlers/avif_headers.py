"""An AVIF's header: the sizes that its boxes state, and those that its AV1 data state, by which a decoder allocates."""

import struct
from typing import Dict, Iterator, List, Tuple

from .errors import ImageTooLarge, UndecodableImage, UnsupportedType

# A picture has some dozens of boxes; of a grid of tiles, some for each tile.
MAX_BOXES = 5000
MAX_UNITS = 1000
SEQUENCE_HEADER = 1  # AV1, 6.2.2: the type of a unit (OBU)
Box = Tuple[bytes, int, int]  # kind, where its content starts and ends


def read_avif(data: bytes, max_pixels: int) -> Tuple[int, int]:
    """The width and height of the largest picture in an AVIF of a single frame, which may be made of tiles.

    Raises UndecodableImage, UnsupportedType (an animation) and ImageTooLarge (AV1 data of more pixels together than
    three pictures: its colours, its transparency, and what tiles lose at the edge).
    """
    top = {kind: (start, end) for kind, start, end in boxes(data, 0, len(data))}
    if b"moov" in top:
        raise UnsupportedType("An AVIF with several frames is not taken.")
    if b"meta" not in top:
        raise UndecodableImage("The picture is damaged or incomplete.")
    start, end = top[b"meta"]
    inner = {kind: (first, last) for kind, first, last in boxes(data, start + 4, end)}
    try:
        sizes = [
            struct.unpack_from(">LL", data, spot + 4)
            for kind, first, last in boxes(data, *inner[b"iprp"])
            if kind == b"ipco"
            for name, spot, _ in boxes(data, first, last)
            if name == b"ispe"
        ]
        kinds = item_kinds(data, *inner[b"iinf"])
        pixels = 0
        for item, content in item_contents(data, inner):
            if kinds.get(item) == b"av01":
                for width, height in sequence_sizes(content):
                    pixels += width * height
                    if pixels > 3 * max_pixels:
                        raise ImageTooLarge("The picture's data hold more than the allowed %d pixels." % max_pixels)
        return max(size[0] for size in sizes), max(size[1] for size in sizes)
    except (KeyError, ValueError):
        raise UndecodableImage("The picture is damaged or incomplete.")


def boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes in a part of the file (ISO 14496-12, 4.2). Raises ImageTooLarge for too many."""
    for _ in range(MAX_BOXES):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">L4s", data, start)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        stop = end if size == 0 else start + size
        if (size and size < head) or stop > end:
            return
        yield kind, start + head, stop
        start = stop
    raise ImageTooLarge("The picture is stored in more than the allowed %d boxes." % MAX_BOXES)


def item_kinds(data: bytes, start: int, end: int) -> Dict[int, bytes]:
    """The type of each item, by its number."""
    kinds = {}
    for kind, first, _ in boxes(data, start + (6 if data[start] == 0 else 8), end):
        if kind == b"infe":
            item, _, name = struct.unpack_from(">HH4s" if data[first] == 2 else ">LH4s", data, first + 4)
            kinds[item] = name
    return kinds


def item_contents(data: bytes, inner: Dict[bytes, Tuple[int, int]]) -> Iterator[Tuple[int, bytes]]:
    """Each item's number and bytes, put together from their pieces (ISO 14496-12, 8.11.3). Raises ImageTooLarge."""
    start, end = inner[b"iloc"]
    reader = Reader(data, start, end)
    version = reader.number(4) >> 24
    sizes = reader.number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    total = 0
    for _ in range(reader.number(2 if version < 2 else 4)):
        item = reader.number(2 if version < 2 else 4)
        method = reader.number(2) & 15 if version else 0
        reader.number(2)
        base = reader.number(base_size)
        pieces: List[bytes] = []
        for _ in range(reader.number(2)):
            reader.number(index_size)
            offset, length = base + reader.number(offset_size), reader.number(length_size)
            place = offset + (inner[b"idat"][0] if method == 1 else 0)
            pieces.append(data[place : place + length if length else len(data)])
            total += len(pieces[-1])
            if total > 2 * len(data):
                raise ImageTooLarge("The picture's items are larger than the file.")
        yield item, b"".join(pieces)


class Reader:
    """Numbers of so many bytes, one after another."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self.data, self.position, self.end = data, start, end

    def number(self, size: int) -> int:
        if self.position + size > self.end:
            raise ValueError("the box ends")
        self.position += size
        return int.from_bytes(self.data[self.position - size : self.position], "big")


def sequence_sizes(content: bytes) -> Iterator[Tuple[int, int]]:
    """The largest frame of each sequence header among AV1 units (AV1, 5.3 to 5.5). Raises ValueError."""
    position = 0
    for _ in range(MAX_UNITS):
        if position >= len(content):
            return
        head = content[position]
        position += 2 if head & 4 else 1
        if head & 2:
            size, position = read_leb128(content, position)
        else:
            size = len(content) - position
        if head >> 3 & 15 == SEQUENCE_HEADER:
            yield sequence_size(content[position : position + min(size, 1000)])
        position += size
    raise ImageTooLarge("The picture is stored in more than the allowed %d units." % MAX_UNITS)


def read_leb128(content: bytes, position: int) -> Tuple[int, int]:
    """A number in bytes of seven bits, the lowest first, and where it ends. Raises ValueError."""
    value = 0
    for index in range(8):
        if position + index >= len(content):
            break
        value |= (content[position + index] & 127) << 7 * index
        if content[position + index] < 128:
            return value, position + index + 1
    raise ValueError("no number")


def sequence_size(unit: bytes) -> Tuple[int, int]:
    """The width and height that a sequence header states. Raises ValueError, and UnsupportedType for one of a film."""
    bits = Bits(unit)
    bits.read(3)
    bits.read(1)
    if bits.read(1):  # reduced_still_picture_header
        bits.read(5)
    else:
        if bits.read(1):  # timing_info_present_flag
            raise UnsupportedType("An AVIF with several frames is not taken.")
        has_delay = bits.read(1)
        for _ in range(bits.read(5) + 1):
            bits.read(12)
            if bits.read(5) > 7:
                bits.read(1)
            if has_delay and bits.read(1):
                bits.read(4)
    across, down = bits.read(4) + 1, bits.read(4) + 1
    return bits.read(across) + 1, bits.read(down) + 1


class Bits:
    """Numbers of so many bits, one after another."""

    def __init__(self, data: bytes) -> None:
        self.value, self.left = int.from_bytes(data[:100], "big"), 8 * len(data[:100])

    def read(self, count: int) -> int:
        self.left -= count
        if self.left < 0:
            raise ValueError("the unit ends")
        return self.value >> self.left & (1 << count) - 1
