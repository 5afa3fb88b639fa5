"""Archives that could harm and archives that can't, made of one good one: for the tests, and to attack a tool with.

``hostile_archives(good)`` and ``good_archives(good)`` give (what it is, the file's bytes); ``good`` is an archive's
bytes. Nothing here acts unless it is loaded: what would run tries to make the file CANARY.
"""

import gzip
import io
import json
import pickle
import stat
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from marina.packing import MANIFEST, PROVENANCE, pack
from marina.provenance import digests

Contents = dict[str, bytes]
Case = tuple[str, bytes]
CANARY = Path("/tmp/marina-canary")
EVIL = f"open({str(CANARY)!r}, 'w').close()\n".encode()
SETTINGS, CONFIG, ENTRY = "settings.json", "model-config.yaml", "marina_entry.py"


class Calls:
    """What a malicious pickle does: calls a function when it is loaded."""

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        import os

        return os.system, (f"touch {CANARY}",)


def read(good: bytes) -> Contents:
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def seal(contents: Mapping[str, bytes]) -> Contents:
    """The contents with digests that fit: what a careful attacker would do."""
    document = json.loads(contents[PROVENANCE])
    document["files"] = digests({name: data for name, data in contents.items() if name != PROVENANCE})
    return {**contents, PROVENANCE: json.dumps(document).encode()}


def repack(contents: Mapping[str, bytes]) -> bytes:
    """Packs contents as the tool does, with digests that fit."""
    return pack(seal(contents))


def zipped(contents: Mapping[str, bytes], change: Callable[[zipfile.ZipInfo], None] = lambda entry: None) -> bytes:
    """A zip by Python's own writer, each entry changed by a function first."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            change(entry)
            archive.writestr(entry, contents[name])
    return buffer.getvalue()


def hostile_archives(good: bytes) -> Iterator[Case]:
    """Over 200 archives, all of which must be refused."""
    contents = read(good)
    for make in (
        names,
        kinds_of_entries,
        zip_tricks,
        damages,
        pickles,
        pickles_within,
        python_files,
        manifests,
        settings,
        configs,
        graphs,
        documents,
        provenances,
    ):
        for what, data in make(contents, good):
            yield f"{make.__name__}: {what}", data


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


def unchecked_pack(contents: Mapping[str, bytes]) -> bytes:
    """As ``pack``, of names that Python's own writer would change."""
    pieces, records, offset = [], [], 0
    for name in sorted(contents):
        raw, data = name.encode("utf-8", "surrogatepass"), contents[name]
        bits = 0 if name.isascii() else 0x800
        crc = zlib.crc32(data)
        pieces += [
            struct.pack("<4s5H3I2H", b"PK\3\4", 20, bits, 0, 0, 33, crc, len(data), len(data), len(raw), 0),
            raw,
            data,
        ]
        record = (3 << 8 | 20, 20, bits, 0, 0, 33, crc, len(data), len(data), len(raw), 0, 0, 0, 0)
        records.append(struct.pack("<4s6H3I5H2I", b"PK\1\2", *record, (stat.S_IFREG | 0o644) << 16, offset) + raw)
        offset += 30 + len(raw) + len(data)
    directory = b"".join(records)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, len(records), len(records), len(directory), offset, 0)
    return b"".join(pieces) + directory + end


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


