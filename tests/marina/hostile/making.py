"""What the hostile and the sound archives are made with."""

import io
import json
import pickle
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto

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


def tarred(contents: Contents) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


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


def with_manifest(contents: Contents, document: Any) -> bytes:
    return repack({**contents, MANIFEST: json.dumps(document).encode()})


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


def with_graph(contents: Contents, change: Callable[[onnx.GraphProto], Any]) -> bytes:
    return with_model(contents, lambda model: change(model.graph))


def with_model(contents: Contents, change: Callable[[onnx.ModelProto], Any]) -> bytes:
    model = onnx.load_from_string(contents["graph.onnx"])
    change(model)
    return repack({**contents, "graph.onnx": model.SerializeToString()})


def safetensors(offsets: Mapping[str, list[Any]], size: int) -> bytes:
    header = json.dumps(
        {name: {"dtype": "F32", "shape": [1], "data_offsets": each} for name, each in offsets.items()}
    ).encode()
    return struct.pack("<Q", len(header)) + header + bytes(max(0, size))
