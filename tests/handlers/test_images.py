"""A picture is decoded to the same pixels, however its file stores them."""

import io
import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from handlers.errors import EmptyBody, ImageTooLarge, RequestError, UndecodableImage, UnsupportedType, UnusableInput
from handlers.images import decode_image, pad_and_resize, release_image, resize_and_crop
from tests.conftest import encode

PIXELS = 1_000_000
NOISE = Image.merge("RGB", [Image.effect_noise((60, 40), 80) for _ in range(3)])
GREY = NOISE.convert("L")
PHOTOS = sorted(Path("models/resnet18/samples").glob("*.jpg"))[::3]


def decode(data: bytes) -> Image.Image:
    return decode_image(data, PIXELS)


def same(left: Image.Image, right: Image.Image) -> bool:
    return left.mode == right.mode == "RGB" and np.array_equal(np.asarray(left), np.asarray(right))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_give_the_pixels_themselves(kind: str) -> None:
    assert same(decode(encode(NOISE, kind)), NOISE)


def test_webp_lossless_gives_the_pixels_themselves() -> None:
    assert same(decode(encode(NOISE, "WEBP", lossless=True)), NOISE)


def test_a_jpeg_is_what_pillow_makes_of_it() -> None:
    data = encode(NOISE, "JPEG")
    assert same(decode(data), Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_grey_has_three_equal_channels(kind: str) -> None:
    data = encode(GREY, kind, quality=95)
    assert same(decode(data), Image.open(io.BytesIO(data)).convert("L").convert("RGB"))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_to_eight(kind: str) -> None:
    levels = np.asarray(GREY).astype(np.uint16) * 257
    assert same(decode(encode(Image.fromarray(levels), kind)), GREY.convert("RGB"))


def test_floats_are_scaled_to_eight_bits() -> None:
    levels = np.asarray(GREY).astype(np.float32) / 255
    decoded = np.asarray(decode(encode(Image.fromarray(levels), "TIFF"))).astype(int)
    assert np.abs(decoded - np.asarray(GREY.convert("RGB"))).max() <= 1


def test_transparency_is_laid_on_white() -> None:
    clear = NOISE.copy()
    clear.putalpha(0)
    white = Image.new("RGB", NOISE.size, (255, 255, 255))
    for kind in ("PNG", "TIFF"):
        assert same(decode(encode(clear, kind)), white)
    assert same(decode(encode(clear, "WEBP", lossless=True)), white)
    assert same(decode(encode(clear.convert("LA"), "PNG")), white)


def test_an_opaque_alpha_channel_changes_nothing() -> None:
    opaque = NOISE.copy()
    opaque.putalpha(255)
    assert same(decode(encode(opaque, "PNG")), NOISE)


def test_a_palette_is_looked_up_and_its_transparent_entry_is_white() -> None:
    palette = NOISE.quantize(16)
    assert same(decode(encode(palette, "PNG")), palette.convert("RGB"))
    assert same(decode(encode(palette, "GIF")), palette.convert("RGB"))
    first = palette.getpixel((0, 0))
    decoded = decode(encode(palette, "PNG", transparency=first))
    assert decoded.getpixel((0, 0)) == (255, 255, 255)


def test_cmyk_is_converted() -> None:
    cmyk = NOISE.convert("CMYK")
    assert same(decode(encode(cmyk, "TIFF")), cmyk.convert("RGB"))
    data = encode(cmyk, "JPEG")
    assert same(decode(data), Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_of_an_animation_is_taken(kind: str) -> None:
    frames = [NOISE.quantize(32).convert("RGB"), Image.new("RGB", NOISE.size)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert same(decode(data), frames[0])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = encode(NOISE, "PNG", exif=exif)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = decode(stored)
    assert same(upright.transpose(undo[orientation]) if orientation in undo else upright, NOISE)


@pytest.mark.parametrize("orientation", [0, 9, 40_000])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert same(decode(encode(NOISE, "PNG", exif=exif)), NOISE)


def test_damaged_exif_turns_nothing() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(NOISE, "JPEG", exif=exif)
    start = data.index(b"Exif\0\0") + 6
    damaged = data[:start] + b"\xff" * 12 + data[start + 12 :]
    assert decode(damaged).size == NOISE.size


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    data = encode(Image.new("1", (2000, 501)), "PNG")
    with pytest.raises(ImageTooLarge, match="2000 x 501"):
        decode(data[:100])


def test_a_bomb_is_too_large() -> None:
    header = encode(Image.new("1", (8, 8)), "BMP")
    bomb = header[:18] + (60_000).to_bytes(4, "little") * 2 + header[26:]
    with pytest.raises(ImageTooLarge):
        decode(bomb)


def test_a_picture_of_ten_thousand_scans_is_refused_at_once() -> None:
    progressive = encode(NOISE, "JPEG", progressive=True)
    scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    assert same(decode(progressive), Image.open(io.BytesIO(progressive)).convert("RGB"))
    with pytest.raises(ImageTooLarge, match="scans"):
        decode(progressive[:-2] + scan * 10_000 + progressive[-2:])


def test_a_jpeg_with_a_second_picture_is_its_first() -> None:
    data = encode(NOISE, "MPO", save_all=True, append_images=[Image.new("RGB", NOISE.size)])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    assert same(decode(data), Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", EmptyBody),
        (b"an ant", UndecodableImage),
        (b"\x1f\x8b\x08\0", UnsupportedType),
        (b"%PDF-1.4", UndecodableImage),
    ],
)
def test_what_is_no_picture_is_told_apart(data: bytes, error: type[RequestError]) -> None:
    with pytest.raises(error):
        decode(data)


def test_a_format_that_has_no_sign_of_its_own_is_no_picture() -> None:
    with pytest.raises(UndecodableImage):
        decode(encode(NOISE, "TGA"))


@given(st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"]), st.data())
def test_damage_anywhere_is_a_picture_or_an_error_of_the_request(kind: str, data: st.DataObject) -> None:
    body = bytearray(encode(NOISE, kind))
    for _ in range(data.draw(st.integers(1, 8))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    del body[data.draw(st.integers(1, len(body))) :]
    try:
        assert decode(bytes(body)).mode == "RGB"
    except RequestError as error:
        assert error.status in (400, 413, 415)


@given(st.integers(1, 700), st.integers(1, 700))
def test_the_crop_has_its_size_whatever_the_picture(width: int, height: int) -> None:
    pixels = resize_and_crop(Image.new("RGB", (width, height), (1, 2, 3)), 256, 224)
    assert pixels.shape == (224, 224, 3)
    assert pixels.dtype == np.uint8
    assert (pixels == (1, 2, 3)).all()


def test_one_resampling_equals_resize_then_crop_within_one_level() -> None:
    picture = Image.linear_gradient("L").resize((512, 384)).convert("RGB")
    resized = picture.resize((round(512 * 256 / 384), 256), Image.Resampling.BILINEAR)
    left = (resized.width - 224) / 2
    reference = np.asarray(resized.crop((round(left), 16, round(left) + 224, 240))).astype(int)
    assert np.abs(resize_and_crop(picture, 256, 224) - reference).max() <= 1


@pytest.mark.parametrize("times", [5, 8, 16])
@pytest.mark.parametrize("photo", PHOTOS, ids=lambda photo: photo.stem)
def test_a_large_jpeg_is_decoded_in_part_and_gives_the_same_crop_within_one_level(photo: Path, times: int) -> None:
    picture = Image.open(photo)
    data = encode(picture.resize((picture.width // 8 * 8 * times, picture.height // 8 * 8 * times)), "JPEG", quality=85)
    whole, part = decode_image(data, 10**8), decode_image(data, 10**8, short_side=256)
    assert 768 <= min(part.size) <= min(whole.size) / 2
    difference = np.abs(resize_and_crop(part, 256, 224).astype(int) - resize_and_crop(whole, 256, 224))
    assert difference.mean() < 0.5
    assert np.percentile(difference, 99) <= 1


@pytest.mark.parametrize("size", [(4001, 3000), (4000, 3001), (1534, 1534)])
def test_a_jpeg_that_no_scale_divides_or_would_leave_too_little_of_is_decoded_whole(size: tuple[int, int]) -> None:
    data = encode(Image.new("RGB", size), "JPEG")
    assert decode_image(data, 10**8, short_side=256).size == size


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 100), st.integers(0, 2**32 - 1))
def test_padding_what_the_edge_fades_into_equals_padding_it_all_within_one_level(
    width: int, height: int, size: int, seed: int
) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    square = Image.new("RGB", (max(width, height),) * 2)
    square.paste(Image.fromarray(noise))
    reference = np.asarray(square.resize((size, size), Image.Resampling.BILINEAR)).astype(int)
    pixels = pad_and_resize(Image.fromarray(noise), size)
    assert (pixels.shape, pixels.dtype) == ((size, size, 3), np.uint8)
    assert np.abs(pixels - reference).max() <= 1


@pytest.mark.parametrize("shape", [(1, 10_000), (10_000, 1)])
def test_a_line_costs_no_square(shape: tuple[int, int]) -> None:
    """100 MB more of address space suffice; the square would take 400."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 100_000_000, before[1]))
    try:
        pixels = pad_and_resize(Image.new("RGB", shape, (200, 200, 200)), 64)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert 0 < pixels.max() < 10  # a line of 1 pixel in 156


def test_a_picture_that_is_nearly_a_line_is_refused_before_it_is_decoded() -> None:
    data = encode(Image.new("1", (201, 10)), "PNG")
    assert decode_image(data, PIXELS, 21).size == (201, 10)
    with pytest.raises(UnusableInput, match="201 x 10 pixels; a side may be at most 20 times"):
        decode_image(data[:60], PIXELS, 20)


def test_a_released_picture_leaves_its_pixels_in_peace() -> None:
    picture = Image.new("RGB", (2_500, 2_000), (1, 2, 3))
    pixels = pad_and_resize(picture, 8)
    release_image(picture)
    assert (pixels[:6] == (1, 2, 3)).all()
    with pytest.raises(ValueError, match="closed"):
        picture.getpixel((0, 0))
