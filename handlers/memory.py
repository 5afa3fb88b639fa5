"""What a worker's memory may grow by while it answers a batch, so that no input takes the machine's.

By RLIMIT_DATA, which counts what is written to: the heap and private memory (since Linux 4.7). RLIMIT_AS would count
addresses that a library only reserves. Between batches there is no limit: the server's own code knows no MemoryError.
"""

import os
import resource
from typing import Any, Iterable, Mapping, Optional

from .runtime import return_freed_memory
from .settings import Settings

STATM = "/proc/self/statm"
RESIDENT_FIELD, DATA_FIELD = 1, 5  # pages in memory; pages of data and stack (proc(5))
# Bytes in memory beyond what was there when the worker was warm, above which what was freed is given back.
TRIM_ABOVE = 50000000
MB = 1000000
# A decode takes at most 10 bytes a pixel (handlers/image_headers.py); a text's tokens took up to 500 bytes a character.
BYTES_PER_PIXEL = 12
BYTES_PER_CHAR = 2000
COPIES_OF_A_BODY = 2
# What libraries say that raise another exception than MemoryError: C++, ONNX Runtime, torch.
SIGNS = ("bad_alloc", "Failed to allocate memory", "can't allocate memory", "Cannot allocate memory")


class MemoryLimit:
    """From ``hold`` to ``release`` the process may use ``headroom`` bytes and the batch's own more than it does now."""

    def __init__(self, headroom: int) -> None:
        self.headroom = headroom
        self.used = used_memory() or 0
        self.resident = used_memory(RESIDENT_FIELD) or 0
        self.before = resource.getrlimit(resource.RLIMIT_DATA)

    def hold(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Sets the limit, for a batch of these rows."""
        self.before = resource.getrlimit(resource.RLIMIT_DATA)
        limit = self.used + self.headroom + COPIES_OF_A_BODY * size_of(rows)
        if self.before[0] == resource.RLIM_INFINITY or limit < self.before[0]:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, self.before[1]))

    def release(self, ran_out: bool, rows: Iterable[Mapping[str, Any]]) -> None:
        """Lifts the limit, and gives back what a large batch has freed.

        If memory ran out, what is in use is measured again: libraries keep what they prepared.
        """
        resource.setrlimit(resource.RLIMIT_DATA, self.before)
        if (used_memory(RESIDENT_FIELD) or 0) > self.resident + TRIM_ABOVE:
            return_freed_memory()
            self.resident = max(self.resident, used_memory(RESIDENT_FIELD) or 0)  # what stays is in use
        if ran_out:
            return_freed_memory()
            self.used = max(self.used, (used_memory() or 0) - size_of(rows))


def size_of(rows: Iterable[Mapping[str, Any]]) -> int:
    """The bytes that a batch's rows hold."""
    return sum(len(value) for row in rows for value in row.values() if isinstance(value, (bytes, bytearray, str)))


def used_memory(field: int = DATA_FIELD) -> Optional[int]:
    """The bytes of this process that RLIMIT_DATA counts, or of another field; None where the system does not tell."""
    try:
        with open(STATM) as file:
            return int(file.read().split()[field]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def make_limit(settings: Settings, device: str) -> Optional[MemoryLimit]:
    """The limit of a worker that is warm, from ``memory_mb`` and what the largest input that is allowed takes.

    None where the setting is 0, on a GPU, whose driver maps more than it uses, and where the system does not tell.
    """
    if settings.memory_mb == 0 or device != "cpu" or used_memory() is None:
        return None
    pixels, chars = (getattr(settings, name, 0) for name in ("max_pixels", "max_chars"))
    return MemoryLimit(max(settings.memory_mb * MB, BYTES_PER_PIXEL * pixels, BYTES_PER_CHAR * chars))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that there was no memory."""
    texts = [text for text in error.args if isinstance(text, str)]
    return isinstance(error, MemoryError) or any(sign in text for sign in SIGNS for text in texts)
