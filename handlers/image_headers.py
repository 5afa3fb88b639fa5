"""What a picture's file says before any pixel is decoded: format, size, memory, and a copy without its metadata.

A decoder allocates by what the header says, and parses metadata with code that no limit holds. So both are read here,
within bounds, and the decoder is handed a file that holds the pixels alone.
"""

import struct
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from . import avif_headers, jpeg_headers, orientation, tiff_headers
from .errors import EmptyBody, ImageTooLarge, UndecodableImage, UnsupportedType, UnusableInput
from .image_formats import FORMATS, image_format, other_format

GZIP_SIGNATURE = b"\x1f\x8b"
MAX_PIXELS = 25000000  # where the settings say nothing else
# Of memory, for each of ``max_pixels`` (250 MB for 25 million, and for fewer), while a picture is decoded. A kind that
# costs more per pixel may have fewer of them.
BYTES_PER_PIXEL = 10
RGB_BYTES = 4  # Pillow keeps RGB as RGBX
# Strips and tiles together may be larger than the picture, which ends within the last ones.
MAX_PADDING = 1.5
# No side of a JPEG can be longer; a picture of 8 x 3,000,000 pixels is an attack.
MAX_SIDE = 65535
# PNG writers make chunks of 8 KB and more, GIF writers blocks of 255 bytes.
MAX_CHUNKS = 50000
# Pillow decodes the runs of a BMP in Python: up to 130 ns a pixel and 300 ns a byte.
RUN_LENGTH = (1, 2)
RUN_LENGTH_BYTES_PER_PIXEL = 40
MAX_RUN_LENGTH = 2000000
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PNG_NAMES = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with transparency", 6: "RGBA"}


class Header:
    """A picture's format, size in pixels as stored, orientation, and ``data``, its file without metadata."""

    def __init__(self, format_: str, width: int, height: int, data: bytes) -> None:
        self.format = format_
        self.width = width
        self.height = height
        self.data = data
        self.kind = format_  # for messages
        self.orientation = 0
        # Of memory, at the peak, with the RGB picture that it becomes; of kinds that take long, as much more as the
        # time demands.
        self.bytes_per_pixel: float = RGB_BYTES + RGB_BYTES
        self.transparent: Optional[Tuple[int, ...]] = None  # the grey or RGB of a PNG that is, at ``bits`` a sample
        self.bits = 8
        self.sample_range: Optional[tiff_headers.SampleRange] = None
        self.samples = ""

    @property
    def pixels(self) -> int:
        return self.width * self.height


def read_header(
    data: bytes, max_pixels: int, max_aspect: Optional[int] = None, formats: Sequence[str] = FORMATS
) -> Header:
    """The header of a picture that may be decoded; what ``decode_image`` raises but for damage among its pixels."""
    if not data:
        raise EmptyBody("The body is empty; send the bytes of a picture.")
    if data[:2] == GZIP_SIGNATURE:
        raise UnsupportedType("The body is gzip-compressed; send the picture itself.")
    format_ = image_format(data)
    name = format_ or other_format(data)
    if name is None:
        raise UndecodableImage("The body is no picture of a known format (%s)." % ", ".join(formats))
    if name not in formats:
        raise UnsupportedType("%s is not taken; send one of %s." % (name, ", ".join(formats)))
    try:
        header = READERS[name](data, max_pixels)
    except (struct.error, IndexError):
        raise UndecodableImage("The picture is damaged or incomplete.")
    if header.pixels < 1:
        raise UndecodableImage("The picture is damaged or incomplete.")
    check_size(header, max_pixels)
    check_aspect(header, max_aspect)
    return header


def check_size(header: Header, max_pixels: int) -> None:
    """Raises ImageTooLarge for too many pixels, or too much memory to decode them."""
    size = (header.width, header.height)
    if header.pixels > max_pixels:
        raise ImageTooLarge("The picture has %d x %d pixels; at most %d are allowed." % (*size, max_pixels))
    allowed = int(memory_limit(max_pixels) / header.bytes_per_pixel)
    if header.pixels > allowed:
        raise ImageTooLarge(
            "The picture has %d x %d pixels; at most %d are allowed in a picture of its kind (%s)."
            % (*size, allowed, header.kind)
        )
    if max(size) > MAX_SIDE:
        raise ImageTooLarge("The picture has %d x %d pixels; a side may have at most %d." % (*size, MAX_SIDE))


def memory_limit(max_pixels: int) -> int:
    """The bytes that decoding one picture may take."""
    return BYTES_PER_PIXEL * max(max_pixels, MAX_PIXELS)


