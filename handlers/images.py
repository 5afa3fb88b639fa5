"""Bytes to pixels: the one way a picture is decoded, in serving, training, evaluation and export."""

import contextlib
import ctypes
import importlib
import io
import logging
import math
import threading
import warnings
from typing import Any, Callable, Dict, Iterator, Optional, Sequence

import numpy as np
import PIL
from PIL import Image, features

from .errors import ImageTooLarge, RequestError, UndecodableImage, UnsupportedType
from .image_formats import FORMATS
from .image_formats import image_format as image_format  # for who looks at files alone
from .image_headers import Header, read_header
from .orientation import ORIENTATION_TAG
from .runtime import return_freed_memory
from .settings import SettingsError
from .tiff_headers import SampleRange

# A JPEG may be decoded at a half, a quarter or an eighth of its size, at a fraction of the cost. It is, as long as this
# many of its pixels remain for each one that is wanted: 99 of 100 samples of a photograph stay within one grey level.
LEAST_REDUCTION = 3
# Above this a picture's memory, 3 bytes a pixel and more while it is decoded, is given back at once, and a worker
# decodes one at a time.
LARGE_PIXELS = 4000000
ONE_LARGE = threading.Lock()
# Pixels that are converted at once, where a conversion needs copies.
BAND_PIXELS = 1000000
# How far beyond 0 and 1 floats may lie that were rounded.
FLOAT_SLACK = 0.001

# Blocks of memory, of 16 MB at most, that Pillow keeps for the next picture. Without any, it gives each back to the
# system and faults it in again: a fifth of the time that a photograph takes.
KEPT_BLOCKS = 4
core: Any = Image.core  # type: ignore[attr-defined]
core.set_blocks_max(KEPT_BLOCKS)

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
# What Pillow may have been built without, as it names it; a TIFF that is not compressed does without, but few are.
DECODERS = {"WEBP": "webp", "TIFF": "libtiff"}
# Pillow's names of the parsers that a format may need (since 8.0 only these are tried).
HAS_FORMATS = int(PIL.__version__.split(".")[0]) >= 8


def silence_decoders() -> None:
    """Keeps what Pillow and libtiff say about damaged pictures out of a worker's log.

    libtiff writes a line per damaged row to standard error, past Python. Its handler is one for the process; it is
    found through Pillow's own module, so it is the right libtiff wherever that comes from.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").setLevel(logging.CRITICAL + 1)
    set_handler = getattr(ctypes.CDLL(core.__file__), "TIFFSetErrorHandler", None)
    if set_handler is not None:
        set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
        set_handler(None)


silence_decoders()


def require_decoders(formats: Sequence[str]) -> None:
    """Raises SettingsError if this Pillow can't decode one of the formats."""
    Image.init()
    missing = [name for name in formats if name not in Image.OPEN or (name == "AVIF" and not has_avif())]
    if missing:
        raise SettingsError("this Pillow can't decode %s (handler.formats)" % ", ".join(missing))
    if "AVIF" in formats:  # else each picture takes a thread a core
        importlib.import_module("PIL.AvifImagePlugin").DEFAULT_MAX_THREADS = 1  # type: ignore[attr-defined]


def has_avif() -> bool:
    return "avif" in features.modules and features.check_module("avif")


def decode_image(
    data: bytes,
    max_pixels: int,
    max_aspect: Optional[int] = None,
    short_side: Optional[int] = None,
    formats: Sequence[str] = FORMATS,
) -> "Image.Image":
    """A picture's first frame, upright, as an RGB ``PIL.Image`` of at most ``max_pixels`` pixels.

    Its long side is at most ``max_aspect`` times its short side. Transparency is laid on white, CMYK, palette,
    grey and 16-bit pictures become 8-bit RGB. Who will make its short side ``short_side`` pixels long says so: a large
    JPEG is then decoded at a fraction of its size.

    Raises EmptyBody, UnsupportedType (compressed body, a format or samples that are not taken), ImageTooLarge and
    UnusableInput (both told from the header, before any pixel is decoded) and UndecodableImage.
    """
    return decode_pixels(read_header(data, max_pixels, max_aspect, formats), short_side)


@contextlib.contextmanager
def decoded_image(
    data: bytes,
    max_pixels: int,
    max_aspect: Optional[int] = None,
    short_side: Optional[int] = None,
    formats: Sequence[str] = FORMATS,
) -> "Iterator[Image.Image]":
    """What ``decode_image`` gives, freed at the end; a thread with a large picture waits for others to free theirs.

    Raises as ``decode_image``.
    """
    header = read_header(data, max_pixels, max_aspect, formats)
    with contextlib.ExitStack() as stack:
        if header.pixels > LARGE_PIXELS:
            stack.enter_context(ONE_LARGE)
        image = decode_pixels(header, short_side)
        try:
            yield image
        finally:
            release_image(image)


def decode_pixels(header: Header, short_side: Optional[int]) -> "Image.Image":
    """Raises UndecodableImage, UnsupportedType (samples outside their range) and, never here, what the header told."""
    try:
        image = open_image(header)
        if header.format == "JPEG" and short_side is not None:
            reduce_jpeg(image, LEAST_REDUCTION * short_side)
        orientation = header.orientation
        if header.format == "AVIF":  # which has boxes of its own for it; Pillow reads them
            orientation = image.getexif().get(ORIENTATION_TAG, 0)
        image = to_rgb(image, header)
        operation = UPRIGHT.get(orientation)
        return image if operation is None else image.transpose(operation)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageTooLarge("The picture has more pixels than are allowed.")
    except (RequestError, MemoryError):
        raise
    except Exception:  # Pillow's parsers raise nearly every built-in exception on damaged data
        raise UndecodableImage("The picture is damaged or incomplete.")