def tarred(contents: Contents) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def pickles(contents: Contents, good: bytes) -> Iterator[Case]:
    """Pickles that run when they are loaded, under names that an archive may hold, and under others."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        harmful = pickle.dumps(Calls(), protocol)
        dressed = {
            "whole": harmful,
            "without its end": harmful[:-1],
            "with another end": harmful[:-1] + b"\xff",
            "twice": harmful * 2,
            "behind a harmless one": pickle.dumps([1, "two"], protocol) + harmful,
            "behind zeros": bytes(64) + harmful,
        }
        for what, data in dressed.items():
            yield f"protocol {protocol}, {what}", repack({**contents, "samples/notes.txt": data})
        for name in (
            "weights.safetensors",
            "other.onnx",
            "model.pt",
            "samples/a.json",
            "samples/a.png",
            "b.yaml",
            "a.pkl",
        ):
            yield f"protocol {protocol} as {name}", repack({**contents, name: harmful[:-1] + b"\xff"})
    texts = {
        "REDUCE that breaks off": b"cos\nsystem\n(S'true'\ntR and no more",
        "INST that breaks off": b"(S'true'\nios\nsystem\nand no more",
        "from the memo": b"cos\nsystem\np0\n0(S'true'\ntp1\n0g0\ng1\nR",
        "a changed sys.path": b"csys\npath\nS'/tmp'\na",
        "a changed environment": b"cos\nenviron\nS'A'\nS'B'\ns",
        "an import, whole": b"cos\nsystem\n.",
        "behind a title": b"# Notes (of the author)\n\ncposix\nsystem\n(S'true'\ntR.",
        "behind a byte order mark": b"\xef\xbb\xbfcposix\nsystem\n(S'true'\ntR.",
        "in valid UTF-8, without GLOBAL": b"U\x05posixU\x06systemq\xc2\x93(S'true'\ntR.",
    }
    for what, data in texts.items():
        for name in ("samples/notes.txt", "notes.md", "data.csv"):
            yield f"{what}, in {name}", repack({**contents, name: data})
    yield "in YAML", repack({**contents, "other.yaml": b"text: |\n  a\n" + b"cposix\nsystem\n(S'true'\ntR."})


def pickles_within(contents: Contents, good: bytes) -> Iterator[Case]:
    """Pickles inside of other files."""
    harmful = pickle.dumps(Calls())
    for what, data in {"whole": harmful, "with another end": harmful[:-1] + b"\xff"}.items():
        for member in (
            "archive/data.pkl",
            "archive/constants.pkl",
            "archive/extra/a.pkl",
            "archive/code/a.py.debug_pkl",
        ):
            for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                yield (
                    f"{what}, in TorchScript's {member}, {method}",
                    repack({**contents, "model.pt": torchscript({member: data}, method)}),
                )
    yield "an escape in TorchScript", repack({**contents, "model.pt": torchscript({"archive/../../a": b"x"})})
    yield (
        "a bomb in TorchScript",
        repack({**contents, "model.pt": torchscript({"archive/code/a.py": bytes(300_000_000)}, zipfile.ZIP_DEFLATED)}),
    )
    many = {f"archive/data/{number}": b"" for number in range(25_000)}
    yield "25,000 files in TorchScript", repack({**contents, "model.pt": torchscript(many)})
    checkpoint = io.BytesIO()
    with zipfile.ZipFile(checkpoint, "w") as archive:
        archive.writestr("archive/data.pkl", harmful)
    array = io.BytesIO()
    np.save(array, np.array([Calls()], dtype=object), allow_pickle=True)
    packed = {
        "a checkpoint": checkpoint.getvalue(),
        "an array of objects": array.getvalue(),
        "zlib": zlib.compress(harmful),
    }
    packed |= {"gzip": gzip.compress(harmful), "a tar": tarred({"a.pkl": harmful})}
    for what, data in packed.items():
        for name in (
            "model.pt",
            "weights.npy",
            "samples/a.txt",
            "graph2.onnx",
            "weights.safetensors",
            "a.joblib",
            "a.tar.gz",
        ):
            yield f"{what} as {name}", repack({**contents, name: data})


def torchscript(more: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """The shape of a TorchScript, with more files in it."""
    files = {
        "archive/code/__torch__.py": b"class M(Module):\n",
        "archive/constants.pkl": pickle.dumps((), 2),
        "archive/version": b"3\n",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in {**files, **more}.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def python_files(contents: Contents, good: bytes) -> Iterator[Case]:
    shadows = [
        "json.py",
        "os.py",
        "io.py",
        "logging.py",
        "typing.py",
        "uuid.py",
        "numpy.py",
        "torch.py",
        "onnxruntime.py",
    ]
    shadows += [
        "PIL/__init__.py",
        "json/__init__.py",
        "numpy/core.py",
        "ts.py",
        "mms.py",
        "sitecustomize.py",
        "usercustomize.py",
    ]
    shadows += [
        "handlers.py",
        "handlers/base/__init__.py",
        "marina_entry/__init__.py",
        "imp.py",
        "openvino/__init__.py",
        "psutil.py",
    ]
    for name in shadows:
        yield f"{name} that shadows", repack({**contents, name: EVIL})
    for name in (
        "a.pth",
        "handlers/base.so",
        "handlers/base.pyc",
        "handlers/base.pyd",
        "a.sh",
        "run",
        "handlers/__pycache__/base.cpython-311.pyc",
        "a.PY",
        "a.pyw",
        "a.dll",
        "a.exe",
        "a.jar",
        "a.class",
        "a.zip",
        "a.whl",
        "a.egg",
        "requirements",
        "pyvenv.cfg",
        "a.toml",
        ".env",
        "a.html",
        "a.svg",
        "a.xml",
        "a.ort",
        "a.bin",
        "a.npz",
        "a.h5",
    ):
        yield f"a file {name}", repack({**contents, name: EVIL})
    yield "another entry", repack({**contents, ENTRY: EVIL + contents[ENTRY]})
    yield "an entry with a line more", repack({**contents, ENTRY: contents[ENTRY] + b"\n"})
    yield "Python that is no text", repack({**contents, "helper.py": b"\xff\xfe" + EVIL})
    yield "Python with a zero", repack({**contents, "helper.py": b"# \0\n" + EVIL})


def manifests(contents: Contents, good: bytes) -> Iterator[Case]:
    sound = json.loads(contents[MANIFEST])
    handlers = [
        "../../../../evil.py:handle",
        "/tmp/evil.py:handle",
        "evil.py:handle",
        "marina_entry.py:other",
        "marina_entry.py",
        "./marina_entry.py:handle",
        "marina_entry.py:handle ",
        "handlers/entry.py:handle",
        "marina_entry:handle",
        "image_classifier",
        "",
        None,
        ["marina_entry.py:handle"],
        "MARINA_ENTRY.py:handle",
        "handlers/../marina_entry.py:handle",
    ]
    for handler in handlers:
        yield (
            f"the handler {handler!r}",
            with_manifest(contents, sound | {"model": sound["model"] | {"handler": handler}}),
        )
    extras: dict[str, Any] = {
        "serializedFile": "../../weights.pt",
        "modelFile": "/tmp/model.py",
        "requirementsFile": "requirements.txt",
        "extensions": {"a": "../b"},
        "modelMode": "x",
        "envelope": "json",
        "modelVersionX": 1,
        "socketType": "tcp",
        "description": "x",
    }
    for key, value in extras.items():
        yield f"the key {key}", with_manifest(contents, sound | {"model": sound["model"] | {key: value}})
    for key, value in {
        "configFile": "../model-config.yaml",
        "modelName": 3,
        "modelVersion": "../1",
        "modelVersionx": "1",
    }.items():
        yield f"{key} {value!r}", with_manifest(contents, sound | {"model": sound["model"] | {key: value}})
    tops: dict[str, Any] = {
        "runtime": "/tmp/evil",
        "specificationVersion": "1.0",
        "engine": {"engineName": "x"},
        "license": "x",
        "workflow": {"a": 1},
        "publisher": {},
        "archiverVersion": 12,
    }
    for key, value in tops.items():
        yield f"the key {key} at the top", with_manifest(contents, sound | {key: value})
    yield (
        "another configuration",
        with_manifest(
            {**contents, "other.yaml": contents[CONFIG]},
            sound | {"model": sound["model"] | {"configFile": "other.yaml"}},
        ),
    )
    for model in (None, [], "x", {}):
        yield f"the model {model!r}", with_manifest(contents, sound | {"model": model})
    yield "no model", with_manifest(contents, {key: value for key, value in sound.items() if key != "model"})
    text = json.dumps(sound)
    for what, data in {
        "a key twice": text.replace('"handler"', '"handler": "evil.py:handle", "handler"', 1).encode(),
        "a list": b"[]",
        "no JSON": b"{",
        "UTF-16": text.encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf" + text.encode(),
        "JSON with a comment": text.encode() + b" // x",
        "an escaped key twice": text.replace('"handler"', '"h\\u0061ndler": "evil.py:handle", "handler"', 1).encode(),
        "two documents": text.encode() * 2,
        "depth": b"[" * 100_000,
    }.items():
        yield what, repack({**contents, MANIFEST: data})


def with_manifest(contents: Contents, document: Any) -> bytes:
    return repack({**contents, MANIFEST: json.dumps(document).encode()})


def settings(contents: Contents, good: bytes) -> Iterator[Case]:
    sound = json.loads(contents[SETTINGS])
    changes: list[dict[str, Any]] = [
        {"file": "../../graph.onnx"},
        {"file": "/etc/passwd"},
        {"file": "./graph.onnx"},
        {"file": "missing.onnx"},
        {"file": "graph.onnx\0"},
        {"file": ""},
        {"file": 3},
        {"members": ["../a.onnx"]},
        {"members": "graph.onnx/"},
        {"tokenizer": "/etc/passwd"},
        {"tokenizer": "../tokenizer.json"},
        {"vocabulary": "../../vocabulary.txt"},
        {"vocabulary": {"a": ["/etc/passwd"]}},
        {"download": "https://example.org/a"},
        {"task": "evil:Class"},
        {"task": "os:system"},
        {"task": "handlers.base:Handler"},
        {"task": None},
        {"runtime": "evil"},
        {"max_bytes": "x"},
        {"max_bytes": 1e9},
        {"max_bytes": True},
        {"max_pixels": None},
        {"labels": "red"},
        {"labels": [1, 2, 3]},
        {"threads": -1},
        {"batch_size": 5000},
        {"workers": 99},
        {"timeout_s": 10_000},
        {"size": 64},
        {"top": 2},
        {"labels": ["blue", "green", "red"]},
    ]
    for change in changes:
        yield str(change), repack({**contents, SETTINGS: json.dumps(sound | change).encode()})
    for name in ("task", "labels", "size", "max_bytes"):
        left = {key: value for key, value in sound.items() if key != name}
        yield f"without {name}", repack({**contents, SETTINGS: json.dumps(left).encode()})
    text = json.dumps(sound)
    for what, data in {
        "a key twice": text.replace('"file"', '"file": "/etc/passwd", "file"', 1).encode(),
        "a list": b"[]",
        "NaN": text.replace("{", '{"x": NaN, ', 1).encode(),
        "UTF-16": text.encode("utf-16"),
    }.items():
        yield what, repack({**contents, SETTINGS: data})


def configs(contents: Contents, good: bytes) -> Iterator[Case]:
    text = contents[CONFIG].decode()
    bomb = "\n".join(["a0: &a0 [x]"] + [f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]" for n in range(9)])
    documents = {
        "another batch size than the settings": text.replace("batchSize: 4", "batchSize: 400"),
        "other labels than the settings": text.replace("[red, green, blue]", "[red, blue, green]"),
        "another task than the settings": text.replace("task: image_classification", "task: readability"),
        "a key more than the settings": text.replace("  top: 3", "  top: 3\n  tops: 3"),
        "other limits than the settings": text.replace("max_bytes: 200000", "max_bytes: 2000000"),
        "useVenv": text + "useVenv: true\n",
        "parallelType": text + "parallelType: custom\n",
        "a torchrun section": text + "torchrun:\n  nproc-per-node: 4\n",
        "a Python tag": text + "x: !!python/object/apply:os.system ['true']\n",
        "a Java tag": text + "x: !!javax.script.ScriptEngineManager [!!java.net.URLClassLoader [[]]]\n",
        "a tag of its own": text + "x: !evil y\n",
        "a plain tag": text.replace("batchSize: 4", "batchSize: !!int 4"),
        "a directive": "%TAG ! tag:evil,2000:\n---\n" + text,
        "a version": "%YAML 1.1\n---\n" + text,
        "two documents": text + "---\n" + text,
        "an anchor": text.replace("minWorkers: 1", "minWorkers: &one 1"),
        "an alias": text.replace("minWorkers: 1\nmaxWorkers: 4", "minWorkers: &one 1\nmaxWorkers: *one"),
        "a merge": text + "<<: {useVenv: true}\n",
        "a bomb of aliases": bomb + "\n" + text,
        "depth": text + "x: " + "[" * 10_000 + "]" * 10_000 + "\n",
        "depth of mappings": text + "x: " + "{a: " * 10_000 + "}" * 10_000 + "\n",
        "a key twice": text + "batchSize: 4\n",
        "a key twice in the handler": text.replace("  top: 3", "  top: 3\n  top: 3"),
        "a file outside": text + "  files: [../../weights.safetensors]\n",
        "an absolute file": text + "  files: [/etc/passwd]\n",
        "a list": "- a\n",
        "nothing": "",
        "a tab": text.replace("  top: 3", "\ttop: 3"),
        "a zero": text + "# \0\n",
        "another version than the manifest": text.replace('version: "1.0"', 'version: "1.1"'),
        "a route of the door's": text + "  route: predictions\n",
        "a route that leads out": text + "  route: ../x\n",
        "a route with a line": text + '  route: "a;\\nb"\n',
        "UTF-16": text.encode("utf-16"),
        "half a sign": text.encode() + b"# \xc3\n",
        "2 MB": text + "# " + "x" * 2_000_000 + "\n",
    }
    for what, document in documents.items():
        data = document if isinstance(document, bytes) else document.encode()
        assert data != contents[CONFIG], what
        yield what, repack({**contents, CONFIG: data})


def graphs(contents: Contents, good: bytes) -> Iterator[Case]:
    """Graphs that reach for something outside: wherever a tensor or a node can stand."""
    places = [
        "../weights.safetensors",
        "/etc/passwd",
        "./graph.onnx",
        "missing.bin",
        "samples/../graph.onnx",
        "..\\a",
        "",
        "*/_ORT_MEM_ADDR_/*",
        "file:///etc/passwd",
        "GRAPH.onnx",
        "samples//red.png",
    ]
    for location in places:
        yield (
            f"weights in {location!r}",
            with_graph(contents, lambda graph, location=location: graph.initializer.append(external(location))),
        )
    for what, values in {
        "behind the end": ("graph.onnx", "10", "999999"),
        "before the beginning": ("graph.onnx", "-5", "4"),
        "at no number": ("graph.onnx", "x", "4"),
        "far away": ("graph.onnx", "0", "18446744073709551615"),
    }.items():
        yield (
            f"weights {what}",
            with_graph(contents, lambda graph, values=values: graph.initializer.append(external(*values))),
        )
    outside = external("../../outside")
    subgraph = helper.make_graph(
        [helper.make_node("Identity", ["inner"], ["out"])],
        "sub",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [external("../../outside", name="inner")],
    )
    nested = helper.make_graph(
        [helper.make_node("If", ["c"], ["o"], then_branch=subgraph, else_branch=subgraph)],
        "deep",
        [],
        [helper.make_tensor_value_info("o", TensorProto.FLOAT, None)],
    )
    sparse = helper.make_sparse_tensor(external("../../outside"), numpy_helper.from_array(np.array([0]), "i"), [3])
    attributes: dict[str, Any] = {
        "a tensor": {"value": outside},
        "a list of tensors": {"tensors": [outside, outside]},
        "a sparse tensor": {"sparse_value": sparse},
        "a list of sparse tensors": {"sparses": [sparse]},
        "a subgraph": {"then_branch": subgraph},
        "a list of subgraphs": {"branches": [subgraph]},
        "a subgraph's subgraph": {"body": nested},
    }
    for what, values in attributes.items():
        node = helper.make_node("Constant", [], ["unused"], **values)
        yield f"an attribute with {what}", with_graph(contents, lambda graph, node=node: graph.node.append(node))
    yield "a sparse initializer", with_graph(contents, lambda graph: graph.sparse_initializer.append(sparse))

    def add_function(model: onnx.ModelProto) -> None:
        node = helper.make_node("Constant", [], ["y"], value=outside)
        model.functions.append(helper.make_function("own", "F", [], ["y"], [node], [helper.make_opsetid("", 18)]))

    def add_training(model: onnx.ModelProto) -> None:
        model.training_info.add().initialization.initializer.append(external("../../outside"))

    yield "a function", with_model(contents, add_function)
    yield "training", with_model(contents, add_training)
    yield "a location twice", with_graph(contents, lambda graph: graph.initializer.append(two_locations()))
    for domain, operator in (
        ("ai.onnx.contrib", "PyOp"),
        ("evil", "Op"),
        ("com.microsoft", "EPContext"),
        ("com.microsoft", "PythonOp"),
        ("org.pytorch.aten", "ATen"),
    ):
        node = helper.make_node(operator, [], ["unused"], domain=domain)
        yield f"{operator} of {domain}", with_graph(contents, lambda graph, node=node: graph.node.append(node))
    yield (
        "a domain in a subgraph",
        with_graph(
            contents,
            lambda graph: graph.node.append(
                helper.make_node(
                    "If",
                    ["c"],
                    ["o"],
                    then_branch=helper.make_graph([helper.make_node("Op", [], ["x"], domain="evil")], "s", [], []),
                )
            ),
        ),
    )
    deep = b""
    for _ in range(3000):
        deep = b"\x0a" + varint(len(deep)) + deep
    for what, data in {
        "no graph": b"no graph",
        "nothing": b"",
        "a graph of no nodes": helper.make_model(helper.make_graph([], "g", [], [])).SerializeToString(),
        "half a graph": contents["graph.onnx"][: len(contents["graph.onnx"]) // 2],
        "a length beyond the end": contents["graph.onnx"] + b"\x3a\xff\xff\xff\xff\x0f",
        "a field that nobody knows": contents["graph.onnx"] + b"\xfa\x3f\x01a",
        "a group": contents["graph.onnx"] + b"\x3b\x3c",
        "an endless number": contents["graph.onnx"] + b"\x08" + b"\xff" * 20,
        "depth": b"\x3a" + varint(len(deep)) + deep,
        "XML of OpenVINO": b'<?xml version="1.0"?><net name="a" version="11"><layers/></net>',
        "a graph of TensorFlow": b"\n\x0c\n\x01a\x12\x05Const*\0",
    }.items():
        yield what, repack({**contents, "graph.onnx": data})


def varint(number: int) -> bytes:
    pieces = bytearray()
    while number > 127:
        pieces.append(number & 127 | 128)
        number >>= 7
    return bytes([*pieces, number])


def external(location: str, offset: str = "0", length: str = "4", name: str = "outside") -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=(1,), data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=value)
    return tensor


def two_locations() -> TensorProto:
    tensor = external("graph.onnx")
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def with_graph(contents: Contents, change: Callable[[onnx.GraphProto], Any]) -> bytes:
    return with_model(contents, lambda model: change(model.graph))


def with_model(contents: Contents, change: Callable[[onnx.ModelProto], Any]) -> bytes:
    model = onnx.load_from_string(contents["graph.onnx"])
    change(model)
    return repack({**contents, "graph.onnx": model.SerializeToString()})


def documents(contents: Contents, good: bytes) -> Iterator[Case]:
    """Files of allowed kinds that would cost too much, or are not what they say."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    tensors = {
        "a header of 2^63 bytes": struct.pack("<Q", 2**63) + header,
        "a header of 4 GB": struct.pack("<Q", 2**32) + header,
        "a header that is no JSON": struct.pack("<Q", 4) + b"abcd",
        "a header that is deep": struct.pack("<Q", 200_000) + b"[" * 200_000,
        "a header of a list": struct.pack("<Q", 2) + b"[]",
        "half a length": b"\1\2\3",
        "too few bytes": struct.pack("<Q", len(header)) + header,
        "too many bytes": struct.pack("<Q", len(header)) + header + bytes(5),
        "tensors that overlap": safetensors({"a": [0, 4], "b": [2, 6]}, 6),
        "tensors with a hole": safetensors({"a": [0, 4], "b": [6, 8]}, 8),
        "a tensor that ends before it begins": safetensors({"a": [4, 0]}, 4),
        "a tensor before the file": safetensors({"a": [-4, 0]}, 0),
        "offsets of text": safetensors({"a": ["0", "4"]}, 4),
        "offsets of fractions": safetensors({"a": [0, 4.0]}, 4),
        "a bomb of values": struct.pack("<Q", 6_000_002) + b"[" + b"[]," * 2_000_000 + b"0",
    }
    for what, data in tensors.items():
        yield f"safetensors, {what}", repack({**contents, "weights.safetensors": data})
    texts: dict[str, dict[str, bytes]] = {
        "samples/a.json": {
            "depth": b"[" * 100_000 + b"]" * 100_000,
            "values": b"[" + b"[]," * 2_500_000 + b"0]",
            "no JSON": b"{a: 1}",
            "half a sign": b'"\xc3"',
            "UTF-16": '"a"'.encode("utf-16"),
        },
        "samples/a.txt": {"zeros": b"a\0b", "no UTF-8": b"\xff\xfe", "40 MB": b"a\n" * 20_000_000},
        "samples/a.png": {"a page": b"<html><script>", "nothing": b"", "a program": b"\x7fELF" + bytes(100)},
        "samples/a.jpg": {"a zip": b"PK\3\4" + bytes(100), "a program": b"MZ" + bytes(100)},
    }
    for name, variants in texts.items():
        for what, data in variants.items():
            yield f"{name}, {what}", repack({**contents, name: data})


