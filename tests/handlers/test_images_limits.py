"""What a picture may cost is told from its header: memory, time and the log of a worker stay within bounds."""

import io
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from handlers.avif_headers import sequence_sizes
from handlers.errors import ImageTooLarge, RequestError, UnsupportedType
from handlers.image_classification import ImageSettings
from handlers.image_ensemble import EnsembleSettings
from handlers.image_formats import FORMATS
from handlers.images import LARGE_PIXELS, decode_image, decoded_image
from handlers.settings import SettingsError
from tests.conftest import ROOT, encode
from tests.handlers.picture_files import LONG, SHORT, Tag, bmp, chunk, layout, png, segment, tiff

MAX_PIXELS = 25_000_000  # the default of the tasks
BUDGET_MB = 250
MEASURE = """
import resource, sys
from handlers.errors import RequestError
from handlers.images import decode_image, resize_and_crop
from PIL import Image

resize_and_crop(Image.new("RGB", (64, 64)), 256, 224)
data = open(sys.argv[1], "rb").read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    resize_and_crop(decode_image(data, int(sys.argv[2])), 256, 224)
    outcome = "200"
except RequestError as error:
    outcome = "%d %s" % (error.status, error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1000, outcome)
"""


def measure(path: Path, max_pixels: int = MAX_PIXELS) -> tuple[int, str]:
    """The megabytes that decoding a file adds to a process of its own, at their peak, and its outcome."""
    command = [sys.executable, "-c", MEASURE, str(path), str(max_pixels)]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert finished.stderr == ""
    megabytes, outcome = finished.stdout.split(" ", 1)
    return int(megabytes), outcome.strip()


def refusal(data: bytes, max_pixels: int = MAX_PIXELS) -> str:
    with pytest.raises(ImageTooLarge) as found:
        decode_image(data, max_pixels)
    return str(found.value)


# What a decoder allocates by, in files of a few bytes.

PACKED = zlib.compress(bytes(100))


def tiled(across: int, down: int, compression: int, *tags: Tag, bits: int = 8, **options: object) -> bytes:
    """10 x 10 pixels of a tile of another size."""
    given = {tag[0] for tag in tags} - {322, 323}
    tags_ = layout(10, 10, len(PACKED), [bits], 1, compression)
    strips = [tag for tag in tags_ if tag[0] not in {273, 278, 279} | given]
    tile = [(322, LONG, [across]), (323, LONG, [down]), (324, LONG, [16]), (325, LONG, [len(PACKED)])]
    return tiff(PACKED, *strips, *tile, *tags, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("compression", [5, 7, 8, 32773, 32946, 34925, 50000])
@pytest.mark.parametrize(("across", "down"), [(46_000, 46_000), (40_000_000, 16), (16, 2**31 - 16)])
@pytest.mark.parametrize("big", [False, True])
def test_a_small_tiff_of_a_huge_tile_is_refused(across: int, down: int, compression: int, big: bool) -> None:
    assert "strips or tiles" in refusal(tiled(across, down, compression, big=big))


def test_a_tile_is_counted_with_all_its_samples_and_wherever_its_sizes_stand() -> None:
    fat = tiled(5_000, 5_000, 8, (277, SHORT, [64]), bits=16)
    twice = tiled(16, 16, 8, (322, LONG, [60_000]), (323, LONG, [60_000]))  # the first of a tag counts
    assert "strips or tiles" in refusal(fat)
    for tag in (322, 323):
        place = twice.index(struct.pack("<HHL", tag, LONG, 1)) + 8
        assert twice[place : place + 4] == struct.pack("<L", 16)
    with pytest.raises(RequestError):
        decode_image(twice, MAX_PIXELS)


def test_rows_of_a_strip_that_the_picture_does_not_have_cost_nothing(tmp_path: Path) -> None:
    body = zlib.compress(bytes(300))
    path = tmp_path / "rows.tif"
    path.write_bytes(tiff(body, *layout(10, 10, len(body), [8] * 3, 6, 8, rows=50_000_000)))
    megabytes, _ = measure(path)
    assert megabytes < 20


def test_more_strips_or_tags_than_a_picture_needs_are_refused() -> None:
    many = tiff(b"", *[(tag, SHORT, [1]) for tag in range(300, 5_000)])
    assert "4096 tags" in refusal(many)
    tiles = [(322, LONG, [1]), (323, LONG, [1]), (324, LONG, [16]), (325, LONG, [1])]
    thin = [tag for tag in layout(1_000, 1_000, 1) if tag[0] not in (273, 278, 279)]
    assert "100000 strips or tiles" in refusal(tiff(b"\0", *thin, *tiles))


def test_one_strip_that_is_used_again_and_again_is_refused() -> None:
    body = bytes(100_000)
    tags = [tag for tag in layout(100, 1_000, 0, [8], 1, 5, rows=1) if tag[0] not in (273, 279)]
    data = tiff(body, *tags, (273, LONG, [16] * 1_000), (279, LONG, [len(body)] * 1_000))
    assert "larger than the file" in refusal(data)


@pytest.mark.parametrize(
    "data",
    [
        png(70_000, 1, 8, 0, bytes(70_001)),
        bmp(70_000, 1, 8, 0, bytes(70_000)),
        tiff(bytes(70_000), *layout(70_000, 1, 70_000)),
        tiff(bytes(70_000), *layout(1, 70_000, 70_000)),
    ],
    ids=["png", "bmp", "wide tiff", "high tiff"],
)
def test_a_side_longer_than_any_jpegs_is_refused(data: bytes) -> None:
    assert "a side may have at most 65535" in refusal(data)


def test_the_frame_of_a_gif_counts_where_it_is_larger_than_the_screen() -> None:
    data = bytearray(encode(Image.new("P", (8, 8)), "GIF"))
    frame = data.index(b",")
    data[frame + 5 : frame + 9] = struct.pack("<HH", 60_000, 60_000)
    assert "60000 x 60000" in refusal(bytes(data))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "JPEG"])
