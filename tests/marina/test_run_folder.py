"""Where a server's files are: for its user alone, found by every shell, gone with the server."""

import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marina.errors import MarinaError
from marina.run_folder import OWNER_FILE, escape_property, folder_of, parent_name, run_folder
from tests.contract.test_serving import wait_until

NOBODY = 65534


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for everybody's temporary files, as /tmp is, with a short name."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o1777)
        monkeypatch.setattr("marina.run_folder.PLACES", (folder,))
        yield folder


def test_it_is_found_by_its_port_whatever_the_environment_says(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with run_folder(1) as folder:
        assert folder == place / parent_name() / "1"
        monkeypatch.setattr("tempfile.tempdir", "/nowhere")
        assert folder_of(1) == folder
    assert not folder.exists()


def test_others_see_nothing_but_what_is_public(place: Path) -> None:
    before = os.umask(0o077)
    try:
        with run_folder(1) as folder:
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    finally:
        os.umask(before)
    assert modes == {"1": 0o711, "public": 0o755, "server": 0o700, OWNER_FILE: 0o600}


@pytest.mark.parametrize("how", ["a link", "a folder that all can write to", "another user's folder"])
def test_nobody_can_take_its_name(place: Path, how: str) -> None:
    taken = place / parent_name()
    if how == "a link":
        taken.symlink_to(place)
    else:
        taken.mkdir()
        taken.chmod(0o777 if "write" in how else 0o711)
        if "user" in how:
            if os.getuid() != 0:
                pytest.skip("needs root")
            os.chown(taken, NOBODY, NOBODY)
    with run_folder(1) as folder:
        assert taken not in folder.parents
        assert folder_of(1) == folder


def test_a_place_where_others_can_rename_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        volume, other = Path(name) / "volume", Path(name) / "other"
        for folder, mode in ((Path(name), 0o755), (volume, 0o777), (other, 0o1777)):
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)
        monkeypatch.setattr("marina.run_folder.places", lambda: [volume, other])
        with run_folder(1) as folder:
            assert other in folder.parents
        monkeypatch.setattr("marina.run_folder.places", lambda: [volume])
        with run_folder(1) as folder:
            assert volume in folder.parents


def test_a_port_that_is_served_is_in_use(place: Path) -> None:
    with run_folder(1), pytest.raises(MarinaError, match=rf"in use.*process {os.getpid()}"), run_folder(1):
        pass


def test_the_next_start_removes_what_killed_servers_left_on_any_port(place: Path) -> None:
    with run_folder(1) as served:
        left = served.parent / "2"
        (left / "server").mkdir(parents=True)
        (left / "server" / "key_file.json").write_text("secret")
        (left / OWNER_FILE).write_text(str(os.getpid()))  # a number that another process has by now
        with run_folder(3):
            assert not left.exists()
            assert served.exists()


START = """
import os, subprocess, sys, time
from pathlib import Path
import marina.run_folder
marina.run_folder.PLACES = (Path(sys.argv[1]),)
from marina.processes import start_child
with marina.run_folder.run_folder(1) as folder:
    shell = "trap '' TERM; sleep 1000 & echo $!; wait"
    child = start_child(["sh", "-c", shell], folder, os.environ, subprocess.PIPE, run=folder)
    print(child.pid, child.stdout.readline(), flush=True)
    time.sleep(1000)
"""


def test_what_a_killed_process_has_started_ends_and_its_folder_goes(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what its children have started, and what is stopped and takes no signal but SIGKILL."""
    # The process that clears away looks where every server does.
    monkeypatch.setenv("TMPDIR", str(place))
    process = subprocess.Popen([sys.executable, "-c", START, place], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    started = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
    process.stdout.close()
    for child in started:
        child.suspend()
    assert folder_of(1).exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert wait_until(lambda: not any(child.is_running() for child in started))
    assert wait_until(lambda: not folder_of(1).exists())


def test_without_a_place_each_reason_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    odd = tmp_path / "a b;{"
    odd.mkdir()
    monkeypatch.setattr("marina.run_folder.places", lambda: [Path("/nowhere"), odd])
    with pytest.raises(MarinaError, match=r"/nowhere: No such file.*a b;\{: its path"), run_folder(1):
        pass


@given(st.text().filter(lambda text: not text.isspace()))
def test_java_reads_the_path_that_was_written(text: str) -> None:
    """As java.util.Properties.load reads a value: Latin-1, leading white space skipped, escapes resolved."""
    written = str(escape_property(text)).encode("latin-1").decode("latin-1")
    assert not re.search(r"[\r\n]", written)
    read = written.lstrip(" \t\f")
    names = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}

    def resolve(found: re.Match[str]) -> str:
        code = found[1]
        return chr(int(code[1:], 16)) if len(code) == 5 else names.get(code, code)

    units = re.sub(r"\\(u[0-9a-f]{4}|.)", resolve, read)
    assert units.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass") == text
