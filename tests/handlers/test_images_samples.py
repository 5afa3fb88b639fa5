"""Which way up, how transparent and how bright: what a file says of its samples decides, whatever its format."""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from handlers.errors import ImageTooLarge, RequestError, UndecodableImage, UnsupportedType
from handlers.images import decode_image
from tests.conftest import encode
from tests.handlers.picture_files import DOUBLE, FLOAT, LONG, LONG8, SHORT, Tag, chunk, layout, png, segment, tiff

PIXELS = 1_000_000
# Six pixels of which no two are alike.
UPRIGHT = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 14
# EXIF orientation -> how a camera stores the upright picture (height, width, 3).
STORED = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: pixels.transpose(1, 0, 2)[::-1],
    7: lambda pixels: pixels.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda pixels: pixels.transpose(1, 0, 2)[:, ::-1],
}
RAMP = np.array([[0, 1000, 2000, 4095]])


def pixels_of(data: bytes) -> Any:
    return np.asarray(decode_image(data, PIXELS))


def greys_of(data: bytes) -> list[int]:
    """The levels of a picture's only row, which must be grey."""
    pixels = pixels_of(data)
    assert (pixels == pixels[:, :, :1]).all()
    return [int(level) for level in pixels[0, :, 0]]


def grey_tiff(
    samples: Sequence[float], code: str, format_: int, *tags: Tag, order: str = "<", photometric: int = 1
) -> bytes:
    """One row of samples (``code`` as in struct) in a TIFF."""
    body = struct.pack(f"{order}{len(samples)}{code}", *samples)
    bits = 8 * struct.calcsize("=" + code)
    tags_ = layout(len(samples), 1, len(body), [bits], photometric)
    return tiff(body, *tags_, (339, SHORT, [format_]), *tags, order=order)


# A1: each orientation, however the file is stored.


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_a_tiff_is_turned_upright_once(compression: str, orientation: int) -> None:
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](UPRIGHT)))
    data = encode(stored, "TIFF", compression=compression, tiffinfo={274: orientation})
    assert np.array_equal(pixels_of(data), UPRIGHT)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize(("order", "big", "pages"), [("<", True, 1), (">", True, 1), (">", False, 1), ("<", False, 3)])
def test_a_bigtiff_and_one_of_several_pages_are_turned_upright_once(
    order: str, big: bool, pages: int, orientation: int
) -> None:
    stored = np.ascontiguousarray(STORED[orientation](UPRIGHT))
    tags = layout(stored.shape[1], stored.shape[0], stored.size, [8, 8, 8], 2)
    data = tiff(stored.tobytes(), *tags, (274, SHORT, [orientation]), order=order, big=big, pages=pages)
    assert np.array_equal(pixels_of(data), UPRIGHT)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_png_and_webp_are_turned_upright(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](UPRIGHT)))
    assert np.array_equal(pixels_of(encode(stored, kind, exif=exif, lossless=True)), UPRIGHT)


@pytest.mark.parametrize("orientation", STORED)
def test_a_jpeg_is_turned_upright(orientation: int) -> None:
    upright = np.kron(UPRIGHT, np.ones((16, 16, 1), np.uint8))
    exif = Image.Exif()
    exif[274] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    turned = pixels_of(encode(stored, "JPEG", exif=exif, quality=95, subsampling=0))
    assert turned.shape == upright.shape
    assert np.abs(turned.astype(int) - upright).mean() < 4


XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def test_the_orientation_of_xmp_counts_where_exif_says_none() -> None:
    stored = Image.fromarray(np.ascontiguousarray(STORED[6](UPRIGHT)))
    webp = encode(stored, "WEBP", lossless=True, xmp=XMP)
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP))
    plain = encode(stored, "PNG")
    tags = [*layout(2, 3, 18, [8, 8, 8], 2), (700, 1, XMP)]
    for data in (webp, plain[:33] + text + plain[33:], tiff(np.asarray(stored).tobytes(), *tags)):
        assert np.array_equal(pixels_of(data), UPRIGHT)