def test_more_blocks_than_a_picture_needs_are_refused_at_once(kind: str) -> None:
    plain = encode(Image.new("P" if kind == "GIF" else "RGB", (8, 8)), kind)
    start = {"GIF": plain.find(b","), "PNG": 33, "JPEG": 2}[kind]
    many = {
        "GIF": b"!\xfe" + b"\1a" * 200_000 + b"\0",
        "PNG": chunk(b"tEXt", b"a\0") * 60_000,
        "JPEG": segment(0xE1, b"Exif\0\0" + bytes(8)) * 20_000,
    }[kind]
    assert "allowed" in refusal(plain[:start] + many + plain[start:])


def test_a_bmp_of_runs_has_a_limit_of_its_own() -> None:
    assert "2000000 bytes" in refusal(bmp(1_000, 1_000, 8, 1, b"\1\5" * 1_100_000))
    assert "(run-length BMP)" in refusal(bmp(3_000, 3_000, 8, 1, b"\xff\5" * 40_000))
    assert decode_image(bmp(4, 1, 8, 1, b"\4\5\0\1"), MAX_PIXELS).getpixel((3, 0)) == (5, 2, 5)


def test_scans_of_a_large_jpeg_count_more() -> None:
    plain = encode(Image.new("L", (5_000, 5_000)), "JPEG", progressive=True)
    scan = plain[plain.rindex(b"\xff\xda") : -2]
    assert "allowed 40 scans" in refusal(plain[:-2] + scan * 40 + plain[-2:])


# Faxes.


def test_an_ordinary_scan_is_taken_and_a_fax_of_endless_rows_is_not() -> None:
    page = Image.new("1", (4_960, 7_016), 1)  # A4 at 600 dots an inch
    page.paste(0, (100, 100, 200, 7_000))
    for compression in ("group3", "group4", "tiff_ccitt", "packbits", "tiff_lzw"):
        data = encode(page, "TIFF", compression=compression)
        decoded = decode_image(data, 40_000_000)
        assert (decoded.size, decoded.getpixel((150, 150)), decoded.getpixel((0, 0))) == (
            page.size,
            (0, 0, 0),
            (255, 255, 255),
        )
    for compression in (2, 3, 4, 32771):
        assert "at most 30000" in refusal(tiff(bytes(9), *layout(8, 3_000_000, 9, [1], 0, compression)))


