"""What a server loads are private copies on disk, by their digest; one that was changed is never used."""

import fcntl
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from marina import copies
from marina.copies import Copy, check_copy, file_system, find_folder, keep_copies, keep_copy, link_copies
from marina.errors import MarinaError
from marina.verify import fingerprint
from tests.servers import marina


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the copies, alone in its place."""
    monkeypatch.setenv(copies.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "archives"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "store" / "colours.mar"
    path.parent.mkdir()
    path.write_bytes(b"an archive")
    return path


def release(kept: list[Copy]) -> None:
    for copy in kept:
        copy.release()


def test_a_copy_is_private_and_shares_no_file_with_the_store(cache: Path, source: Path) -> None:
    (copy,) = keep_copies([source])
    assert copy.path == cache / fingerprint(source) / "colours.mar"
    assert copy.path.read_bytes() == b"an archive"
    assert copy.path.stat().st_ino != source.stat().st_ino
    assert copy.path.stat().st_nlink == 1
    assert stat.S_IMODE(copy.path.stat().st_mode) == 0o400
    for folder in (cache, cache.parent, copy.path.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    source.write_bytes(b"evil bytes")
    assert copy.path.read_bytes() == b"an archive"
    copy.release()


def test_the_same_archive_is_copied_once(cache: Path, source: Path) -> None:
    first, again = keep_copies([source, source])
    assert first.path == again.path
    assert len(list(cache.rglob("*.mar"))) == 1
    release([first, again])


def test_a_copy_that_was_changed_is_made_anew(cache: Path, source: Path) -> None:
    (copy,) = keep_copies([source])
    copy.release()
    copy.path.chmod(0o600)
    copy.path.write_bytes(b"evil bytes")
    with pytest.raises(MarinaError, match=r"colours\.mar is not the archive that was verified"):
        check_copy(copy.path, copy.sha256)
    with pytest.raises(MarinaError, match="verified"):
        link_copies(cache.parent / "served", {"colours.mar": (copy.path, copy.sha256)})
    (again,) = keep_copies([source])
    assert again.path.read_bytes() == b"an archive"
    again.release()


def test_what_nobody_used_for_long_goes_and_what_is_in_use_stays(cache: Path, source: Path) -> None:
    """Two servers, one of which still runs."""
    (used,) = keep_copies([source])
    source.write_bytes(b"another")
    (left,) = keep_copies([source])
    left.release()
    long_ago = time.time() - copies.UNUSED_S - 60
    for copy in (used, left):
        os.utime(copy.path.parent, (long_ago, long_ago))
    source.write_bytes(b"a third")
    (new,) = keep_copies([source])
    assert used.path.exists()
    assert not left.path.parent.exists()
    release([used, new])


def test_beyond_so_many_the_oldest_go(cache: Path, source: Path) -> None:
    for number in range(copies.MOST_KEPT + 3):
        source.write_bytes(str(number).encode())
        (copy,) = keep_copies([source])
        os.utime(copy.path.parent, (time.time() - 1000 + number,) * 2)
        copy.release()
    copies.remove_unused(cache)
    kept = {path.read_bytes() for path in cache.rglob("*.mar")}
    assert kept == {str(number).encode() for number in range(3, copies.MOST_KEPT + 3)}


def test_a_copy_that_is_just_removed_is_made_again(cache: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another server removes it between the copy and the lock."""
    flock, removed = fcntl.flock, []

    def remove_first(file: object, how: int) -> None:
        if not removed:
            removed.append(True)
            (cache / fingerprint(source) / "colours.mar").unlink()
        flock(file, how)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", remove_first)
    copy = keep_copy(source, find_folder())
    assert copy.path.read_bytes() == b"an archive"
    copy.release()


@pytest.mark.skipif(file_system(Path("/dev/shm")) != "tmpfs", reason="needs a tmpfs")
def test_copies_never_lie_in_memory(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    place = f"/dev/shm/marina-test-{os.getpid()}"
    monkeypatch.setenv(copies.VARIABLE, place)
    try:
        with pytest.raises(MarinaError, match=r"lies in memory \(tmpfs\).*set MARINA_CACHE to one on disk"):
            keep_copies([source])
        monkeypatch.delenv(copies.VARIABLE)
        monkeypatch.setenv("XDG_CACHE_HOME", place)
        assert file_system(find_folder()) != "tmpfs"
    finally:
        subprocess.run(["rm", "-r", place], check=True)


def test_without_a_home_there_is_another_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(copies.VARIABLE, raising=False)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))  # no folder can be made in it
    assert find_folder() == Path(f"/var/tmp/marina-{os.getuid()}/archives")


def test_a_folder_that_others_may_write_to_is_refused(cache: Path, source: Path) -> None:
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    with pytest.raises(MarinaError, match="not this user's own folder"):
        keep_copies([source])


def test_the_command_says_where_it_could_not_copy_to(tiny_archive: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = os.environ | {copies.VARIABLE: str(tmp_path / "file")}
    command = marina("serve", "--store", tiny_archive.parent, "--port", "0")
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("marina: no folder for the archives' private copies")
    assert "Traceback" not in done.stderr


def test_two_servers_that_start_at_once_share_the_copies(cache: Path, source: Path) -> None:
    code = "import sys; from pathlib import Path; from marina.copies import keep_copies\n"
    code += "print(keep_copies([Path(sys.argv[1])])[0].path.read_bytes())"
    source.write_bytes(os.urandom(4_000_000))
    command = [sys.executable, "-c", code, str(source)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for child in children:
        output, errors = child.communicate(timeout=60)
        assert (child.returncode, errors) == (0, "")
        assert output.strip() == str(source.read_bytes())
