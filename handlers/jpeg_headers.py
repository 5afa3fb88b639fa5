"""A JPEG's header: its size, how it is stored and its orientation, read from its markers."""

import re
import struct
from typing import List, Optional, Tuple

from . import orientation
from .errors import ImageTooLarge, UndecodableImage, UnsupportedType

# ITU T.81, table B.1: the second byte of a marker.
START_OF_SCAN = 0xDA
END_OF_IMAGE = 0xD9
START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xDE}
PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
WITHOUT_LENGTH = frozenset((0x00, 0x01, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)))
APP0, APP1, APP14, APP15, COMMENT = 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
# Of the application segments, what a decoder reads: JFIF and Adobe tell how colours are stored.
DECODER_SEGMENTS = ((APP0, b"JFIF"), (APP14, b"Adobe"))
XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
# 0xFF before anything but 0 and another 0xFF begins a marker; a scan's data go on after a restart marker.
MARKER = re.compile(b"\xff[^\x00\xff]")
END_OF_SCAN = re.compile(b"\xff[^\x00\xff\xd0-\xd7]")
SCAN_SIGN = b"\xff\xda"
# Cameras write twenty segments. Each costs a parser some microseconds, however few its bytes.
MAX_SEGMENTS = 5000
# A progressive JPEG has about ten scans. Each costs a pass over all its pixels, however few its bytes: a file of
# 1.6 MB can hold 20,000 and take half a minute.
MAX_SCANS = 100
# Of a large picture fewer: at 25 million pixels each takes 15 ms, however few its bytes.
MAX_SCANNED_PIXELS = 10**9


class JpegHeader:
    """What the markers before the first scan say.

    ``data`` is the file without its metadata, which no decoder has to parse then. ``coefficients`` is how many of them
    (2 bytes each) a decoder keeps per pixel: some for each component of a picture that is stored in several scans.
    """

    def __init__(self) -> None:
        self.width = self.height = 0
        self.components = 0
        self.is_progressive = False
        self.coefficients = 0.0
        self.orientation = 0
        self.data = b""


def read_jpeg(data: bytes) -> JpegHeader:
    """Raises UndecodableImage, ImageTooLarge (too many segments) and UnsupportedType (samples of other than 8 bits)."""
    header = JpegHeader()
    kept: List[bytes] = [data[:2]]
    exif = xmp = None
    position = 2
    for _ in range(MAX_SEGMENTS):
        marker, start, end = next_segment(data, position)
        if marker is None:
            raise UndecodableImage("The picture is damaged or incomplete.")
        position = end
        content = data[start + 2 : end]
        if marker in START_OF_FRAME:
            read_frame(header, marker, content)
        if marker == START_OF_SCAN:
            if content[:1] and content[0] < header.components and not header.is_progressive:
                header.coefficients = header.components  # one scan a component
            header.orientation = orientation.read_exif(exif or b"") or orientation.read_xmp(xmp or b"")
            kept.append(data[start - 2 :])
            header.data = b"".join(kept)
            return header
        if marker == APP1:
            if exif is None and content.startswith(orientation.EXIF_HEAD):
                exif = content
            elif content.startswith(XMP_HEAD):
                xmp = content
        if start < end and is_needed(marker, content):
            kept.append(b"\xff%c" % marker + data[start:end])
    raise ImageTooLarge("The picture's header has more than the allowed %d segments." % MAX_SEGMENTS)


def next_segment(data: bytes, position: int) -> Tuple[Optional[int], int, int]:
    """The next marker, where its segment (the length first) starts and ends; None if the data end before."""
    found = MARKER.search(data, position)
    if found is None:
        return None, 0, 0
    start = found.end()
    marker = data[start - 1]
    if marker in WITHOUT_LENGTH:
        return marker, start, start
    if start + 2 > len(data):
        return None, 0, 0
    return marker, start, min(len(data), start + max(2, int.from_bytes(data[start : start + 2], "big")))


def is_needed(marker: int, content: bytes) -> bool:
    """Whether a decoder needs the segment, which may be neither a comment nor an application's."""
    if APP0 <= marker <= APP15 or marker == COMMENT:
        return any(marker == number and content.startswith(head) for number, head in DECODER_SEGMENTS)
    return True


def read_frame(header: JpegHeader, marker: int, content: bytes) -> None:
    """Fills in what a start-of-frame segment says (T.81, B.2.2)."""
    try:
        bits, header.height, header.width, header.components = struct.unpack_from(">BHHB", content)
        factors = [(content[6 + 3 * index + 1] >> 4, content[6 + 3 * index + 1] & 15) for index in range(content[5])]
    except (struct.error, IndexError):
        raise UndecodableImage("The picture is damaged or incomplete.")
    if bits != 8:
        raise UnsupportedType("A JPEG with %d-bit samples is not taken; send one with 8-bit samples." % bits)
    header.is_progressive = marker in PROGRESSIVE
    if header.is_progressive:
        largest = max([1] + [h for h, _ in factors]) * max([1] + [v for _, v in factors])
        header.coefficients = sum(h * v for h, v in factors) / largest


def check_scans(data: bytes, start: int, end: int, pixels: int) -> None:
    """Refuses a JPEG (in ``data[start:end]``) of more scans than a picture of so many pixels may have.

    Only the picture's own scans count: neither the same bytes in its metadata nor a picture behind it.
    Raises ImageTooLarge.
    """
    allowed = min(MAX_SCANS, MAX_SCANNED_PIXELS // max(1, pixels))
    if data.count(SCAN_SIGN, start, end) > allowed and count_scans(data[start:end], allowed) > allowed:
        raise ImageTooLarge("The picture is stored in more than the allowed %d scans." % allowed)


def count_scans(data: bytes, enough: int) -> int:
    """The scans of the JPEG at the start of ``data``; counting ends at more than ``enough``."""
    scans, position = 0, 2
    for _ in range(MAX_SEGMENTS):
        marker, _, position = next_segment(data, position)
        if marker is None or marker == END_OF_IMAGE:
            return scans
        if marker == START_OF_SCAN:
            scans += 1
            found = END_OF_SCAN.search(data, position)
            if found is None or scans > enough:
                return scans
            position = found.start()
    raise ImageTooLarge("The picture has more than the allowed %d segments." % MAX_SEGMENTS)
