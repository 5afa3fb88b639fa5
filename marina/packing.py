"""The archive file itself: a zip that is the same byte for byte whenever its contents are, written and read strictly.

Nothing is compressed, nothing carries a time, and the files lie one behind another, sorted by name. Such a zip holds
the same files for every reader, by its directory or from its beginning: ``read_directory`` takes no other.
"""

import os
import stat
import struct
import unicodedata
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Protocol

from marina.errors import MarinaError, UnsafeArchive

MANIFEST = "MAR-INF/MANIFEST.json"
PROVENANCE = "provenance.json"
MAX_ENTRIES = 1_000
MAX_NAME_BYTES = 255  # of a path in the archive, in UTF-8
MAX_PARTS = 16  # folders of a path, the file included
MAX_BYTES = 2**32 - 2  # of the archive: what a zip without extensions can hold, less the value that announces one
CHUNK_BYTES = 1 << 20
PAGE_BYTES = 1 << 16

# APPNOTE.TXT, 4.3.7, 4.3.12 and 4.3.16: a file's header, its record in the directory, and the end of the directory.
HEADER = struct.Struct("<4s5H3I2H")
RECORD = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
HEADER_MARK, RECORD_MARK, END_MARK = b"PK\3\4", b"PK\1\2", b"PK\5\6"
ZIP_VERSION = 20
UNIX = 3
IS_UTF8 = 0x800
STORED = 0
EPOCH = (0, 1 << 5 | 1)  # 1 January 1980, 00:00: the earliest time that a zip can hold
ORDINARY_FILE = (stat.S_IFREG | 0o644) << 16
# Control and format characters, surrogates, unassigned ones, line ends: what does not show, or not in its place.
UNPLAIN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
ABSENT = 0xFFFF  # the number of entries in a zip that says it elsewhere (zip64)


class Source(Protocol):
    """Bytes that are read piece by piece."""

    size: int

    def read(self, offset: int, size: int) -> bytes:
        """So many bytes from there, fewer at the end."""