@pytest.mark.parametrize("compression", [34676, 34677])
def test_logluv_is_refused_by_name(compression: int) -> None:
    with pytest.raises(UnsupportedType, match="LogLuv"):
        decode_image(tiff(bytes(9), *layout(3, 3, 9, [16] * 3, 32845, compression)), MAX_PIXELS)


NOISE = np.random.default_rng(0).integers(0, 256, 100_000, dtype=np.uint8).tobytes()
NOISY = {
    **{f"fax {kind}.tif": tiff(NOISE, *layout(800, 20_000, len(NOISE), [1], 0, kind)) for kind in (2, 3, 4, 32771)},
    **{f"{kind}.tif": tiff(NOISE, *layout(50, 50, len(NOISE), [8] * 3, 2, kind)) for kind in (5, 7, 8, 34925, 50000)},
    "old jpeg.tif": tiff(NOISE, *layout(50, 50, len(NOISE), [8] * 3, 6, 6), (513, LONG, [16]), (514, LONG, [9])),
    "no tags.tif": tiff(b""),
    "many samples.tif": tiff(bytes(99), *layout(3, 3, 9), (277, SHORT, [40])),
    "too many values.tif": tiff(bytes(99), *layout(3, 3, 9), (266, SHORT, [1, 2, 3]), (274, SHORT, [1] * 9)),
    "mpo.jpg": b"\xff\xd8"
    + segment(0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff")
    + encode(Image.new("L", (9, 9)), "JPEG")[2:],
    "apng.png": png(1, 1, 8, 0, b"\0\0", chunk(b"acTL", bytes(8))),
    "bomb.png": png(15_000, 15_000, 1, 0, b""),
}


@pytest.mark.parametrize("name", NOISY)
def test_a_damaged_picture_writes_nothing(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(NOISY[name])
    measure(path, 10**9)  # which looks at standard error


# The worst of each kind that is allowed.


def row_of(length: int, filter_: int = 4) -> bytes:
    """A row of a PNG under the filter that takes longest."""
    return bytes([filter_]) + (NOISE[:1_000] * (length // 1_000 + 1))[:length]


def tile_noise(mode: str, side: int) -> Image.Image:
    noise = np.frombuffer(NOISE, np.uint8)[: 100 * 100 * len(mode)].reshape(100, 100, len(mode))
    return Image.fromarray(np.tile(noise, (side // 100 + 1, side // 100 + 1, 1))[:side, :side].squeeze(), mode)


def grey_palette(side: int) -> bytes:
    return encode(tile_noise("L", side).convert("P"), "PNG", transparency=bytes(range(256)))


def single_strip(side: int, samples: int, bits: int, compression: int = 8) -> bytes:
    body = zlib.compress(bytes(side * side * samples * bits // 8), 1)
    return tiff(body, *layout(side, side, len(body), [bits] * samples, 2 if samples > 2 else 1, compression))


WORST: dict[str, Callable[[], bytes]] = {
    "png of 8-bit RGBA": lambda: png(5_000, 5_000, 8, 6, row_of(20_000) * 5_000),
    "png of 16-bit RGBA": lambda: png(3_950, 3_950, 16, 6, row_of(3_950 * 8) * 3_950),
    "png of 16-bit grey": lambda: png(5_000, 5_000, 16, 0, row_of(10_000) * 5_000),
    "png of 16-bit RGB with a transparent colour": lambda: png(
        3_200, 3_200, 16, 2, row_of(3_200 * 6) * 3_200, chunk(b"tRNS", bytes(6))
    ),
    "png of a palette with transparency": lambda: grey_palette(5_000),
    "jpeg of three components in scans": lambda: encode(
        tile_noise("RGB", 5_000), "JPEG", quality=10, progressive=True, subsampling=0
    ),
    "jpeg of four components in scans": lambda: encode(
        Image.new("CMYK", (4_560, 4_560)), "JPEG", progressive=True, subsampling=0
    ),
    "webp with transparency": lambda: encode(tile_noise("RGBA", 3_535), "WEBP", lossless=True, method=0),
    "webp": lambda: encode(tile_noise("RGB", 3_950), "WEBP", quality=1, method=0),
    "tiff of one strip of RGBA": lambda: single_strip(5_000, 4, 8),
    "tiff of one strip of 16 bits": lambda: single_strip(4_400, 4, 16),
    "gif": lambda: encode(Image.new("P", (5_000, 5_000)), "GIF", transparency=0),
}


@pytest.mark.parametrize("name", WORST)
def test_the_largest_picture_of_each_kind_stays_within_the_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "worst"
    path.write_bytes(WORST[name]())
    megabytes, outcome = measure(path)
    assert outcome == "200"
    assert megabytes <= BUDGET_MB * 1.1


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (lambda: png(4_000, 4_000, 16, 6, b""), "16-bit RGBA PNG"),
        (lambda: png(4_600, 4_600, 16, 2, b""), "16-bit RGB PNG"),
        (
            lambda: encode(Image.new("CMYK", (4_600, 4_600)), "JPEG", progressive=True),
            "progressive JPEG of 4 components",
        ),
        (lambda: encode(Image.new("RGBA", (3_540, 3_540)), "WEBP", lossless=True), "WebP with transparency"),
        (lambda: encode(Image.new("RGB", (4_000, 4_000)), "WEBP"), "WebP"),
        (lambda: single_strip(4_800, 4, 16), "TIFF of 4 x 16-bit unsigned samples"),
    ],
)
def test_a_kind_with_a_tighter_limit_says_so(data: Callable[[], bytes], kind: str) -> None:
    assert f"are allowed in a picture of its kind ({kind})" in refusal(data())


def test_a_smaller_limit_of_pixels_holds_for_each_kind_alike() -> None:
    for kind in ("WEBP", "PNG", "TIFF"):
        data = encode(Image.new("RGBA", (1_000, 1_000)), kind)
        assert decode_image(data, 1_000_000).size == (1_000, 1_000)
        assert "at most 999999 are allowed." in refusal(data, 999_999)


def test_one_large_picture_at_a_time() -> None:
    side = int(LARGE_PIXELS**0.5) + 1
    large, small = (encode(Image.new("1", (side, height)), "PNG") for height in (side, 9))
    order = []
    entered = threading.Event()

    def second() -> None:
        with decoded_image(large, MAX_PIXELS):
            order.append("second")
            entered.set()

    thread = threading.Thread(target=second)
    with decoded_image(large, MAX_PIXELS):
        thread.start()
        with decoded_image(small, MAX_PIXELS):
            pass
        entered.wait(0.5)
        order.append("first is done")
    thread.join(60)
    assert order == ["first is done", "second"]


def test_a_failed_decode_lets_the_next_one_in() -> None:
    side = int(LARGE_PIXELS**0.5) + 1
    data = encode(Image.new("L", (side, side)), "PNG")
    for body in (data[:-100], data, data[:-100]):
        try:
            with decoded_image(body, MAX_PIXELS) as image:
                assert image.size == (side, side)
        except RequestError as error:
            assert error.status == 400


# C18: formats by name.


def brand(name: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + name + bytes(4) + name + b"mif1"


OTHERS = {
    "HEIC": [brand(name) for name in (b"heic", b"heix", b"hevc", b"mif1", b"msf1")],
    "AVIF": [brand(b"avif"), brand(b"avis")],
    "JPEG 2000": [b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(9), b"\xff\x4f\xff\x51" + bytes(9)],
    "JPEG XL": [b"\xff\x0a" + bytes(9), b"\0\0\0\x0cJXL \r\n\x87\n"],
    "Photoshop": [b"8BPS\0\1"],
    "ICO": [b"\0\0\1\0\2\0" + bytes(16)],
    "QOI": [b"qoif" + bytes(9)],
    "DDS": [b"DDS " + bytes(9)],
    "OpenEXR": [b"v/1\1" + bytes(9)],
    "PNM": [b"P6\n3 3\n255\n"],
    "PCX": [b"\n\5\1\x08"],
    "SVG": [b'<svg xmlns="http://www.w3.org/2000/svg"/>'],
    "camera raw": [brand(b"crx ")],
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_format_that_is_not_taken_is_named(name: str) -> None:
    for data in OTHERS[name]:
        with pytest.raises(UnsupportedType, match=f"^{name} is not taken; send one of BMP, GIF, JPEG"):
            decode_image(data, MAX_PIXELS)


@pytest.mark.parametrize("kind", ["ICO", "PPM", "PCX", "DDS", "SGI", "JPEG2000", "AVIF"])
def test_what_pillow_writes_of_them_is_named_too(kind: str) -> None:
    with pytest.raises(UnsupportedType, match="is not taken; send one of"):
        decode_image(encode(Image.new("RGB", (8, 8)), kind), MAX_PIXELS)


def test_the_settings_say_which_formats_are_taken() -> None:
    values = {"task": "image_classification", "labels": ["a"], "formats": ["PNG"]}
    assert ImageSettings(values).formats == ["PNG"]
    with pytest.raises(UnsupportedType, match="JPEG is not taken; send one of PNG"):
        decode_image(encode(Image.new("L", (8, 8)), "JPEG"), MAX_PIXELS, formats=["PNG"])
    for formats in ([], ["HEIC"], ["png"]):
        with pytest.raises(SettingsError, match=r"handler\.formats must name some of"):
            ImageSettings({**values, "formats": formats})
        with pytest.raises(SettingsError, match=r"handler\.formats must name some of"):
            EnsembleSettings({"task": "x", "members": ["a"], "sizes": [1], "labels": ["a"], "formats": formats})


def test_reading_a_header_decodes_nothing() -> None:
    picture = Image.new("RGB", (2_000, 2_000))
    for kind in ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP"):
        data = encode(picture, kind)
        assert "2000 x 2000" in refusal(data[: max(200, len(data) // 50)] if kind != "TIFF" else data, 1_000_000)


# AVIF, where the settings name it.

WITH_AVIF = [*FORMATS, "AVIF"]


def decode_avif(data: bytes) -> Image.Image:
    return decode_image(data, MAX_PIXELS, formats=WITH_AVIF)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_an_avif_is_what_pillow_makes_of_it(mode: str) -> None:
    data = encode(tile_noise(mode, 100), "AVIF", quality=90)
    rgba = Image.open(io.BytesIO(data)).convert("RGBA")
    white = Image.new("RGB", rgba.size, (255, 255, 255))
    white.paste(rgba, mask=rgba.getchannel("A"))
    assert np.array_equal(np.asarray(decode_avif(data)), np.asarray(white))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_turned_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    picture = Image.new("RGB", (64, 32), (200, 0, 0))
    assert decode_avif(encode(picture, "AVIF", exif=exif)).size == ((64, 32) if orientation < 5 else (32, 64))


def test_an_avif_of_too_many_pixels_is_refused_by_any_of_its_sizes() -> None:
    data = encode(Image.new("RGB", (1_000, 900)), "AVIF")
    size = data.index(b"ispe") + 8
    assert "in a picture of its kind (AVIF)" in avif_refusal(
        data[:size] + struct.pack(">LL", 4000, 4000) + data[size + 8 :]
    )
    # Of the AV1 data, as many bits as a side needs stand before it: here ten, so 1000 becomes 1024 at most.
    sequence = data.index(b"\x0a", data.index(b"mdat"))
    assert list(sequence_sizes(data[sequence - 2 :])) == [(1_000, 900)]
    huge = encode(Image.new("RGB", (9_000, 3_000)), "AVIF", speed=10, quality=1)
    size = huge.index(b"ispe") + 8
    assert "pixels" in avif_refusal(huge[:size] + struct.pack(">LL", 10, 10) + huge[size + 8 :], 1_000_000)


def avif_refusal(data: bytes, max_pixels: int = MAX_PIXELS) -> str:
    with pytest.raises(ImageTooLarge) as found:
        decode_image(data, max_pixels, formats=WITH_AVIF)
    return str(found.value)


def test_an_animated_avif_is_refused_by_name() -> None:
    data = encode(Image.new("RGB", (64, 64)), "AVIF", save_all=True, append_images=[Image.new("RGB", (64, 64), 9)])
    with pytest.raises(UnsupportedType, match="several frames"):
        decode_avif(data)


@given(st.data())
def test_a_damaged_avif_is_a_picture_or_an_error_of_the_request(data: st.DataObject) -> None:
    body = bytearray(AVIF)
    for _ in range(data.draw(st.integers(1, 8))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    del body[data.draw(st.integers(1, len(body))) :]
    try:
        assert decode_avif(bytes(body)).mode == "RGB"
    except RequestError as error:
        assert error.status in (400, 413, 415)


AVIF = encode(tile_noise("RGBA", 40), "AVIF")
