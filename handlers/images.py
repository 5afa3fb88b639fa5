"""Bytes to pixels: the one way a picture is decoded, in serving, training, evaluation and export."""

import io
import math
import struct
from typing import Any, Dict, Optional

import numpy as np
import PIL
from PIL import Image

from .errors import EmptyBody, ImageTooLarge, RequestError, UndecodableImage, UnsupportedType, UnusableInput
from .runtime import return_freed_memory

# The first bytes of the formats that are taken; nothing else reaches Pillow.
SIGNATURES = (
    ("JPEG", b"\xff\xd8\xff"),
    ("PNG", b"\x89PNG\r\n\x1a\n"),
    ("GIF", b"GIF87a"),
    ("GIF", b"GIF89a"),
    ("BMP", b"BM"),
    ("TIFF", b"II*\0"),
    ("TIFF", b"MM\0*"),
)
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
GZIP_SIGNATURE = b"\x1f\x8b"
# Of Pillow's parsers only these are tried (since 8.0). MPO is a JPEG with further pictures, as many cameras write it.
OPEN_OPTIONS: Dict[str, Any] = {"formats": (*FORMATS, "MPO")} if int(PIL.__version__.split(".")[0]) >= 8 else {}
# A progressive JPEG has about ten scans. Each costs a pass over all its pixels, however few its bytes: a file of
# 1.6 MB can hold 20,000 and take half a minute.
START_OF_SCAN = b"\xff\xda"
MAX_SCANS = 100
# A JPEG may be decoded at a half, a quarter or an eighth of its size, at a fraction of the cost. It is, as long as this
# many of its pixels remain for each one that is wanted: 99 of 100 samples of a photograph stay within one grey level.
LEAST_REDUCTION = 3
# Above this a picture's memory, 3 bytes a pixel and more while it is decoded, is given back at once.
LARGE_PIXELS = 4000000

# Blocks of memory, of 16 MB at most, that Pillow keeps for the next picture. Without any, it gives each back to the
# system and faults it in again: a fifth of the time that a photograph takes.
KEPT_BLOCKS = 4
core: Any = Image.core  # type: ignore[attr-defined]
core.set_blocks_max(KEPT_BLOCKS)

ORIENTATION_TAG = 0x0112  # EXIF 2.3, table 4
# Pillow 9.1 moved its constants; the Elastic Inference image has 7.2.
Transpose: Any = getattr(Image, "Transpose", Image)
Resampling: Any = getattr(Image, "Resampling", Image)
# EXIF orientation -> the operation that turns the stored picture upright.
UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


