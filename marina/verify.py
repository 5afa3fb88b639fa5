"""What is looked at before a server sees an archive: is it whole, and can unpacking or loading it do harm?"""

import io
import json
import pickletools
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from marina.errors import MarinaError
from marina.packing import MANIFEST, PROVENANCE, pack
from marina.provenance import digests, sha256

MAX_ENTRIES = 1_000
MAX_BYTES = 4 * 1024**3  # unpacked: the largest file that a zip without extensions can hold
# Pickle's instructions that import or call something. What holds none of them can only build plain values.
DANGEROUS_OPCODES = {"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "REDUCE", "BUILD", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2"}
PICKLE_SUFFIXES = {".pkl", ".pickle", ".pth", ".joblib", ".ckpt", ".npy", ".npz"}
# TorchScript is a zip whose .pkl parts torch reads with an unpickler that imports nothing; a checkpoint, which
# torch.load would unpickle, has no code folder.
TORCHSCRIPT_SUFFIX = ".pt"


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
    """Refuses a pickle, under whatever name it comes."""
    if PurePosixPath(name).suffix in PICKLE_SUFFIXES or is_pickle(content):
        raise UnsafeArchive(f"{name!r} is a pickle, which runs code when it is loaded")
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as inner:
            names = [PurePosixPath(inner_name) for inner_name in inner.namelist()]
        is_torchscript = any("code" in inner_name.parts for inner_name in names)
        if PurePosixPath(name).suffix != TORCHSCRIPT_SUFFIX or not is_torchscript:
            raise UnsafeArchive(f"{name!r} is an archive in the archive, and no TorchScript")


def is_pickle(content: bytes) -> bool:
    """Whether the bytes are, from the first on, a pickle that imports or calls something. Runs nothing."""
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
