"""Zips that could harm: names, kinds of entries, directories that lie, damage."""

import gzip
import io
import stat
import struct
import warnings
import zipfile
from collections.abc import Iterator

from marina.packing import MANIFEST, PROVENANCE, pack
from tests.marina.hostile.making import (
    CONFIG,
    ENTRY,
    EVIL,
    SETTINGS,
    Case,
    Contents,
    repack,
    seal,
    tarred,
    unchecked_pack,
    zipped,
)


def names(contents: Contents, good: bytes) -> Iterator[Case]:
    escapes = ["../escape.txt", "/tmp/escape.txt", "a/../../escape.txt", "..\\escape.txt", "C:escape.txt", "C:\\a.txt"]
    escapes += ["\\\\server\\share\\a.txt", "./a.txt", "a//b.txt", "a/./b.txt", "a/", "", ".", "..", "a/..", " a.txt"]
    escapes += ["samples/../../a.txt", "file:///tmp/a.txt", "a.txt ", "a.txt.", "...", "a./b.txt", "a /b.txt"]
    escapes += [
        "a\0.txt",
        "a.txt\0.png",
        "a\n.txt",
        "a\r.txt",
        "a\x1b[2J.txt",
        "a\x7f.txt",
        "a\u202etxt.exe",
        "a\u200b.txt",
    ]
    escapes += [
        "a\ufeff.txt",
        "a\u2028.txt",
        "e\u0301.txt",
        "a?.txt",
        "a*.txt",
        "a|b.txt",
        "a<b.txt",
        'a".txt',
        "\uff0e\uff0e/a",
    ]
    escapes += [
        "x" * 256 + ".txt",
        "x" * 60_000 + ".txt",
        "/".join("d" * 120) + ".txt",
        "samples/" + "é" * 130 + ".txt",
    ]
    for name in escapes:
        yield f"the name {name[:40]!r}", unchecked_pack(seal({**contents, name: b"x"}))
    for first, second in (
        ("samples/A.txt", "samples/a.txt"),
        ("samples/ß.txt", "samples/SS.txt"),
        ("a.txt", "a.txt/b.txt"),
    ):
        yield f"{first} and {second}", unchecked_pack(seal({**contents, first: b"x", second: b"y"}))
    yield "two forms of é", unchecked_pack(seal({**contents, "samples/\u00e9.txt": b"x", "samples/e\u0301.txt": b"y"}))
    yield "ﬁ and fi", unchecked_pack(seal({**contents, "samples/\ufb01.txt": b"x", "samples/fi.txt": b"y"}))
    yield (
        "a name that is not UTF-8",
        unchecked_pack(seal({**contents, "samples/XY.txt": b"x"})).replace(b"XY.txt", b"\xff\xfe.txt"),
    )
    yield (
        "a name in the middle of a sign",
        unchecked_pack(seal({**contents, "samples/XY.txt": b"x"})).replace(b"XY.txt", b"\xc3(.txt"),
    )
    yield (
        "an overlong slash",
        unchecked_pack(seal({**contents, "..XYa.txt": b"x"})).replace(b"XYa.txt", b"\xc0\xafa.txt"),
    )


def kinds_of_entries(contents: Contents, good: bytes) -> Iterator[Case]:
    kinds = {"link": stat.S_IFLNK, "pipe": stat.S_IFIFO, "folder": stat.S_IFDIR, "device": stat.S_IFCHR}
    kinds |= {"block device": stat.S_IFBLK, "socket": stat.S_IFSOCK, "no kind": 0}
    for what, kind in kinds.items():

        def change(entry: zipfile.ZipInfo, kind: int = kind) -> None:
            if entry.filename == "samples/other.txt":
                entry.external_attr = (kind | 0o777) << 16

        yield f"a {what}", zipped(seal({**contents, "samples/other.txt": b"/etc/passwd"}), change)
    for mode in (0o4755, 0o2755, 0o777, 0o755):

        def set_mode(entry: zipfile.ZipInfo, mode: int = mode) -> None:
            entry.external_attr = (stat.S_IFREG | mode) << 16

        yield f"the mode {mode:o}", zipped(contents, set_mode)
    yield "entries of Windows", zipped(contents, lambda entry: setattr(entry, "create_system", 0))
    yield "times", zipped(contents, lambda entry: setattr(entry, "date_time", (2020, 2, 2, 2, 2, 2)))
    yield "comments of entries", zipped(contents, lambda entry: setattr(entry, "comment", b"x" * 1000))
    yield "extra fields", zipped(contents, lambda entry: setattr(entry, "extra", struct.pack("<2HI", 0x9999, 4, 1)))
    unix = struct.pack("<2H", 0x7075, 5 + 12) + b"\1" + struct.pack("<I", 0) + b"../../escape"
    yield "another name in an extra field", zipped(contents, lambda entry: setattr(entry, "extra", unix))
    for what, method in (("deflated", zipfile.ZIP_DEFLATED), ("bzip2", zipfile.ZIP_BZIP2), ("LZMA", zipfile.ZIP_LZMA)):
        yield (
            f"compressed, {what}",
            zipped(contents, lambda entry, method=method: setattr(entry, "compress_type", method)),
        )