def image_format(data: bytes) -> Optional[str]:
    """The name of the format that the bytes begin like (one of ``FORMATS``), or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    for name, signature in SIGNATURES:
        if data.startswith(signature):
            return name
    return None


def decode_image(
    data: bytes, max_pixels: int, max_aspect: Optional[int] = None, short_side: Optional[int] = None
) -> "Image.Image":
    """A picture's first frame, upright, as an RGB ``PIL.Image`` of at most ``max_pixels`` pixels.

    Its long side is at most ``max_aspect`` times its short side. Transparency is laid on white, CMYK, palette,
    grey and 16-bit pictures become 8-bit RGB. Who will make its short side ``short_side`` pixels long says so: a large
    JPEG is then decoded at a fraction of its size.

    Raises EmptyBody, UnsupportedType (compressed body), ImageTooLarge and UnusableInput (both told from the header,
    before any pixel is decoded) and UndecodableImage.
    """
    check_bytes(data)
    try:
        image = Image.open(io.BytesIO(data), **OPEN_OPTIONS)
        check_pixels(image, max_pixels)
        check_aspect(image, max_aspect)
        if image.format in ("JPEG", "MPO") and short_side is not None:
            reduce_jpeg(image, LEAST_REDUCTION * short_side)
        return to_rgb(turn_upright(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageTooLarge("The picture has more than the allowed %d pixels." % max_pixels)
    except (RequestError, MemoryError):
        raise
    except Exception:  # Pillow's parsers raise nearly every built-in exception on damaged data
        raise UndecodableImage("The picture is damaged or incomplete.")


def check_bytes(data: bytes) -> None:
    """Tells from the bytes alone what is no picture, and a JPEG that would take seconds; raises as ``decode_image``."""
    if not data:
        raise EmptyBody("The body is empty; send the bytes of a picture.")
    if data[:2] == GZIP_SIGNATURE:
        raise UnsupportedType("The body is gzip-compressed; send the picture itself.")
    kind = image_format(data)
    if kind is None:
        raise UndecodableImage("The body is no picture of a known format (%s)." % ", ".join(FORMATS))
    if kind == "JPEG" and data.count(START_OF_SCAN) > MAX_SCANS:
        raise ImageTooLarge("The picture is stored in more than the allowed %d scans." % MAX_SCANS)


def check_pixels(image: "Image.Image", max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise ImageTooLarge("The picture has %d x %d pixels; at most %d are allowed." % (width, height, max_pixels))


def check_aspect(image: "Image.Image", max_aspect: Optional[int]) -> None:
    short, long = sorted(image.size)
    if max_aspect is not None and long > max_aspect * short:
        raise UnusableInput(
            "The picture has %d x %d pixels; a side may be at most %d times as long as the other."
            % (*image.size, max_aspect)
        )


def reduce_jpeg(image: "Image.Image", short_side: int) -> None:
    """Has a JPEG decoded at the smallest scale that leaves it ``short_side`` pixels; at one that divides both sides.

    Any other would end in a part of a pixel, and move the rest.
    """
    width, height = image.size
    for scale in (8, 4, 2):
        if width % scale == height % scale == 0 and min(width, height) >= scale * short_side:
            image.draft(None, (width // scale, height // scale))
            return


def turn_upright(image: "Image.Image") -> "Image.Image":
    """The picture as its EXIF orientation wants it shown; a damaged EXIF block turns nothing."""
    try:
        orientation = image.getexif().get(ORIENTATION_TAG)
    except (SyntaxError, struct.error, ValueError, KeyError, TypeError, EOFError, OSError):
        orientation = None
    operation = UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if operation is None else image.transpose(operation)


def to_rgb(image: "Image.Image") -> "Image.Image":
    """The picture as 8-bit RGB: transparency on white, 16-bit and float samples scaled to 8 bits."""
    if image.mode.startswith(("I", "F")):
        return grey_to_rgb(np.asarray(image))
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGB", rgba.size, (255, 255, 255))
        white.paste(rgba, mask=rgba.getchannel("A"))
        return white
    if image.mode == "RGB":  # a conversion would copy it
        image.load()
        return image
    return image.convert("RGB")


def grey_to_rgb(samples: "np.ndarray[Any, Any]") -> "Image.Image":
    """A grey picture of integers (H, W) of up to 16 bits, or of floats from 0 to 1, as 8-bit RGB."""
    levels = np.nan_to_num(samples) * 255 if samples.dtype.kind == "f" else samples >> 8
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).convert("RGB")


def resize_and_crop(image: "Image.Image", resize: int, size: int) -> "np.ndarray[Any, Any]":
    """The middle of an RGB picture as uint8 (size, size, 3).

    The same as resizing the short side to ``resize`` pixels (bilinear, antialiased) and cutting ``size``
    by ``size`` out of the middle, but straight from the crop's box: one resampling, no second picture.
    """
    width, height = image.size
    side = min(width, height) * size / resize
    left, top = (width - side) / 2, (height - side) / 2
    resized = image.resize((size, size), Resampling.BILINEAR, box=(left, top, left + side, top + side))
    return np.asarray(resized)


def pad_and_resize(image: "Image.Image", size: int) -> "np.ndarray[Any, Any]":
    """An RGB picture as uint8 (size, size, 3), padded right and below with black to a square.

    The same as resizing the whole square (bilinear, antialiased), so the picture's edge fades into the black; but
    of the square only the part is built that the edge fades into: 1 x 10,000 pixels cost no 10,000 x 10,000.
    """
    side = max(image.size)
    scale = side / size  # pixels of the square in one of the answer
    reach = max(1.0, 1 / scale)  # how far the filter sees from the middle of a pixel of the answer, in such pixels
    width, height = (min(size, math.ceil(length / scale + reach)) for length in image.size)
    right, lower = (min(side, math.ceil((length + reach) * scale)) for length in (width, height))
    padded = image.crop((0, 0, right, lower))  # black beyond its border
    box = (0, 0, min(right, width * scale), min(lower, height * scale))
    pixels = np.zeros((size, size, 3), np.uint8)
    pixels[:height, :width] = np.asarray(padded.resize((width, height), Resampling.BILINEAR, box=box))
    return pixels


def release_image(image: "Image.Image") -> None:
    """Frees a decoded picture, and gives the memory of a large one back to the system at once."""
    is_large = image.width * image.height > LARGE_PIXELS
    image.close()
    if is_large:
        core.clear_cache()
        return_freed_memory()
