"""A TIFF's first directory: its sizes, samples and orientation, and a copy that holds nothing else.

Pillow reads the directory, and libtiff reads it again. Both are handed one that was written here from values that were
checked, so neither sees a tag twice, a size that was not looked at, or metadata.
"""

import struct
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from . import jpeg_headers, orientation
from .errors import ImageTooLarge, UndecodableImage, UnsupportedType

# The third and fourth byte as a number; files exist that have them in the other order.
CLASSIC, BIG = 42, 43
# TIFF 6.0, section 2, and BigTIFF: type -> bytes of a value.
TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
SHORT, LONG = 3, 4
NUMBERS = {1: "B", 3: "H", 4: "L", 6: "b", 8: "h", 9: "l", 11: "f", 12: "d", 13: "L", 16: "Q", 17: "q", 18: "Q"}
REALS = (11, 12)
BYTES = (1, 7)

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANAR = 256, 257, 258, 259, 262, 277, 284
STRIP_OFFSETS, ROWS_PER_STRIP, STRIP_SIZES = 273, 278, 279
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_SIZES = 322, 323, 324, 325
MIN_SAMPLE, MAX_SAMPLE, EXTRA_SAMPLES, SAMPLE_FORMAT, MIN_SAMPLE_2, MAX_SAMPLE_2 = 280, 281, 338, 339, 340, 341
XMP = 700
SINGLE = (WIDTH, HEIGHT, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANAR, TILE_WIDTH, TILE_HEIGHT, 266, 317)
BLOCKS = (STRIP_OFFSETS, STRIP_SIZES, TILE_OFFSETS, TILE_SIZES)
# Fill order, fax options, predictor, palette, inks, JPEG (both kinds) and YCbCr: what a decoder reads beside those.
COPIED = (BITS, EXTRA_SAMPLES, SAMPLE_FORMAT, 292, 293, 320, 332, 347, *range(512, 522), 529, 530, 531, 532)
# Values of one tag: a palette has 3 x 65,536, everything else much fewer.
MAX_VALUES = 3 * 65536
MAX_TAGS = 4096
# Each strip and tile costs a decoder some microseconds, however small it is; rows of a scan are often strips of one.
MAX_BLOCKS = 100000
# Together they may be as many bytes as the file has, and as many again, for some are written once and used twice.
MAX_SHARE = 2
FAX = (2, 3, 4, 32771)
# libtiff complains about each damaged row. A scan of A3 at 1,200 dpi has 20,000.
MAX_FAX_ROWS = 30000
YCBCR, LAB = 6, 8
WHITE_IS_ZERO = 0
JPEG = 7
LOGLUV = (34676, 34677)
FORMATS = {1: "unsigned", 2: "signed", 3: "float", 4: "untyped", 5: "complex signed", 6: "complex float"}
UNSIGNED, SIGNED, FLOAT = 1, 2, 3


class SampleRange(NamedTuple):
    """What the samples of a single band lie between."""

    low: float  # the darkest sample (in a negative, the brightest)
    high: float
    is_stated: bool  # by the file or its type; floats that say nothing are taken to be 0 to 1
    is_negative: bool  # low samples are bright
    is_signed: bool


Entry = Tuple[int, int, int]  # type, count, where the values start


class TiffHeader:
    """What the first directory says; ``data`` is the file as a classic TIFF with only that directory."""

    def __init__(self) -> None:
        self.width = self.height = 0
        self.block_pixels = 0  # of the largest strip or tile
        self.padded_pixels = 0  # of all strips or tiles
        self.block_bytes = 0  # of a decoder's buffers for one
        self.pixel_bytes = 0  # as Pillow keeps a pixel
        self.samples = ""  # what they are, such as "3 x 16-bit unsigned"
        self.sample_range: Optional[SampleRange] = (
            None  # of one band that is not 8 bits; None is what Pillow makes of it
        )
        self.is_lab = False
        self.jpegs: List[Tuple[int, int]] = []  # where the strips or tiles that are JPEGs start and end
        self.orientation = 0
        self.data = b""