def check_aspect(header: Header, max_aspect: Optional[int]) -> None:
    size = (header.width, header.height)
    if max_aspect is not None and max(size) > max_aspect * min(size):
        raise UnusableInput(
            "The picture has %d x %d pixels; a side may be at most %d times as long as the other." % (*size, max_aspect)
        )


def read_jpeg(data: bytes, max_pixels: int) -> Header:
    found = jpeg_headers.read_jpeg(data)
    header = Header("JPEG", found.width, found.height, found.data)
    header.orientation = found.orientation
    picture = 1 if found.components == 1 else RGB_BYTES
    converted = RGB_BYTES if found.components in (1, 4) or found.orientation > orientation.UPRIGHT else 0
    header.bytes_per_pixel = picture + max(2 * found.coefficients, converted)
    if found.coefficients:  # a decoder of a single scan reads no second one
        header.kind = "progressive JPEG of %d components" % found.components
        jpeg_headers.check_scans(data, 0, len(data), header.pixels)
    return header


def read_png(data: bytes, max_pixels: int) -> Header:
    """Keeps the chunks that tell pixels: IHDR, PLTE, tRNS, the first row of IDAT and IEND."""
    header: Optional[Header] = None
    colour = 0
    keys: List[bytes] = []  # of the texts that were read
    kept: List[bytes] = [data[:8]]
    is_closed = False  # whether the pixels have ended
    has_pixels = False
    position = 8
    for _ in range(MAX_CHUNKS):
        if position + 8 > len(data):
            break
        length, kind = struct.unpack_from(">L4s", data, position)
        start, position = position, position + 12 + length
        content = (start + 8, start + 8 + length)
        if kind == b"IHDR" and header is None:
            header = read_png_head(data, content[0])
            colour = data[content[0] + 9]
            kept.append(data[start:position])
        elif kind == b"IDAT":
            if not is_closed:
                kept.append(data[start:position])
            has_pixels = True
            continue
        elif kind == b"IEND":
            break
        elif kind in (b"PLTE", b"tRNS") and not has_pixels:
            kept.append(data[start:position])
            if kind == b"tRNS" and header is not None:
                read_transparency(header, colour, data[slice(*content)])
        elif header is not None and not header.orientation:
            if kind == b"eXIf":
                header.orientation = orientation.read_exif(data[slice(*content)])
            elif kind in (b"tEXt", b"zTXt", b"iTXt"):
                key = data[slice(*content)][:80].partition(b"\0")[0]
                if key in orientation.PNG_KEYS and key not in keys:
                    keys.append(key)
                    header.orientation = orientation.read_png_text(kind, data[slice(*content)])
        is_closed = has_pixels
    else:
        raise ImageTooLarge("The picture is stored in more than the allowed %d chunks." % MAX_CHUNKS)
    if header is None or not has_pixels:
        raise UndecodableImage("The picture is damaged or incomplete.")
    if position <= len(data):  # else a decoder would take it for pixels
        kept.append(b"\0\0\0\0IEND\xaeB`\x82")
    header.data = b"".join(kept)
    return header


def read_png_head(data: bytes, start: int) -> Header:
    """What IHDR says (PNG, 11.2.1)."""
    width, height, bits, colour = struct.unpack_from(">LLBB", data, start)
    header = Header("PNG", width, height, b"")
    header.bits = bits
    channels = PNG_CHANNELS.get(colour, 4)
    stored = 1 if channels == 1 and bits <= 8 else 2 if channels == 1 else RGB_BYTES
    # Taking the filters off takes 10 ns a byte: twice a byte's share of the memory keeps it near a second.
    header.bytes_per_pixel = max(stored + (0 if colour == 2 else RGB_BYTES), 2 * channels * bits / 8)
    header.kind = "%d-bit %s PNG" % (bits, PNG_NAMES.get(colour, "unknown"))
    return header


def read_transparency(header: Header, colour: int, content: bytes) -> None:
    """Notes the transparent colour where Pillow does not find it; twice the pixels are then decoded of 16-bit RGB."""
    if colour == 0 and header.bits != 8:
        header.transparent = struct.unpack_from(">H", content)
    elif colour == 2 and header.bits == 16:
        header.transparent = struct.unpack_from(">3H", content)
        header.bytes_per_pixel *= 2
        header.kind += " with a transparent colour"


