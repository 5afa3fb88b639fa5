"""The picture formats that are taken, and those that are known well enough to be refused by name."""

from typing import Optional, Sequence

from .settings import SettingsError

# The formats that are taken, by their first bytes; nothing else reaches Pillow.
FORMATS = ["BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP"]
SIGNATURES = (
    ("JPEG", b"\xff\xd8\xff"),
    ("PNG", b"\x89PNG\r\n\x1a\n"),
    ("GIF", b"GIF87a"),
    ("GIF", b"GIF89a"),
    ("BMP", b"BM"),
    ("TIFF", b"II*\0"),
    ("TIFF", b"MM\0*"),
    ("TIFF", b"II+\0"),  # BigTIFF
    ("TIFF", b"MM\0+"),
    ("TIFF", b"II\0*"),  # wrong, but written by some and read by many
    ("TIFF", b"MM*\0"),
)
OPTIONAL_FORMATS = ["AVIF"]  # taken where the settings name them and Pillow decodes them
# Those that are never taken, so that the answer can name them.
OTHER_SIGNATURES = (
    ("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n"),
    ("JPEG 2000", b"\xff\x4f\xff\x51"),
    ("JPEG XL", b"\0\0\0\x0cJXL \r\n\x87\n"),
    ("JPEG XL", b"\xff\x0a"),
    ("JPEG XR", b"II\xbc"),
    ("Photoshop", b"8BPS"),
    ("ICNS", b"icns"),
    ("DDS", b"DDS "),
    ("OpenEXR", b"v/1\x01"),
    ("Radiance HDR", b"#?RADIANCE"),
    ("Radiance HDR", b"#?RGBE"),
    ("QOI", b"qoif"),
    ("BPG", b"BPG\xfb"),
    ("FLIF", b"FLIF"),
    ("XCF", b"gimp xcf"),
    ("SGI", b"\x01\xda"),
    ("FITS", b"SIMPLE  ="),
    ("MNG", b"\x8aMNG\r\n\x1a\n"),
    ("JNG", b"\x8bJNG\r\n\x1a\n"),
    ("DjVu", b"AT&TFORM"),
    ("WMF", b"\xd7\xcd\xc6\x9a"),
    ("PostScript", b"%!PS"),
    ("SVG", b"<svg"),
    ("PCX", b"\n\5\1"),
    ("camera raw", b"FUJIFILMCCD-RAW"),
    ("camera raw", b"IIRO"),
    ("camera raw", b"IIU\0"),
    *[("PNM", b"P%d%c" % (number, space)) for number in range(1, 8) for space in b" \t\r\n"],
)
# ISO 14496-12: the brand of a file that begins with a box "ftyp".
BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    b"crx ": "camera raw",
}
# An icon or cursor begins with four bytes that other files begin with too, and its number of pictures, at least 1.
ICONS = {b"\0\0\1\0": "ICO", b"\0\0\2\0": "CUR"}


def check_formats(formats: Sequence[str]) -> None:
    """Refuses a list of formats (handler.formats) that is empty or names one that is never taken."""
    if not formats or not set(formats) <= set(FORMATS + OPTIONAL_FORMATS):
        raise SettingsError("handler.formats must name some of: %s" % ", ".join(FORMATS + OPTIONAL_FORMATS))


def image_format(data: bytes) -> Optional[str]:
    """The name of the format that the bytes begin like (one of ``FORMATS``), or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return next((name for name, signature in SIGNATURES if data.startswith(signature)), None)


def other_format(data: bytes) -> Optional[str]:
    """The name of a known format that is none of ``FORMATS``, or None."""
    if data[4:8] == b"ftyp":
        return BRANDS.get(data[8:12])
    if data[:4] in ICONS and data[4:5] != b"\0" and data[5:6] == b"\0":
        return ICONS[data[:4]]
    return next((name for name, signature in OTHER_SIGNATURES if data.startswith(signature)), None)
