"""JPEG: frames, scans and segments that are not what they should be."""

import random
import struct

from benchmarks.attack.formats.changes import (
    change_some,
    cut,
    damage,
    drop,
    finish,
    junk,
    most_copies,
    number,
    repeat,
    swap,
    valid,
)
from benchmarks.attack.formats.tiff import exif


def jpeg_segment(marker: int, data: bytes, length: int | None = None) -> bytes:
    return bytes([255, marker]) + struct.pack(">H", (len(data) + 2 if length is None else length) & 0xFFFF) + data


def jpeg_segments(content: bytes) -> list[bytes]:
    """The segments behind the first marker; the last one is the first scan and all that follows it."""
    segments, place = [], 2
    while content[place + 1] != 0xDA:
        end = place + 2 + int.from_bytes(content[place + 2 : place + 4], "big")
        segments.append(content[place:end])
        place = end
    return [*segments, content[place:]]


def change_jpeg_frame(rng: random.Random, segments: list[bytes]) -> None:
    for place, segment in enumerate(segments):
        if segment[1:2] in (b"\xc0", b"\xc1", b"\xc2"):
            data = bytearray(segment)
            change = rng.randrange(6)
            if change == 0:
                data[1] = rng.choice((0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC9, 0xCA, 0xCB, 0xCF))
            elif change == 1:
                data[4] = rng.choice((0, 1, 8, 12, 16, 255))  # bits of a sample
            elif change in (2, 3):
                begin = rng.choice((5, 7))
                data[begin : begin + 2] = struct.pack(">H", number(rng, 16))
            elif change == 4:
                data[9] = rng.choice((0, 1, 2, 3, 4, 5, 255))  # components
            elif len(data) > 12:
                data[rng.choice((10, 11, 12))] = rng.choice((0, 0x11, 0x22, 0x44, 0x41, 0xFF))
            segments[place] = bytes(data)


def insert_jpeg_segment(rng: random.Random, segments: list[bytes]) -> None:
    marker = rng.choice((0xC4, 0xDB, 0xDD, 0xDC, 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE, 0xD8, 0xD9, 0xD0, 0x01, 0xF7))
    head = rng.choice((b"", b"JFIF\0", b"Exif\0\0", b"ICC_PROFILE\0\1\1", b"Adobe\0d\0\0\0\0", b"MPF\0", b"8BIM"))
    segment = jpeg_segment(marker, head + junk(rng, 300), None if rng.random() < 0.7 else number(rng, 16))
    segments.insert(rng.randrange(len(segments) + 1), segment)


def repeat_jpeg_scan(rng: random.Random, segments: list[bytes]) -> None:
    if segments and segments[-1][1:2] == b"\xda":
        scan = segments[-1].removesuffix(b"\xff\xd9")
        segments[-1] = scan * min(rng.choice((2, 3, 20, 99, 101, 400)), most_copies(len(scan)))


def mutated_jpeg(rng: random.Random, canary: str) -> bytes:
    mode = rng.choice(("RGB", "L", "CMYK"))
    options = rng.choice(({}, {"progressive": True}, {"subsampling": 2}, {"quality": 1}, {"optimize": True}))
    segments = jpeg_segments(valid("JPEG", mode, **options))
    note = rng.choice(
        (
            jpeg_segment(0xFE, canary.encode() * 20),
            jpeg_segment(0xE1, b"Exif\0\0" + exif(rng, canary)),
            jpeg_segment(0xE2, b"ICC_PROFILE\0\1\1" + canary.encode() + junk(rng, 500)),
            jpeg_segment(0xED, b"Photoshop 3.0\x008BIM" + junk(rng, 40) + canary.encode()),
            jpeg_segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, rng.choice((0, 1, 2, 3, 255)))),
        )
    )
    segments.insert(1, note)
    change_some(
        rng,
        segments,
        (change_jpeg_frame, change_jpeg_frame, insert_jpeg_segment, repeat_jpeg_scan, drop, repeat, swap, cut, damage),
    )
    return finish(rng, b"\xff\xd8" + b"".join(segments))