# A2: the transparent colour of every depth.


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("index", [0, 1])
def test_the_transparent_grey_of_a_png_is_white_at_every_depth(bits: int, index: int) -> None:
    most = 2**bits - 1
    values = [0, most]  # of which one is transparent
    packed = (
        struct.pack(">2H", *values) if bits == 16 else bytes(values) if bits == 8 else bytes([most << 8 - 2 * bits])
    )
    data = png(2, 1, bits, 0, b"\0" + packed, chunk(b"tRNS", struct.pack(">H", values[index])))
    assert greys_of(data) == ([255, 255] if index == 0 else [0, 255])
    inner = [1, 2] if bits in (2, 4) else None
    if inner:
        data = png(2, 1, bits, 0, bytes([0, inner[0] << 8 - bits | inner[1] << 8 - 2 * bits]), chunk(b"tRNS", b"\0\1"))
        assert greys_of(data) == [255, 2 * 255 // most]


def test_sixteen_bits_are_compared_whole_with_the_transparent_colour() -> None:
    greys = png(3, 1, 16, 0, b"\0" + struct.pack(">3H", 0x1234, 0x1235, 0x1334), chunk(b"tRNS", b"\x12\x34"))
    assert greys_of(greys) == [255, 0x12, 0x13]
    clear, near = (0x1234, 0x5678, 0x9ABC), (0x1234, 0x5678, 0x9ABD)
    rows = b"\0" + struct.pack(">6H", *clear, *near)
    data = png(2, 1, 16, 2, rows, chunk(b"tRNS", struct.pack(">3H", *clear)))
    assert pixels_of(data).tolist() == [[[255, 255, 255], [0x12, 0x56, 0x9A]]]


def test_bands_of_a_large_picture_join_without_a_seam() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2_001, 1_000, 4), dtype=np.uint8)
    rgba = Image.fromarray(noise)
    white = Image.new("RGB", rgba.size, (255, 255, 255))
    white.paste(rgba, mask=rgba.getchannel("A"))
    assert np.array_equal(np.asarray(decode_image(encode(rgba, "PNG"), 10**7)), np.asarray(white))
    grey = noise[:, :, 0].astype(np.uint16) * 257
    decoded = np.asarray(decode_image(encode(Image.fromarray(grey), "PNG"), 10**7))
    assert np.array_equal(decoded, np.repeat(noise[:, :, :1], 3, axis=2))


@pytest.mark.parametrize("form", ["index", "bytes"])
def test_bands_of_a_palette_keep_its_transparency(form: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2_001, 1_000), dtype=np.uint8)
    palette = Image.fromarray(noise).convert("P")
    alpha = bytes(range(256))
    data = encode(palette, "PNG", transparency=7 if form == "index" else alpha)
    rgba = Image.open(io.BytesIO(data)).convert("RGBA")
    white = Image.new("RGB", rgba.size, (255, 255, 255))
    white.paste(rgba, mask=rgba.getchannel("A"))
    assert np.array_equal(np.asarray(decode_image(data, 10**7)), np.asarray(white))


# A3: samples that are not 8 bits.


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("code", "format_", "name"),
    [("b", 2, "8-bit signed"), ("h", 2, "16-bit signed"), ("l", 2, "32-bit signed"), ("L", 1, "32-bit unsigned")],
)
def test_integers_without_a_known_range_are_refused_by_name(code: str, format_: int, name: str, order: str) -> None:
    with pytest.raises(UnsupportedType, match=name):
        decode_image(grey_tiff([0, 50, 100], code, format_, order=order), PIXELS)


@pytest.mark.parametrize(
    ("code", "format_", "kind", "samples"),
    [
        ("b", 2, SHORT, [0, 50, 100]),
        ("h", 2, 8, [-1000, 0, 1000]),
        ("l", 2, 9, [-70_000, 0, 70_000]),
        ("H", 1, SHORT, [0, 500, 1000]),
        ("f", 3, FLOAT, [0.0, 127.5, 255.0]),
        ("f", 3, DOUBLE, [-5.0, 0.0, 5.0]),
    ],
)
def test_a_stated_range_is_black_to_white(code: str, format_: int, kind: int, samples: list[float]) -> None:
    limits = [(340, kind, samples[:1]), (341, kind, samples[-1:])]
    assert greys_of(grey_tiff(samples, code, format_, *limits)) == [0, 127, 255]
    assert greys_of(grey_tiff(samples, code, format_, *limits, photometric=0)) == [255, 127, 0]


def test_max_sample_value_states_a_range_too() -> None:
    assert greys_of(grey_tiff(list(RAMP[0]), "H", 1, (281, SHORT, [4095]))) == [0, 62, 124, 255]
    assert greys_of(grey_tiff([0, 32768, 65535], "H", 1, (281, SHORT, [65535]), (341, SHORT, [99]))) == [0, 128, 255]


def test_twelve_bits_are_scaled_to_eight() -> None:
    body = bytes.fromhex("000 3e8 7d0 fff".replace(" ", ""))
    assert greys_of(tiff(body, *layout(4, 1, 6, [12]))) == [0, 62, 124, 255]


def test_a_sixteen_bit_negative_is_turned_round() -> None:
    assert greys_of(grey_tiff([0, 65535], "H", 1, photometric=0)) == [255, 0]