class Bytes:
    """Bytes in memory as a ``Source``."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)

    def read(self, offset: int, size: int) -> bytes:
        return self.content[offset : offset + size]


class Section:
    """A range of an open file (its descriptor) as a ``Source``; a page of it is kept."""

    def __init__(self, file: int, start: int, size: int) -> None:
        self.file = file
        self.start = start
        self.size = size
        self.page, self.page_start = b"", 0

    def read(self, offset: int, size: int) -> bytes:
        size = max(0, min(size, self.size - offset))
        if size > PAGE_BYTES // 2:
            return read_at(self.file, self.start + offset, size)
        first = offset - self.page_start
        if first < 0 or first + size > len(self.page):
            self.page = read_at(self.file, self.start + offset, min(PAGE_BYTES, self.size - offset))
            self.page_start, first = offset, 0
        return self.page[first : first + size]


def read_at(file: int, offset: int, size: int) -> bytes:
    """So many bytes of a file from there. Raises UnsafeArchive where it ends before."""
    pieces = []
    while size > 0:
        piece = os.pread(file, min(size, 1 << 30), offset)
        if not piece:
            raise UnsafeArchive("the file became shorter while it was read")
        pieces.append(piece)
        offset, size = offset + len(piece), size - len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def chunks(source: Source) -> Iterator[bytes]:
    """All of a source, a piece at a time."""
    for offset in range(0, source.size, CHUNK_BYTES):
        yield source.read(offset, CHUNK_BYTES)


@dataclass(frozen=True)
class Entry:
    """One file of an archive: its CRC-32, its size in bytes and where its header begins."""

    name: str
    crc: int
    size: int
    offset: int

    @property
    def header(self) -> bytes:
        """What stands before the file."""
        name = self.name.encode()
        fields = (ZIP_VERSION, flags(self.name), STORED, *EPOCH, self.crc, self.size, self.size, len(name), 0)
        return HEADER.pack(HEADER_MARK, *fields) + name

    @property
    def record(self) -> bytes:
        """What the directory says of it."""
        name = self.name.encode()
        fields = (
            UNIX << 8 | ZIP_VERSION,
            ZIP_VERSION,
            flags(self.name),
            STORED,
            *EPOCH,
            self.crc,
            self.size,
            self.size,
        )
        return RECORD.pack(RECORD_MARK, *fields, len(name), 0, 0, 0, 0, ORDINARY_FILE, self.offset) + name

    @property
    def data_offset(self) -> int:
        return self.offset + HEADER.size + len(self.name.encode())

    @property
    def end(self) -> int:
        return self.data_offset + self.size


def flags(name: str) -> int:
    return 0 if name.isascii() else IS_UTF8


def pack(contents: Mapping[str, bytes]) -> bytes:
    """A zip of the contents (path in the archive -> bytes): sorted, without times, without compression.

    Weights hardly compress, and what is only stored does not depend on a zlib's version. Raises MarinaError where the
    contents are too many or too large.
    """
    entries: list[Entry] = []
    for name in sorted(contents):
        offset = entries[-1].end if entries else 0
        entries.append(Entry(name, zlib.crc32(contents[name]), len(contents[name]), offset))
    total = entries[-1].end if entries else 0
    if len(entries) > MAX_ENTRIES or total + len(entries) * (RECORD.size + MAX_NAME_BYTES) > MAX_BYTES:
        raise MarinaError(f"an archive holds at most {MAX_ENTRIES} files and {MAX_BYTES} bytes")
    pieces = [piece for entry in entries for piece in (entry.header, contents[entry.name])]
    return b"".join([*pieces, directory(entries)])


def directory(entries: list[Entry]) -> bytes:
    """What stands behind the last file."""
    records = b"".join(entry.record for entry in entries)
    offset = entries[-1].end if entries else 0
    return records + END.pack(END_MARK, 0, 0, len(entries), len(entries), len(records), offset, 0)


def read_directory(source: Source) -> list[Entry]:
    """The files of an archive, told from its directory alone, in the order in which they lie in it.

    How many they are and how long the directory is, is looked at before any of it is read. Raises UnsafeArchive.
    """
    if source.size > MAX_BYTES:
        raise UnsafeArchive(f"it has more than {MAX_BYTES} bytes")
    end_offset = source.size - END.size
    end = source.read(end_offset, END.size) if end_offset >= 0 else b""
    if end[:4] != END_MARK:
        raise UnsafeArchive("it is damaged: it does not end as a zip without a comment does")
    _, disk, first_disk, here, count, size, offset, comment = END.unpack(end)
    if ABSENT in (here, count) or max(here, count) > MAX_ENTRIES:
        raise UnsafeArchive(f"it holds more than {MAX_ENTRIES} files")
    if (disk, first_disk, here, comment) != (0, 0, count, 0) or offset + size != end_offset:
        raise UnsafeArchive("it is damaged: its directory is not where it says")
    if size > count * (RECORD.size + MAX_NAME_BYTES):
        raise UnsafeArchive(f"it has a name of more than {MAX_NAME_BYTES} bytes, or a comment")
    records = source.read(offset, size)
    entries = parse_records(records, count)
    check_names([entry.name for entry in entries])
    places = [0, *(entry.end for entry in entries)]
    is_dense = all(entry.offset == place for entry, place in zip(entries, places, strict=False))
    is_sorted = all(one.name < other.name for one, other in pairwise(entries))
    if not is_dense or not is_sorted or records + end != directory(entries):
        raise UnsafeArchive("it was changed: it is not packed as marina archive packs it")
    return entries


def parse_records(records: bytes, count: int) -> list[Entry]:
    """The entries of a directory, each of them an ordinary file that is only stored. Raises UnsafeArchive."""
    entries: list[Entry] = []
    place = 0
    for _ in range(count):
        fields = records[place : place + RECORD.size]
        if len(fields) < RECORD.size or fields[:4] != RECORD_MARK:
            raise UnsafeArchive("it is damaged: its directory can't be read")
        _, _, _, bits, method, _, _, crc, packed, size, length, extra, comment, _, _, kind, offset = RECORD.unpack(
            fields
        )
        place += RECORD.size
        raw = records[place : place + length]
        place += length + extra + comment
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise UnsafeArchive(f"the name {show(raw)} is not UTF-8") from None
        if bits & 1:
            raise UnsafeArchive(f"{show(name)} is encrypted")
        if method != STORED or packed != size:
            raise UnsafeArchive(f"{show(name)} is compressed, which marina archive never does")
        if not stat.S_ISREG(kind >> 16):
            raise UnsafeArchive(f"{show(name)} is a link or no ordinary file")
        entries.append(Entry(name, crc, size, offset))
    return entries


def check_names(names: Sequence[str]) -> None:
    """Refuses names that lead out of a folder, or that any system would write to another place than another."""
    for name in names:
        if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
            raise UnsafeArchive(f"{show(name)} would be written outside the archive's folder")
        if not is_plain(name):
            raise UnsafeArchive(f"{show(name)} is no plain name of a file")
    taken: dict[str, str] = {}
    for name in sorted(names):
        key = fold(name)
        if key in taken:
            other = (
                "stands in the archive twice" if taken[key] == name else f"and {show(taken[key])} are one file to some"
            )
            raise UnsafeArchive(f"{show(name)} {other}")
        taken[key] = name
    for name in names:
        for parent in PurePosixPath(fold(name)).parents:
            if str(parent) in taken:
                raise UnsafeArchive(f"{show(taken[str(parent)])} is a file and a folder")


def is_plain(name: str) -> bool:
    """Whether a path is spelt in one way only, and shows as what it is."""
    parts = name.split("/")
    return (
        0 < len(name.encode()) <= MAX_NAME_BYTES
        and len(parts) <= MAX_PARTS
        and all(part not in ("", ".") and part == part.rstrip(" .").lstrip() for part in parts)
        and unicodedata.normalize("NFC", name) == name
        and not any(unicodedata.category(letter) in UNPLAIN or letter in '*?"<>|' for letter in name)
    )


def fold(name: str) -> str:
    """The same for names that some file system takes for one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def show(name: str | bytes) -> str:
    """A name as an error message can hold it: escaped, not too long."""
    text = ascii(name)
    return text if len(text) <= 120 else f"{text[:100]}...{text[-1]}"
