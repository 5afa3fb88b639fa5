"""What is posted: bytes and their media type."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
}

SYSTEM_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}


@dataclass(frozen=True)
class Body:
    """What one request posts."""

    content: bytes
    content_type: str = "application/octet-stream"


def read_bodies(paths: Sequence[Path]) -> list[Body]:
    """Files as bodies, each with the type that its suffix says."""
    return [Body(path.read_bytes(), content_type(path.name)) for path in paths]


def is_system_file(name: str) -> bool:
    """Whether a file is hidden, or one that a system lays beside pictures by itself."""
    return name.startswith(".") or name.lower() in SYSTEM_FILES


def content_type(name: str) -> str:
    return TYPES.get(Path(name).suffix.lower(), Body.content_type)