def test_colours_of_fewer_bits_than_they_are_stored_in_are_refused_by_name() -> None:
    body = struct.pack("<3H", 0, 2000, 4095)
    with pytest.raises(UnsupportedType, match="16-bit unsigned samples up to 4095"):
        decode_image(tiff(body, *layout(1, 1, 6, [16] * 3, 2), (281, SHORT, [4095] * 3)), PIXELS)
    whole = tiff(body, *layout(1, 1, 6, [16] * 3, 2), (281, SHORT, [65535] * 3))
    assert pixels_of(whole).tolist() == [[[0, 7, 15]]]


def test_floats_from_0_to_1_are_taken_and_others_refused_by_name() -> None:
    assert greys_of(grey_tiff([0.0, 0.5, 1.0, float("nan")], "f", 3)) == [0, 127, 255, 0]
    for beyond in (255.0, -1.0, float("inf")):
        with pytest.raises(UnsupportedType, match="32-bit float samples outside of 0 to 1"):
            decode_image(grey_tiff([0.0, 0.5, beyond], "f", 3), PIXELS)


@pytest.mark.parametrize(
    ("bits", "format_", "name"),
    [([64], 3, "64-bit float"), ([16], 3, "16-bit float"), ([24], 1, "24-bit"), ([32] * 3, 3, "3 x 32-bit float")],
)
def test_samples_that_pillow_does_not_know_are_refused_by_name(bits: list[int], format_: int, name: str) -> None:
    body = bytes(64)
    tags = layout(2, 2, 64, bits, 2 if len(bits) == 3 else 1)
    with pytest.raises(UnsupportedType, match=name):
        decode_image(tiff(body, *tags, (339, SHORT, [format_] * len(bits))), PIXELS)


def test_a_jpeg_of_twelve_bits_is_refused_by_name() -> None:
    data = bytearray(encode(Image.new("RGB", (8, 8)), "JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12
    with pytest.raises(UnsupportedType, match="12-bit"):
        decode_image(bytes(data), PIXELS)


# B9, B10: metadata never decides.

ZEROS = zlib.compress(bytes(3_000_000), 9)
TEXTS = {
    "zTXt": chunk(b"zTXt", b"Comment\0\0" + ZEROS),
    "iTXt": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + ZEROS),
    "iCCP": chunk(b"iCCP", b"profile\0\0" + ZEROS),
    "tEXt": chunk(b"tEXt", b"Comment\0" + bytes(3_000_000)),
    "a hundred": chunk(b"zTXt", b"Comment\0\0" + ZEROS) * 100,
    "no name": chunk(b"tEXt", b""),
    "damaged": chunk(b"zTXt", b"Comment\0\0not zlib"),
    "another method": chunk(b"iCCP", b"profile\0\7" + ZEROS),
    "wrong checksum": chunk(b"eXIf", b"II*\0")[:-1] + b"\0",
    "damaged time": chunk(b"tIME", b"\1"),
    "short gamma": chunk(b"gAMA", b"\1"),
    "short size": chunk(b"pHYs", b"\1"),
    "bad animation": chunk(b"acTL", b"\1"),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("place", ["before the pixels", "behind them"])
def test_the_metadata_of_a_png_never_decide(name: str, place: str) -> None:
    plain = encode(Image.fromarray(UPRIGHT), "PNG")
    at = 33 if place == "before the pixels" else -12
    assert np.array_equal(pixels_of(plain[:at] + TEXTS[name] + plain[at:]), UPRIGHT)


JPEG = encode(Image.linear_gradient("L").convert("RGB"), "JPEG")
PROGRESSIVE = encode(Image.linear_gradient("L").convert("RGB"), "JPEG", progressive=True)
SCAN_SIGNS = b"\xff\xda" * 30_000
BESIDE = {
    "a film behind the picture": lambda data: data + b"\0\0\0\x18ftypmp42" + SCAN_SIGNS * 100,
    "a picture behind it": lambda data: data + data * 200,
    "signs of scans in a comment": lambda data: data[:2] + segment(0xFE, SCAN_SIGNS) + data[2:],
    "in a profile": lambda data: data[:2] + segment(0xE2, b"ICC_PROFILE\0\1\1" + SCAN_SIGNS) + data[2:],
    "in EXIF": lambda data: data[:2] + segment(0xE1, b"Exif\0\0" + SCAN_SIGNS) + data[2:],
    "between scans": lambda data: (
        data[: data.rindex(b"\xff\xda")] + segment(0xE5, SCAN_SIGNS) + data[data.rindex(b"\xff\xda") :]
    ),
    "a damaged index of pictures": lambda data: data[:2] + segment(0xE2, b"MPF\0II*\0\x08\0\0\0\xff") + data[2:],
    "a thousand pieces of EXIF": lambda data: data[:2] + segment(0xE1, b"Exif\0\0" + bytes(12)) * 1000 + data[2:],
}


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("plain", [JPEG, PROGRESSIVE], ids=["baseline", "progressive"])
def test_what_stands_beside_a_jpegs_pixels_never_decides(plain: bytes, name: str) -> None:
    assert np.array_equal(pixels_of(BESIDE[name](plain)), pixels_of(plain))


def with_scans(count: int) -> bytes:
    scan = PROGRESSIVE[PROGRESSIVE.rindex(b"\xff\xda") : -2]
    return PROGRESSIVE[:-2] + scan * (count - PROGRESSIVE.count(b"\xff\xda")) + PROGRESSIVE[-2:]


def test_scans_are_counted_however_the_jpeg_is_wrapped() -> None:
    second = encode(Image.new("RGB", (8, 8)), "JPEG")
    index = segment(0xE2, b"MPF\0")
    for wrap in (
        lambda data: data,
        lambda data: data[:2] + index + data[2:] + second,
        lambda data: tiff(data, *layout(256, 256, len(data), [8] * 3, 6, compression=7), (530, SHORT, [2, 2])),
    ):
        assert decode_image(wrap(with_scans(99)), PIXELS).size == (256, 256)
        with pytest.raises(ImageTooLarge, match="allowed 100 scans"):
            decode_image(wrap(with_scans(101)), PIXELS)


# B11: BigTIFF.


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [1, 8])
def test_a_bigtiff_is_a_tiff(order: str, compression: int) -> None:
    body = UPRIGHT.tobytes() if compression == 1 else zlib.compress(UPRIGHT.tobytes())
    tags = [tag for tag in layout(3, 2, len(body), [8] * 3, 2, compression) if tag[0] not in (273, 279)]
    data = tiff(body, *tags, (273, LONG8, [16]), (279, LONG8, [len(body)]), order=order, big=True)
    assert np.array_equal(pixels_of(data), UPRIGHT)


@given(st.sampled_from("<>"), st.booleans(), st.data())
def test_a_tiff_of_any_tags_is_a_picture_or_an_error_of_the_request(order: str, big: bool, data: st.DataObject) -> None:
    numbers = st.integers(0, 2**16 - 1) | st.sampled_from([0, 1, 2, 3, 8, 16, 255, 65535])
    tags = {tag[0]: tag for tag in layout(3, 2, 18, [8] * 3, 2)}
    drawn = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from([*tags, 266, 274, 280, 281, 284, 317, 320, 322, 323, 324, 325, 338, 339, 340, 341, 347])
                | st.integers(254, 700),
                st.sampled_from([SHORT, LONG, FLOAT] + [LONG8] * big),
                st.lists(numbers, min_size=1, max_size=8),
            ),
            max_size=8,
        )
    )
    tags.update({tag[0]: tag for tag in drawn})
    try:
        assert decode_image(tiff(UPRIGHT.tobytes() * 3, *tags.values(), order=order, big=big), PIXELS).mode == "RGB"
    except RequestError as error:
        assert error.status in (400, 413, 415, 422)