def read_gif(data: bytes, max_pixels: int) -> Header:
    """Keeps the screen, its palette, the last control block and the first frame; drops comments and the like."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + (3 << (flags & 7) + 1 if flags & 128 else 0)
    kept = [data[:position], b""]
    is_extension = False
    for _ in range(MAX_CHUNKS):
        kind = data[position]
        if is_extension:  # a row of blocks, the length of each first; an empty one is the last
            position += 1 + kind
            is_extension = kind > 0
        elif kind == 0x21:
            if data[position + 1 : position + 3] == b"\xf9\4":  # how to show the next frame
                kept[1] = data[position : position + 7] + b"\0"
            position += 2
            is_extension = True
        elif kind == 0x2C:
            left, top, across, down = struct.unpack_from("<4H", data, position + 1)
            size = (max(width, left + across), max(height, top + down))
            header = Header("GIF", *size, b"".join([*kept, data[position:]]))
            header.bytes_per_pixel = 1 + RGB_BYTES
            return header
        elif kind == 0x3B:
            raise UndecodableImage("The picture is damaged or incomplete.")
        else:
            position += 1
    raise ImageTooLarge("The picture is stored in more than the allowed %d blocks." % MAX_CHUNKS)


def read_webp(data: bytes, max_pixels: int) -> Header:
    """Its decoder keeps two canvases of RGBA beside the one that it decodes into, and hands out a fourth."""
    kind = data[12:16]
    has_alpha = False
    if kind == b"VP8X":
        has_alpha = bool(data[20] & 0x10)
        width, height = (int.from_bytes(data[start : start + 3], "little") + 1 for start in (24, 27))
    elif kind == b"VP8L":
        (packed,) = struct.unpack_from("<L", data, 21)
        width, height, has_alpha = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1, bool(packed >> 28 & 1)
    else:
        width, height = (size & 0x3FFF for size in struct.unpack_from("<HH", data, 26))
    header = Header("WEBP", width, height, data)
    header.bytes_per_pixel = (5 if has_alpha else 4) * RGB_BYTES
    header.kind = "WebP with transparency" if has_alpha else "WebP"
    position = 12
    found: Dict[bytes, bytes] = {}
    for _ in range(MAX_CHUNKS):
        if position + 8 > len(data):
            break
        name, length = struct.unpack_from("<4sL", data, position)
        if name in (b"EXIF", b"XMP "):
            found.setdefault(name, data[position + 8 : position + 8 + length])
        position += 8 + length + length % 2
    header.orientation = orientation.read_exif(found.get(b"EXIF", b"")) or orientation.read_xmp(found.get(b"XMP ", b""))
    return header


def read_bmp(data: bytes, max_pixels: int) -> Header:
    (size,) = struct.unpack_from("<L", data, 14)
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<LlHHL", data, 18)
    header = Header("BMP", width, abs(height), data)
    header.bytes_per_pixel = (1 if bits <= 8 else RGB_BYTES) + RGB_BYTES
    if compression in RUN_LENGTH:
        header.kind = "run-length BMP"
        header.bytes_per_pixel = RUN_LENGTH_BYTES_PER_PIXEL
        if len(data) > MAX_RUN_LENGTH:
            raise ImageTooLarge("A run-length BMP may have at most %d bytes." % MAX_RUN_LENGTH)
    return header


def read_tiff(data: bytes, max_pixels: int) -> Header:
    found = tiff_headers.read_tiff(data)
    header = Header("TIFF", found.width, found.height, found.data)
    header.orientation = found.orientation
    header.sample_range, header.samples = found.sample_range, found.samples
    header.kind = "TIFF of %s samples" % found.samples
    pixels = max(1, header.pixels)
    header.bytes_per_pixel = found.pixel_bytes + max(RGB_BYTES, found.block_bytes / pixels)
    if found.is_lab:  # which takes 60 ns a pixel to convert
        header.bytes_per_pixel = max(header.bytes_per_pixel, 14)
    if header.pixels <= max_pixels:
        if found.padded_pixels > MAX_PADDING * max_pixels or found.block_bytes > memory_limit(max_pixels):
            raise ImageTooLarge(
                "The picture's strips or tiles have %d pixels; at most %d are allowed."
                % (found.padded_pixels, MAX_PADDING * max_pixels)
            )
        tiff_headers.check_jpegs(found, data)
    return header


def read_avif(data: bytes, max_pixels: int) -> Header:
    """Its decoder keeps planes of up to 16 bits and two pictures, and takes 110 ns a pixel."""
    header = Header("AVIF", *avif_headers.read_avif(data, max_pixels), data)
    header.bytes_per_pixel = 25
    return header


READERS: Dict[str, Callable[[bytes, int], Header]] = {
    "AVIF": read_avif,
    "BMP": read_bmp,
    "GIF": read_gif,
    "JPEG": read_jpeg,
    "PNG": read_png,
    "TIFF": read_tiff,
    "WEBP": read_webp,
}
