"""Canaries: a token that is planted in every input, and that no log, no file and no error may hold afterwards."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

BLOCK = 1 << 20


def make_canary(seed: int) -> str:
    """Letters and digits that occur nowhere by chance, the same for the same seed."""
    return "kanari" + hashlib.sha256(f"canary {seed}".encode()).hexdigest()[:14]


def spellings(canary: str) -> list[bytes]:
    """How it may stand in a file: plain, in UTF-16, in hexadecimal, and inside of base64 at each offset."""
    plain = canary.encode()
    found = [plain, canary.upper().encode(), canary.encode("utf-16-le"), plain.hex().encode()]
    for offset in range(3):
        # The first and the last letters also depend on what stands around it.
        packed = base64.b64encode(bytes(offset) + plain).rstrip(b"=")
        found.append(packed[4 if offset else 0 : -2])
    return found


def holds(content: bytes, patterns: Iterable[bytes]) -> bool:
    return any(pattern in content for pattern in patterns)


def find_canaries(canary: str, paths: Iterable[Path]) -> list[Path]:
    """The files that hold it."""
    patterns = spellings(canary)
    return [
        path for path in paths if any(holds(block, patterns) for block in read_blocks(path, max(map(len, patterns))))
    ]


def read_blocks(path: Path, overlap: int) -> Iterator[bytes]:
    """A file's content in pieces that overlap; nothing of one that is gone."""
    try:
        with path.open("rb") as file:
            kept = b""
            while block := file.read(BLOCK):
                yield kept + block
                kept = block[-overlap:]
    except OSError:
        return