def open_image(header: Header) -> "Image.Image":
    """Pillow's view of the file, nothing decoded yet. Raises UnsupportedType if it can't read such samples."""
    needed = DECODERS.get(header.format)
    if needed and not features.check(needed):
        raise UnsupportedType("%s is not taken: it can't be decoded here." % header.format)
    options: Dict[str, Any] = {"formats": (header.format,)} if HAS_FORMATS else {}
    try:
        image = Image.open(io.BytesIO(header.data), **options)
    except (KeyError, OSError):
        if header.format == "TIFF":
            raise UnsupportedType("A TIFF stored like this (%s samples) is not taken." % header.samples)
        raise
    if image.width > header.width or image.height > header.height:
        raise UndecodableImage("The picture is damaged or incomplete.")
    return image


def reduce_jpeg(image: "Image.Image", short_side: int) -> None:
    """Has a JPEG decoded at the smallest scale that leaves it ``short_side`` pixels; at one that divides both sides.

    Any other would end in a part of a pixel, and move the rest.
    """
    width, height = image.size
    for scale in (8, 4, 2):
        if width % scale == height % scale == 0 and min(width, height) >= scale * short_side:
            image.draft(None, (width // scale, height // scale))
            return


def to_rgb(image: "Image.Image", header: Header) -> "Image.Image":
    """The picture as 8-bit RGB: transparency on white, other samples scaled to 8 bits."""
    if header.transparent is not None and header.bits == 16 and len(header.transparent) == 3:
        return clear_colour(image, header)
    if header.transparent is not None and header.bits < 8:  # Pillow scales the samples, but not this one
        most = 2**header.bits - 1
        image.info["transparency"] = (header.transparent[0] & most) * 255 // most
    if image.mode.startswith(("I", "F")) or header.sample_range is not None:
        return in_bands(image, lambda band: grey_to_rgb(np.asarray(band), header))
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        return in_bands(image, lay_on_white)
    if image.mode == "RGB":  # a conversion would copy it
        image.load()
        return image
    return image.convert("RGB")


def in_bands(image: "Image.Image", convert: Callable[["Image.Image"], "Image.Image"]) -> "Image.Image":
    """What ``convert`` makes of the picture, in bands of rows: so its copies are never as large as the picture."""
    image.load()  # its decoder's buffers are freed before the copy is made
    width, height = image.size
    rows = max(1, BAND_PIXELS // width)
    if rows >= height:
        return convert(image)
    whole = Image.new("RGB", image.size)
    for top in range(0, height, rows):
        whole.paste(convert(image.crop((0, top, width, min(height, top + rows)))), (0, top))
    return whole


def lay_on_white(image: "Image.Image") -> "Image.Image":
    rgba = image.convert("RGBA")
    white = Image.new("RGB", rgba.size, (255, 255, 255))
    white.paste(rgba, mask=rgba.getchannel("A"))
    return white


def grey_to_rgb(samples: "np.ndarray[Any, Any]", header: Header) -> "Image.Image":
    """A grey picture (H, W) of integers or floats as 8-bit RGB; raises UnsupportedType if they exceed their range."""
    if header.sample_range is None:  # the 16 bits of a PNG
        levels = np.clip(samples >> 8, 0, 255).astype(np.uint8)
        if header.transparent is not None:
            levels[samples == header.transparent[0]] = 255
    else:
        levels = scale_samples(samples, header.sample_range, header.samples)
    return Image.fromarray(levels).convert("RGB")


def scale_samples(samples: "np.ndarray[Any, Any]", limits: SampleRange, kind: str) -> "np.ndarray[Any, Any]":
    """uint8 of the same shape, 0 at the low end of the range and 255 at the high one; what is no number is low."""
    if samples.dtype == np.uint8 and limits.is_signed:
        samples = samples.view(np.int8)
    if samples.dtype.kind != "f" and (limits.low, limits.high) == (0, 65535):
        levels = samples >> 8
    elif samples.dtype.kind == "f" and not limits.is_stated:
        known = np.nan_to_num(samples)
        if known.size and not -FLOAT_SLACK <= known.min() <= known.max() <= 1 + FLOAT_SLACK:
            raise UnsupportedType(
                "A TIFF with %s samples outside of 0 to 1 is not taken unless it says their range "
                "(SMinSampleValue, SMaxSampleValue)." % kind
            )
        levels = known * 255
    else:
        inside = np.clip(np.nan_to_num(samples), limits.low, limits.high).astype(np.float64)
        levels = (inside - limits.low) * 255 / (limits.high - limits.low)
    levels = np.clip(levels, 0, 255)
    scaled: np.ndarray[Any, Any] = (255 - levels if limits.is_negative else levels).astype(np.uint8)
    return scaled


def clear_colour(image: "Image.Image", header: Header) -> "Image.Image":
    """The 16-bit RGB picture of a PNG, white where it has the transparent colour.

    Pillow keeps the high half of each sample, so the low one is decoded too: it makes the difference.
    """
    low = open_image(header)
    low.tile = [(*low.tile[0][:3], "RGB;16L")]  # type: ignore[attr-defined]
    low.load()
    image.load()
    width, height = image.size
    rows = max(1, BAND_PIXELS // width)
    colour = np.array(header.transparent)
    for top in range(0, height, rows):
        box = (0, top, width, min(height, top + rows))
        is_clear = (np.asarray(image.crop(box)) == colour >> 8).all(axis=2)
        is_clear &= (np.asarray(low.crop(box)) == colour & 255).all(axis=2)
        image.paste((255, 255, 255), box, Image.fromarray(is_clear.astype(np.uint8) * 255))
    return image


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