def safetensors(offsets: Mapping[str, list[Any]], size: int) -> bytes:
    header = json.dumps(
        {name: {"dtype": "F32", "shape": [1], "data_offsets": each} for name, each in offsets.items()}
    ).encode()
    return struct.pack("<Q", len(header)) + header + bytes(max(0, size))


def provenances(contents: Contents, good: bytes) -> Iterator[Case]:
    sound = json.loads(contents[PROVENANCE])
    files = sound["files"]
    for what, document in {
        "no files": {key: value for key, value in sound.items() if key != "files"},
        "files of a list": sound | {"files": []},
        "a file too few": sound | {"files": {key: value for key, value in files.items() if key != "graph.onnx"}},
        "a file too many": sound | {"files": files | {"../../evil.py": "0" * 64}},
        "a wrong digest": sound | {"files": files | {"graph.onnx": "0" * 64}},
        "a digest of no text": sound | {"files": files | {"graph.onnx": None}},
        "a digest in capitals": sound | {"files": {key: value.upper() for key, value in files.items()}},
        "no variant": {key: value for key, value in sound.items() if key != "variant"},
        "a quality of text": sound | {"quality": "good"},
        "a list": [sound],
    }.items():
        yield what, pack({**contents, PROVENANCE: json.dumps(document).encode()})
    text = json.dumps(sound)
    yield "files twice", pack({**contents, PROVENANCE: text.replace('"files"', '"files": {}, "files"', 1).encode()})
    yield "no JSON", pack({**contents, PROVENANCE: b"{"})
    yield "depth", pack({**contents, PROVENANCE: b'{"files": ' + b"[" * 100_000})