def zip_tricks(contents: Contents, good: bytes) -> Iterator[Case]:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("zeros.txt")
        entry.external_attr, entry.compress_type = (stat.S_IFREG | 0o644) << 16, zipfile.ZIP_DEFLATED
        archive.writestr(entry, bytes(50_000_000))
    yield "a bomb", bomb.getvalue()
    buffer = io.BytesIO(good)
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "a") as archive:
        warnings.simplefilter("ignore")
        entry = zipfile.ZipInfo(SETTINGS)
        entry.external_attr = (stat.S_IFREG | 0o644) << 16
        archive.writestr(entry, b"{}")
    yield "a file twice", buffer.getvalue()
    end = good.rfind(b"PK\5\6")
    count, size, offset = struct.unpack("<8xHHII", good[end : end + 20])[1:]
    head, directory, tail = good[:offset], good[offset:end], good[end:]
    yield "a comment", good[:-2] + struct.pack("<H", 5) + b"hello"
    yield "bytes before it", b"#!/bin/sh\n" + good
    yield "bytes behind it", good + b"x"
    yield "another archive behind it", good + good
    yield "another archive before it", repack({**contents, "samples/other.txt": b"x"}) + good
    yield (
        "data between the files and the directory",
        head + b"evil" + directory + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, size, offset + 4, 0),
    )
    yield (
        "data in the directory",
        head + directory + b"evil" + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, size + 4, offset, 0),
    )
    for what, fields in {
        "more files than there are": (0, 0, count + 1, count + 1, size, offset),
        "fewer files than there are": (0, 0, count - 1, count - 1, size, offset),
        "no files": (0, 0, 0, 0, size, offset),
        "two counts": (0, 0, count, count - 1, size, offset),
        "another disk": (1, 1, count, count, size, offset),
        "a directory elsewhere": (0, 0, count, count, size, offset - 1),
        "a directory behind the end": (0, 0, count, count, size, 0xFFFFFFF0),
        "the marks of zip64": (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        "the number of zip64": (0, 0, 0xFFFF, 0xFFFF, size, offset),
    }.items():
        yield f"an end that tells of {what}", head + directory + struct.pack("<4s4H2IH", b"PK\5\6", *fields, 0)
    record = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, offset + size, 1)
    yield "zip64 that says the same", head + directory + record + locator + tail
    marks = struct.pack("<4s4H2IH", b"PK\5\6", 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    yield "zip64 alone", head + directory + record + locator + marks
    many = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 10**9, 10**9, size, offset)
    yield "zip64 with 10^9 files", head + directory + many + locator + marks
    yield "4,000 files", unchecked_pack({f"{number:06}.txt": b"" for number in range(4000)})
    yield (
        "1,001 files",
        unchecked_pack(seal({**contents, **{f"samples/{number:06}.txt": b"x" for number in range(1001)}})),
    )
    yield "another order", out_of_order(contents)
    yield (
        "an entry whose header has another name",
        good.replace(b"PK\3\4" + good[4:30] + b"MAR-INF", b"PK\3\4" + good[4:30] + b"MAR-XXX", 1),
    )
    first = good.find(b"PK\3\4", 4)
    for place, what in (
        (4, "version"),
        (6, "flags"),
        (8, "method"),
        (10, "time"),
        (14, "CRC"),
        (18, "packed size"),
        (22, "size"),
    ):
        yield (
            f"a header with another {what}",
            good[: first + place] + bytes([good[first + place] ^ 1]) + good[first + place + 1 :],
        )
    second = directory.find(b"PK\1\2", 4)
    for place, what in (
        (4, "maker"),
        (6, "version"),
        (8, "flags"),
        (10, "method"),
        (12, "time"),
        (16, "CRC"),
        (20, "packed size"),
        (24, "size"),
        (34, "disk"),
        (36, "attributes"),
        (38, "mode"),
        (42, "offset"),
    ):
        changed = directory[: second + place] + bytes([directory[second + place] ^ 1]) + directory[second + place + 1 :]
        yield f"a record with another {what}", head + changed + tail
    yield "two entries that overlap", overlapping(good, directory, head, tail)
    yield (
        "an encrypted entry",
        zipped(contents).replace(b"PK\1\2\x14\x03\x14\x00\x00\x00", b"PK\1\2\x14\x03\x14\x00\x01\x00"),
    )


def out_of_order(contents: Contents) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(contents, reverse=True):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, contents[name])
    return buffer.getvalue()


def overlapping(good: bytes, directory: bytes, head: bytes, tail: bytes) -> bytes:
    """The second record points to the first file."""
    second = directory.find(b"PK\1\2", 4)
    return head + directory[: second + 42] + struct.pack("<I", 0) + directory[second + 46 :] + tail


def damages(contents: Contents, good: bytes) -> Iterator[Case]:
    for share in (0, 0.001, 0.25, 0.5, 0.9, 0.999):
        yield f"cut off at {share:.1%}", good[: int(len(good) * share)]
    yield "cut off by a byte", good[:-1]
    for number in range(16):
        place = len(good) * number // 16 + 7
        yield f"another byte at {place}", good[:place] + bytes([good[place] ^ 0x20]) + good[place + 1 :]
    yield "an empty zip", pack({})
    yield "a tar", tarred(contents)
    yield "gzip around it", gzip.compress(good)
    yield "zeros", bytes(1000)
    for name in (
        MANIFEST,
        PROVENANCE,
        SETTINGS,
        CONFIG,
        ENTRY,
        "handlers/__init__.py",
        "handlers/entry.py",
        "graph.onnx",
    ):
        yield f"without {name}", pack({key: value for key, value in contents.items() if key != name})
    for name in (SETTINGS, CONFIG, ENTRY, "handlers/__init__.py", "handlers/entry.py", "graph.onnx", MANIFEST):
        yield f"sealed, without {name}", repack({key: value for key, value in contents.items() if key != name})
    yield "handlers that were changed", pack({**contents, "handlers/base.py": EVIL + contents["handlers/base.py"]})
    yield "weights that were changed", pack({**contents, "graph.onnx": contents["graph.onnx"][:-1] + b"\0"})
    yield "a file that nobody packed", pack({**contents, "samples/other.txt": b"x"})