class Directory:
    """The first directory of a TIFF: its entries by tag, the first of each."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.order = "<" if data[:2] == b"II" else ">"
        is_big = BIG in (data[2], data[3])
        entry, head = (self.order + "HHQ", 20) if is_big else (self.order + "HHL", 12)
        inline = 8 if is_big else 4
        try:
            (start,) = struct.unpack_from(self.order + ("Q" if is_big else "L"), data, 8 if is_big else 4)
            (count,) = struct.unpack_from(self.order + ("Q" if is_big else "H"), data, start)
            start += 8 if is_big else 2
            if count > MAX_TAGS:
                raise ImageTooLarge("The TIFF has more than the allowed %d tags." % MAX_TAGS)
            self.entries: Dict[int, Entry] = {}
            for position in range(start, start + head * count, head):
                tag, kind, length = struct.unpack_from(entry, data, position)
                position += head - inline
                size = length * TYPE_SIZES.get(kind, 0)
                if size > inline:
                    (position,) = struct.unpack_from(self.order + ("Q" if is_big else "L"), data, position)
                if size and position + size <= len(data):
                    self.entries.setdefault(tag, (kind, length, position))
        except (struct.error, OverflowError):
            raise UndecodableImage("The picture is damaged or incomplete.")

    def values(self, tag: int, most: int) -> Tuple[Any, ...]:
        """The first numbers of a tag, at most ``most``; none if it is missing or holds no numbers."""
        kind, count, position = self.entries.get(tag, (0, 0, 0))
        if kind not in NUMBERS:
            return ()
        return struct.unpack_from("%s%d%s" % (self.order, min(count, most), NUMBERS[kind]), self.data, position)

    def integers(self, tag: int, most: int) -> Tuple[int, ...]:
        """The same of a tag that holds whole numbers; none if it holds others."""
        return () if self.entries.get(tag, (0,))[0] in REALS else self.values(tag, most)

    def number(self, tag: int, default: int) -> int:
        return (self.integers(tag, 1) or (default,))[0]

    def copy(self, tag: int, most: int) -> Optional[Tuple[int, int, bytes]]:
        """Type, count and bytes of a tag's values in a classic TIFF; None if the tag is missing.

        Raises UndecodableImage if one needs more than 32 bits.
        """
        if tag not in self.entries:
            return None
        kind, count, position = self.entries[tag]
        count = min(count, most)
        if kind in NUMBERS and kind not in REALS and kind not in BYTES:
            return self.pack(SHORT if kind == SHORT else LONG, self.values(tag, count))
        return kind, count, self.data[position : position + count * TYPE_SIZES[kind]]

    def pack(self, kind: int, values: Tuple[int, ...]) -> Tuple[int, int, bytes]:
        try:
            return kind, len(values), struct.pack("%s%d%s" % (self.order, len(values), NUMBERS[kind]), *values)
        except struct.error:
            raise UndecodableImage("The picture is damaged or incomplete.")


def read_tiff(data: bytes) -> TiffHeader:
    """Raises UndecodableImage, ImageTooLarge and UnsupportedType."""
    directory = Directory(data)
    header = TiffHeader()
    header.width, header.height = directory.number(WIDTH, 0), directory.number(HEIGHT, 0)
    if header.width < 1 or header.height < 1:
        raise UndecodableImage("The picture is damaged or incomplete.")
    compression = directory.number(COMPRESSION, 1)
    if compression in LOGLUV:
        raise UnsupportedType("A TIFF in LogLuv is not taken.")
    if compression in FAX and header.height > MAX_FAX_ROWS:
        raise ImageTooLarge("The picture has %d rows; at most %d are allowed in a fax." % (header.height, MAX_FAX_ROWS))
    bits = read_samples(header, directory)
    blocks = read_blocks(header, directory, compression, bits)
    header.orientation = directory.number(orientation.ORIENTATION_TAG, 0)
    kind, count, position = directory.entries.get(XMP, (0, 0, 0))
    if orientation.ORIENTATION_TAG not in directory.entries and kind in BYTES:
        header.orientation = orientation.read_xmp(data[position : position + count])
    if header.sample_range is not None:
        blocks[PHOTOMETRIC] = (1,)  # negatives are turned round here; Pillow knows few of them
    header.data = rebuild(directory, blocks)
    return header


def read_samples(header: TiffHeader, directory: Directory) -> int:
    """Fills in what the samples are; returns the bits of a pixel. Raises UnsupportedType."""
    is_colour = directory.number(PHOTOMETRIC, WHITE_IS_ZERO) in (2, YCBCR, LAB)
    header.is_lab = directory.number(PHOTOMETRIC, WHITE_IS_ZERO) == LAB
    default = 3 if directory.number(COMPRESSION, 1) == JPEG and is_colour else 1
    count = min(64, max(1, directory.number(SAMPLES, default)))
    widths = directory.integers(BITS, count) or (1,)
    width = max(widths)
    format_ = directory.number(SAMPLE_FORMAT, UNSIGNED)
    header.samples = "%s%d-bit %s" % ("%d x " % count if count > 1 else "", width, FORMATS.get(format_, "unknown"))
    if count == 1:
        header.pixel_bytes = 1 if width <= 8 else 2 if width <= 16 and format_ == UNSIGNED else 4
        header.sample_range = read_range(directory, header.samples, width, format_)
    else:
        header.pixel_bytes = 4
        check_colours(directory, header.samples, width, format_)
    return sum(widths) if len(widths) == count else width * count


def read_range(directory: Directory, samples: str, bits: int, format_: int) -> Optional[SampleRange]:
    """What the samples of a single band lie between; None if Pillow's 8 bits are right.

    Raises UnsupportedType if the file does not say it of integers whose range can't be known.
    """
    if bits <= 8 and format_ != SIGNED:
        return None
    # Where the older tags can hold the range they go before: there, many a writer puts what the picture happens to span
    # into the newer ones.
    is_short = format_ == UNSIGNED and bits <= 16
    lows, highs = (MIN_SAMPLE, MIN_SAMPLE_2), (MAX_SAMPLE, MAX_SAMPLE_2)
    low, high = (
        directory.values(tags[not is_short], 1) or directory.values(tags[is_short], 1) for tags in (lows, highs)
    )
    is_negative = directory.values(PHOTOMETRIC, 1) == (WHITE_IS_ZERO,)
    if high and -float("inf") < (low[0] if low else 0) < high[0] < float("inf"):
        return SampleRange(low[0] if low else 0, high[0], True, is_negative, format_ == SIGNED)
    if format_ == FLOAT:
        return SampleRange(0, 1, False, is_negative, False)
    if is_short:
        return SampleRange(0, 2**bits - 1, True, is_negative, False)
    raise UnsupportedType(
        "A TIFF with %s samples is not taken unless it says their range (SMinSampleValue, SMaxSampleValue)." % samples
    )


def check_colours(directory: Directory, samples: str, bits: int, format_: int) -> None:
    """Refuses samples of several bands that Pillow would take for what they are not. Raises UnsupportedType."""
    high = max(directory.values(MAX_SAMPLE_2, 64) or directory.values(MAX_SAMPLE, 64) or (0,))
    is_narrow = bits == 16 and 0 < high < 2**15 and int(high) & (int(high) + 1) == 0  # 12 bits in 16, for one
    if is_narrow:
        raise UnsupportedType("A TIFF with %s samples up to %d is not taken." % (samples, high))
    if format_ == SIGNED:
        raise UnsupportedType("A TIFF with %s samples is not taken." % samples)


def read_blocks(header: TiffHeader, directory: Directory, compression: int, bits: int) -> Dict[int, Tuple[int, ...]]:
    """Fills in the sizes of strips or tiles; returns what the directory has to say of them.

    Raises UndecodableImage and ImageTooLarge.
    """
    width, height = header.width, header.height
    is_tiled = STRIP_OFFSETS not in directory.entries and TILE_OFFSETS in directory.entries
    if TILE_WIDTH in directory.entries or TILE_HEIGHT in directory.entries:  # for libtiff, these alone decide
        is_tiled = True
    if is_tiled:
        across, down = directory.number(TILE_WIDTH, 0), directory.number(TILE_HEIGHT, 0)
    else:
        across, down = width, min(height, directory.number(ROWS_PER_STRIP, height))
    if across < 1 or down < 1:
        raise UndecodableImage("The picture is damaged or incomplete.")
    planes = directory.number(SAMPLES, 1) if directory.number(PLANAR, 1) == 2 else 1
    columns, rows = -(-width // across), -(-height // down)
    count = columns * rows * max(1, planes)
    if count > MAX_BLOCKS:
        raise ImageTooLarge("The picture is stored in more than the allowed %d strips or tiles." % MAX_BLOCKS)
    header.block_pixels = across * down
    header.padded_pixels = columns * across * (rows * down if is_tiled else height)
    if compression != 1:
        is_rgba = directory.number(PHOTOMETRIC, 0) == YCBCR and compression != JPEG
        header.block_bytes = across * down * (bits + 7) // 8 // max(1, planes) + 4 * across * down * is_rgba
    found = {tag: directory.integers(tag, count) for tag in BLOCKS if tag in directory.entries}
    offsets, sizes = (TILE_OFFSETS, TILE_SIZES) if is_tiled and TILE_OFFSETS in found else (STRIP_OFFSETS, STRIP_SIZES)
    if sum(found.get(sizes, ())) > MAX_SHARE * len(directory.data) and compression != 1:
        raise ImageTooLarge("The picture's strips or tiles are larger than the file.")
    if compression == JPEG:
        header.jpegs = [(start, start + size) for start, size in zip(found.get(offsets, ()), found.get(sizes, ()))]
    if not is_tiled:  # a decoder may allocate as many rows as it says, though the picture has fewer
        found[ROWS_PER_STRIP] = (down,)
    return found


def rebuild(directory: Directory, changed: Dict[int, Tuple[int, ...]]) -> bytes:
    """The file as a classic TIFF in the same byte order, its bytes where they were, with a directory of what counts.

    ``changed`` are numbers by tag that stand in it in place of the file's own.
    """
    tags = {tag: directory.pack(LONG, values) for tag, values in changed.items() if values}
    for tag in SINGLE + COPIED:
        copy = directory.copy(tag, 1 if tag in SINGLE else MAX_VALUES)
        if copy is not None:
            tags.setdefault(tag, copy)
    start = len(directory.data) + len(directory.data) % 2
    end = start + 2 + 12 * len(tags) + 4
    entries, values = [], []
    for tag, (kind, count, content) in sorted(tags.items()):
        place = content.ljust(4, b"\0")
        if len(content) > 4:
            place = struct.pack(directory.order + "L", end)
            content += b"\0" * (len(content) % 2)
            values.append(content)
            end += len(content)
        entries.append(struct.pack(directory.order + "HHL", tag, kind, count) + place)
    head = directory.data[:2] + struct.pack(directory.order + "HL", CLASSIC, start)
    return b"".join(
        [
            head,
            directory.data[8:].ljust(start - 8, b"\0"),
            struct.pack(directory.order + "H", len(tags)),
            *entries,
            bytes(4),
            *values,
        ]
    )


def check_jpegs(header: TiffHeader, data: bytes) -> None:
    """Refuses a strip or tile that is a JPEG of too many scans. Raises ImageTooLarge."""
    for start, end in header.jpegs:
        jpeg_headers.check_scans(data, start, end, header.width * header.height)