def good_archives(good: bytes) -> Iterator[Case]:
    """60 archives that are unusual, and sound."""
    contents = read(good)
    yield "as it is", good
    yield "sealed anew", repack(contents)
    texts = {
        "a pickle's first letters": b"(lp0\nhello\n",
        "os and words": b"cos\nsin\ntan\n",
        "a system": b"cos\nsystem\n",
        "words by line": b"cat\ndog\nemu\n.\n",
        "abbreviations": b"cow\nhen\nN.A.\nU.S.\n",
        "tacos": b"tacos\nburrito\n(t)R\n",
        "radios": b"radios\nsystem\n",
        "brackets": b"(in\nthe\nend)\n",
        "I am": b"I am\n.\n",
        "irises": b"iris\nrose\n",
        "nothing": b"",
        "a dot": b".",
        "N.": b"N.",
        "a line of Latin": b"Lorem ipsum dolor sit amet.\n",
        "Chinese": "山海經\n".encode() * 50,
        "Arabic": "مرحبا\n".encode(),
        "emoji": "👓👩\u200d🚀“quoted”, so\n".encode(),
        "CRLF": b"a\r\nb\r\n",
        "a byte order mark": b"\xef\xbb\xbfhello\n",
        "about pickles": b"GLOBAL imports os.system and REDUCE calls it: c, o, s.\n",
        "code": b"import os\nos.system('true')\n",
        "dots and paths": b"../../etc/passwd\n/etc/passwd\n",
        "letters": b"abcdefghijklmnopqrstuvwxyz\nABCDEFGHIJKLMNOPQRSTUVWXYZ\n0123456789\n",
        "a long line": b"word " * 200_000,
        "many lines": b"word\n" * 200_000,
        "a shell": b"#!/bin/sh\nrm -rf /\n",
        "HTML": b"<script>alert(1)</script>\n",
    }
    for what, data in texts.items():
        yield f"a text: {what}", repack({**contents, "samples/a.txt": data})
    names = [
        "samples/山.txt",
        "samples/é.txt",
        "samples/a b.txt",
        "samples/a'b.txt",
        "samples/a,b;c.txt",
        "samples/" + "x" * 200 + ".txt",
    ]
    names += [
        "samples/...a.txt",
        "samples/-rf.txt",
        "samples/a%2e%2e.txt",
        "samples/%00.txt",
        "samples/con.txt",
        "samples/👓.txt",
        "samples/.hidden.txt",
    ]
    for name in names:
        yield f"the name {name[:40]}", repack({**contents, name: b"x"})
    others = {
        "helper.py": b"VALUE = 3\n",
        "package/__init__.py": b"",
        "notes.md": b"# Notes\n",
        "data.csv": b"a,b\n1,2\n",
        "other.yaml": b"a: [1, 2]\nb: {c: d}\n",
        "vocabulary.json": json.dumps({f"word{number}": number for number in range(50_000)}).encode(),
        "samples/a.json": b'{"text": "a", "text": "b", "n": 1e400}',
        "weights.safetensors": safetensors({"a": [0, 4], "b": [4, 8]}, 8),
        "empty.safetensors": struct.pack("<Q", 2) + b"{}",
        "model.pt": torchscript({"archive/data/0": bytes(4000)}),
        "packed.pt": torchscript({"archive/data.pkl": b"\x80\x02c__torch__\nM\nq\x00)\x81}b."}, zipfile.ZIP_DEFLATED),
        "samples/a.gif": b"GIF89a" + bytes(100),
        "samples/a.bmp": b"BM" + bytes(100),
        "samples/a.tiff": b"II*\0" + bytes(100),
    }
    for name, data in others.items():
        yield f"a file {name}", repack({**contents, name: data})
    tensors = {"weights.safetensors": safetensors({"a": [0, 4]}, 4)}
    size = len(tensors["weights.safetensors"])
    inside = external("weights.safetensors", str(size - 4), "4", "inside")
    yield (
        "weights inside the archive",
        with_graph({**contents, **tensors}, lambda graph: graph.initializer.append(inside)),
    )
    microsoft = helper.make_node("FusedMatMul", ["means", "means"], ["unused"], domain="com.microsoft")
    yield "an operator of ONNX Runtime", with_graph(contents, lambda graph: graph.node.append(microsoft))

    def add_function(model: onnx.ModelProto) -> None:
        node = helper.make_node("Identity", ["x"], ["y"])
        model.functions.append(helper.make_function("own", "F", ["x"], ["y"], [node], [helper.make_opsetid("", 18)]))
        model.graph.node.append(helper.make_node("F", ["means"], ["unused"], domain="own"))

    yield "a function of its own", with_model(contents, add_function)
    yield "metadata", with_model(contents, lambda model: model.metadata_props.add(key="location", value="../../a"))
    config = contents[CONFIG].decode()
    for what, text in {
        "a comment": config + "# the end\n",
        "quotes": config.replace("title: Colours", 'title: "Colours: all"'),
    }.items():
        yield f"a configuration with {what}", repack({**contents, CONFIG: text.encode()})