@given(st.data())
def test_a_png_of_any_chunks_is_its_pixels(data: st.DataObject) -> None:
    kinds = st.sampled_from([b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"gAMA", b"pHYs", b"tIME", b"acTL", b"prVt"])
    chunks = data.draw(st.lists(st.tuples(kinds, st.binary(max_size=40)), max_size=6))
    plain = encode(Image.fromarray(UPRIGHT), "PNG")
    extra = b"".join(chunk(kind, content) for kind, content in chunks)
    assert pixels_of(plain[:33] + extra + plain[33:]).sum() == UPRIGHT.sum()  # turned, perhaps


@given(st.data())
def test_a_jpeg_of_any_segments_is_a_picture_or_an_error_of_the_request(data: st.DataObject) -> None:
    markers = st.integers(0xC0, 0xFE)
    segments = data.draw(st.lists(st.tuples(markers, st.binary(max_size=40)), max_size=6))
    extra = b"".join(segment(marker, content) for marker, content in segments)
    at = data.draw(st.sampled_from([2, JPEG.index(b"\xff\xda"), len(JPEG) - 2]))
    try:
        assert decode_image(JPEG[:at] + extra + JPEG[at:], PIXELS).mode == "RGB"
    except RequestError as error:
        assert error.status in (400, 413, 415)
        assert any(marker < 0xE0 or marker > 0xEF for marker, _ in segments)


def test_what_is_cut_off_is_damaged() -> None:
    for kind in ("PNG", "TIFF", "GIF", "BMP", "WEBP", "JPEG"):
        data = encode(Image.effect_noise((64, 64), 50).convert("RGB"), kind)
        for length in (12, 30, len(data) // 2):
            with pytest.raises(UndecodableImage):
                decode_image(data[:length], PIXELS)
