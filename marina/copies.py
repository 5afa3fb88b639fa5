"""Private copies of archives, by their digest: what a server loads, whatever becomes of the store meanwhile.

They stand on disk, in a folder that only this user can enter, and are verified there: nobody else can change one
between its check and its use, at a restart neither. A copy in use is locked; one that nobody used for long is removed.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from marina.errors import MarinaError
from marina.packing import CHUNK_BYTES, MAX_BYTES

VARIABLE = "MARINA_CACHE"  # another folder for them
FICLONE = 0x40049409  # of ioctl_ficlone(2): the copy shares the blocks until one of the two changes
IN_MEMORY = {"tmpfs", "ramfs", "devtmpfs", "rootfs"}
MOST_KEPT = 32
UNUSED_S = 30 * 24 * 3600
UNFINISHED_S = 24 * 3600
TRIES = 5  # to lock a copy that another server is just removing


class Copy:
    """An archive's private copy, locked until the process ends or it is let go of."""

    def __init__(self, path: Path, sha256: str, file: IO[bytes]) -> None:
        self.path = path
        self.sha256 = sha256
        self.file = file

    def release(self) -> None:
        self.file.close()


def keep_copies(sources: Sequence[Path]) -> list[Copy]:
    """A private copy of each archive, named as it is; old ones that nobody uses are removed. Raises MarinaError."""
    folder = find_folder()
    copies = [keep_copy(source, folder) for source in sources]
    remove_unused(folder)
    return copies


def keep_copy(source: Path, folder: Path) -> Copy:
    """``folder``/DIGEST/NAME.mar with the bytes of ``source``, locked. Raises MarinaError."""
    try:
        with source.open("rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
                raise MarinaError(f"{source.name} is refused: it is no ordinary file of at most {MAX_BYTES} bytes")
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            place = folder / digest / source.name
            for _ in range(TRIES):
                if not place.is_file() or digest_of(place) != digest:
                    write_copy(file, place, digest)
                copy = lock(place, digest)
                if copy is not None:
                    return copy
    except OSError as error:
        raise MarinaError(f"{source} can't be copied to {folder}: {error.strerror}") from error
    raise MarinaError(f"{source} can't be copied to {folder}: the copy was removed again and again")


def write_copy(source: IO[bytes], place: Path, digest: str) -> None:
    """Writes a copy, whole or not at all. Raises OSError, and MarinaError where the source changes meanwhile."""
    place.parent.mkdir(mode=0o700, exist_ok=True)
    partial = place.parent / f".{place.name}.{os.getpid()}"
    try:
        copy_bytes(source, partial)
        if digest_of(partial) != digest:
            raise MarinaError(f"{place.name} changed while it was copied; start again when it is whole")
        partial.replace(place)
    finally:
        partial.unlink(missing_ok=True)


def copy_bytes(source: IO[bytes], target: Path) -> None:
    """Copies a file's bytes into a new file that only this user can read; shares them where the disk can."""
    target.unlink(missing_ok=True)
    source.seek(0)
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as file:
        try:
            fcntl.ioctl(file, FICLONE, source.fileno())
        except OSError:
            shutil.copyfileobj(source, file, CHUNK_BYTES)
        file.flush()
        os.fsync(file.fileno())


def lock(place: Path, digest: str) -> Copy | None:
    """The copy, locked so that nobody removes it; None where somebody just did."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(place.open("rb"))
            fcntl.flock(file, fcntl.LOCK_SH)
            if os.fstat(file.fileno()).st_ino != place.stat().st_ino:
                return None
            os.utime(place.parent)
        except FileNotFoundError:
            return None
        stack.pop_all()
    return Copy(place, digest, file)


def check_copy(place: Path, digest: str) -> None:
    """Refuses a copy that is not what was verified any more. Raises MarinaError."""
    try:
        is_same = digest_of(place) == digest
    except OSError as error:
        raise MarinaError(f"{place} can't be read: {error.strerror}") from error
    if not is_same:
        raise MarinaError(f"{place} is not the archive that was verified: it was changed meanwhile")


def link_copies(folder: Path, copies: Mapping[str, tuple[Path, str]]) -> None:
    """A folder of this user's own that holds these copies, file name -> (path, digest), each checked once more.

    Raises MarinaError.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    for name, (path, digest) in copies.items():
        check_copy(path, digest)
        (folder / name).symlink_to(path)


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_folder() -> Path:
    """The folder of the copies, made where it is missing. Raises MarinaError where no place will do."""
    reasons = []
    for place in places():
        try:
            return prepare(place)
        except OSError as error:
            reasons.append(f"{place}: {error.strerror}")
        except MarinaError as error:
            reasons.append(str(error))
    reason = "; ".join(reasons)
    raise MarinaError(f"no folder for the archives' private copies ({reason}): set {VARIABLE} to one on disk")


def places() -> list[Path]:
    """Where the copies may stand, the best first."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return [Path(chosen).absolute()]
    cache = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(cache) if cache.startswith("/") else Path(os.path.expanduser("~"), ".cache")
    return [home / "marina", Path(f"/var/tmp/marina-{os.getuid()}")]  # noqa: S108 (its owner is checked)


def prepare(place: Path) -> Path:
    """The folder in that place that only this user can enter. Raises OSError and MarinaError."""
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = place / "archives"
    folder.mkdir(mode=0o700, exist_ok=True)
    for each in (place, folder):
        found = each.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise MarinaError(f"{each} is not this user's own folder")
    folder.chmod(0o700)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise MarinaError(f"{folder} can't be written to")
    kind = file_system(folder.resolve())
    if kind in IN_MEMORY:
        raise MarinaError(f"{folder} lies in memory ({kind})")
    return folder


def file_system(path: Path) -> str:
    """The kind of the file system that holds a path, from proc(5); nothing where the kernel does not tell."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    for line in lines:
        fields = line.split()
        mounted = fields[4].encode().decode("unicode_escape")  # a space is written as \040
        if path.is_relative_to(mounted) and len(mounted) >= len(best):
            best, kind = mounted, fields[fields.index("-") + 1]
    return kind


def remove_unused(folder: Path) -> None:
    """Removes the copies that nobody used for long, and beyond so many the oldest; never one that is in use."""
    found = sorted(((each.stat().st_mtime, each) for each in folder.iterdir() if each.is_dir()), reverse=True)
    for number, (used, each) in enumerate(found):
        if number >= MOST_KEPT or time.time() - used > UNUSED_S:
            remove(each)
        else:
            for partial in each.glob(".*"):
                if time.time() - partial.stat().st_mtime > UNFINISHED_S:
                    partial.unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Removes a copy's folder if no server has it locked."""
    for path in folder.glob("*"):
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return
            path.unlink()
    shutil.rmtree(folder, ignore_errors=True)
