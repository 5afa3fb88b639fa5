"""What is looked at before a server sees an archive: is it whole, and can unpacking or loading it do harm?

An archive is code: its handlers run as the server does. What is kept out here are accidents and files that run code
where one expects data; whether to trust its makers, the digest tells (``marina verify --sha256``).
"""

import hashlib
import json
import os
import stat
import weakref
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from marina.contents import check_content
from marina.errors import MarinaError, UnsafeArchive
from marina.graph_files import check_graph
from marina.packing import MANIFEST, PROVENANCE, Entry, Section, Source, check_names, chunks, read_directory, show
from marina.provenance import sha256
from marina.references import check_references, read_document

__all__ = ["UnsafeArchive", "VerifiedArchive", "check_content", "fingerprint", "read_archive", "read_provenance"]


class VerifiedArchive(Mapping[str, bytes]):
    """An archive that has passed every check: path in it -> bytes, read when they are asked for.

    What is read is held against the digest that was verified, so a file that changes meanwhile is never used.
    """

    def __init__(self, path: Path) -> None:
        """Opens it and holds it against its own repacking. Raises UnsafeArchive and OSError."""
        self.path = path
        self.file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        self.close = weakref.finalize(self, os.close, self.file)
        found = os.fstat(self.file)
        if not stat.S_ISREG(found.st_mode):
            raise UnsafeArchive("it is no ordinary file")
        whole = Section(self.file, 0, found.st_size)
        self.entries = {entry.name: entry for entry in read_directory(whole)}
        self.digests: dict[str, str] = {}
        self.sha256 = self.hash(whole)

    def hash(self, whole: Section) -> str:
        """The SHA-256 of the file; on the way, each entry's own, and that its header and its CRC are right."""
        digest, end = hashlib.sha256(), 0
        for entry in self.entries.values():
            header = whole.read(entry.offset, len(entry.header))
            if header != entry.header:
                raise UnsafeArchive(
                    f"it was changed: before {show(entry.name)} it says something else than its directory"
                )
            digest.update(header)
            own, crc = hashlib.sha256(), 0
            for piece in chunks(self.section(entry.name)):
                digest.update(piece)
                own.update(piece)
                crc = zlib.crc32(piece, crc)
            if crc != entry.crc:
                raise UnsafeArchive(f"it is damaged: {show(entry.name)} has another CRC-32")
            self.digests[entry.name] = own.hexdigest()
            end = entry.end
        for piece in chunks(Section(self.file, end, whole.size - end)):
            digest.update(piece)
        return digest.hexdigest()

    def section(self, name: str) -> Section:
        entry: Entry = self.entries[name]
        return Section(self.file, entry.data_offset, entry.size)

    def check(self) -> None:
        """Everything else. Raises MarinaError."""
        self.check_provenance()
        check_files(self, {name: self.section(name) for name in self.entries})

    def check_provenance(self) -> None:
        """Holds every file against the digests in provenance.json."""
        if PROVENANCE not in self.entries or MANIFEST not in self.entries:
            raise UnsafeArchive(f"it has no {PROVENANCE} or no {MANIFEST}: it was not made by marina archive")
        check_content(PROVENANCE, self.section(PROVENANCE))
        document = read_document(self, PROVENANCE)
        expected, found = document.get("files"), {key: each for key, each in self.digests.items() if key != PROVENANCE}
        if not isinstance(expected, dict):
            raise UnsafeArchive(f"its {PROVENANCE} names no files")
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) != found.get(name):
                raise UnsafeArchive(f"{show(name)} is not the file that was packed")
        for key, kind in {"variant": str, "runtime": str, "quality": dict}.items():
            if not isinstance(document.get(key), kind):
                raise UnsafeArchive(f"its {PROVENANCE} says nothing of its {key}")

    def extract(self, folder: Path) -> None:
        """Writes its files into a folder, each held against its digest. Raises UnsafeArchive."""
        for name in self.entries:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            own = hashlib.sha256()
            with path.open("xb") as file:
                for piece in chunks(self.section(name)):
                    own.update(piece)
                    file.write(piece)
            if own.hexdigest() != self.digests[name]:
                raise UnsafeArchive(f"{self.path.name}: {show(name)} was changed while it was read")

    def __getitem__(self, name: str) -> bytes:
        entry = self.entries[name]
        content = self.section(name).read(0, entry.size)
        if sha256(content) != self.digests[name]:
            raise UnsafeArchive(f"{self.path.name}: {show(name)} was changed while it was read")
        return content

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def check_files(contents: Mapping[str, bytes], sources: Mapping[str, Source]) -> None:
    """Everything that is asked of an archive's files, whatever holds them. Raises MarinaError."""
    check_names(list(sources))
    sizes = {name: source.size for name, source in sources.items()}
    for name, source in sources.items():
        check_content(name, source)
    check_references(contents, sizes)
    for name, source in sources.items():
        if name.endswith(".onnx"):
            check_graph(name, source, sizes)


def read_archive(path: Path) -> VerifiedArchive:
    """An archive, after every check. Raises UnsafeArchive and MarinaError, which name it and the reason."""
    if not path.is_file():
        raise MarinaError(f"there is no archive {path}")
    try:
        archive = VerifiedArchive(path)
        archive.check()
    except UnsafeArchive as error:
        raise UnsafeArchive(f"{path.name} is refused: {error}") from error
    except MarinaError as error:
        raise MarinaError(f"{path.name} is refused: {error}") from error
    except OSError as error:
        raise MarinaError(f"{path} can't be read: {error.strerror}") from error
    return archive


def read_provenance(contents: Mapping[str, bytes]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(contents[PROVENANCE])
    return document


def fingerprint(path: Path) -> str:
    """The SHA-256 of the archive file itself."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
