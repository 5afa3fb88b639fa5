"""What is looked at before a server sees an archive: is it whole, and can unpacking or loading it do harm?

An archive is code: its handlers run as the server does. What is kept out here are accidents and files that run code
where one expects data; whether to trust its makers, the digest tells (``marina verify --sha256``).
"""

import io
import json
import pickletools
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import onnx
import yaml
from google.protobuf.message import DecodeError

from handlers.images import image_format
from marina.errors import MarinaError
from marina.packing import MANIFEST, PROVENANCE, pack
from marina.provenance import digests, sha256

MAX_ENTRIES = 1_000
MAX_BYTES = 4 * 1024**3  # unpacked: the largest file that a zip without extensions can hold
# Pickle's instructions that import or call something. What holds none of them can only build plain values.
DANGEROUS_OPCODES = {"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "REDUCE", "BUILD", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2"}
TEXT_SUFFIXES = {".py", ".txt", ".md", ".csv"}
PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp"}


class UnsafeArchive(MarinaError):
    """An archive that is damaged, changed or able to do harm."""


def read_archive(path: Path) -> dict[str, bytes]:
    """An archive's contents (path -> bytes), after every check. Raises UnsafeArchive and MarinaError."""
    if not path.is_file():
        raise MarinaError(f"there is no archive {path}")
    data = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            check_entries(archive.infolist())
            contents = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError, ValueError) as error:
        raise UnsafeArchive(f"{path.name} is damaged: {error}") from error
    for name, content in contents.items():
        check_content(name, content)
    check_provenance(contents)
    if pack(contents) != data:
        raise UnsafeArchive(f"{path.name} was changed: it is not packed as marina archive packs it")
    return contents


def read_provenance(contents: Mapping[str, bytes]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(contents[PROVENANCE])
    return document


def check_entries(entries: list[zipfile.ZipInfo]) -> None:
    """Refuses path escapes, links, names that stand twice, and bombs, all told from the zip's directory."""
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        raise UnsafeArchive("a file stands in the archive twice")
    if len(entries) > MAX_ENTRIES or sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise UnsafeArchive(f"the archive unpacks to more than {MAX_ENTRIES} files or {MAX_BYTES} bytes")
    for entry in entries:
        parts = PurePosixPath(entry.filename).parts
        if entry.filename.startswith("/") or "\\" in entry.filename or ":" in entry.filename or ".." in parts:
            raise UnsafeArchive(f"{entry.filename!r} would be written outside the archive's folder")
        if not stat.S_ISREG(entry.external_attr >> 16):
            raise UnsafeArchive(f"{entry.filename!r} is a link or no ordinary file")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise UnsafeArchive(f"{entry.filename!r} is compressed, which marina archive never does")


def check_content(name: str, content: bytes) -> None:
    """Refuses a file that is not plainly what its name says, and a pickle under whatever name. Unpickles nothing."""
    suffix = PurePosixPath(name).suffix
    if suffix not in CHECKS:
        raise UnsafeArchive(f"{name!r} is of a kind that no archive holds (a pickle?); there are {', '.join(CHECKS)}")
    try:
        sound = CHECKS[suffix](content)
    except (ValueError, KeyError, struct.error, zipfile.BadZipFile, DecodeError, yaml.YAMLError, RecursionError):
        sound = False
    if not sound:
        raise UnsafeArchive(f"{name!r} is no sound {suffix} file (a pickle?)")
    if is_pickle(content):
        raise UnsafeArchive(f"{name!r} is a pickle, which runs code when it is loaded")


def is_text(content: bytes) -> bool:
    return "\0" not in content.decode("utf-8")


def is_json(content: bytes) -> bool:
    json.loads(content)
    return True


def is_yaml(content: bytes) -> bool:
    yaml.safe_load(content)
    return True


def is_onnx(content: bytes) -> bool:
    return bool(onnx.load_from_string(content).graph.node)


def is_safetensors(content: bytes) -> bool:
    """An 8-byte length, a JSON header of that length, and as many bytes as it tells of."""
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return len(content) == 8 + int(length) + int(max(ends, default=0))


def is_picture(content: bytes) -> bool:
    return image_format(content) is not None


def is_torchscript(content: bytes) -> bool:
    """A zip with code; torch.jit reads its pickles with an unpickler that imports nothing, and nothing else does."""
    with zipfile.ZipFile(io.BytesIO(content)) as inner:
        names = [PurePosixPath(name) for name in inner.namelist()]
    return any("code" in name.parts for name in names) and any(name.name == "constants.pkl" for name in names)


CHECKS: dict[str, Callable[[bytes], bool]] = {
    **dict.fromkeys(TEXT_SUFFIXES, is_text),
    **dict.fromkeys(PICTURE_SUFFIXES, is_picture),
    ".json": is_json,
    ".yaml": is_yaml,
    ".onnx": is_onnx,
    ".safetensors": is_safetensors,
    ".pt": is_torchscript,
}


def is_pickle(content: bytes) -> bool:
    """Whether the bytes are a pickle that imports or calls something, told without running it."""
    dangerous = False
    try:
        for opcode, _, _ in pickletools.genops(content):
            dangerous = dangerous or opcode.name in DANGEROUS_OPCODES
    except Exception:  # genops raises nearly anything on bytes that are no pickle
        return False
    return dangerous


def check_provenance(contents: Mapping[str, bytes]) -> None:
    """Holds every file against the digests in provenance.json."""
    if PROVENANCE not in contents or MANIFEST not in contents:
        raise UnsafeArchive(f"the archive has no {PROVENANCE} or no {MANIFEST}: it was not made by marina archive")
    try:
        expected = dict(read_provenance(contents)["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnsafeArchive(f"{PROVENANCE} can't be read") from error
    found = digests({path: data for path, data in contents.items() if path != PROVENANCE})
    for path in sorted(expected.keys() | found.keys()):
        if expected.get(path) != found.get(path):
            raise UnsafeArchive(f"{path!r} is not the file that was packed")


def fingerprint(path: Path) -> str:
    """The SHA-256 of the archive file itself."""
    return sha256(path.read_bytes())
