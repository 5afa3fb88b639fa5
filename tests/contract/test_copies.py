"""An archive that is replaced in the store while it is served never runs: at no restart, scale-up or replica."""

import json
import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from marina.packing import PROVENANCE, pack
from marina.provenance import digests
from marina.run_folder import FRONT_FILE, folder_of, read_front
from marina.verify import read_archive
from tests.servers import RunningServer, marina

RESTART_TIMEOUT_S = 120


@pytest.fixture
def store(tiny_archive: Path, tmp_path: Path) -> Path:
    """A store of one archive, of this test's own."""
    folder = tmp_path / "store"
    folder.mkdir()
    shutil.copy(tiny_archive, folder)
    return folder


def replace_archive(store: Path, canary: Path) -> None:
    """Puts a sound archive in the place of the one that is served, whose handlers write a file when they are loaded."""
    contents = dict(read_archive(store / "colours.mar"))
    contents["handlers/entry.py"] += f"\nopen({str(canary)!r}, 'w').close()\n".encode()
    provenance = json.loads(contents[PROVENANCE])
    provenance["files"] = digests({name: data for name, data in contents.items() if name != PROVENANCE})
    contents[PROVENANCE] = json.dumps(provenance).encode()
    (store / "colours.mar").write_bytes(pack(contents))
    assert read_archive(store / "colours.mar")


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + RESTART_TIMEOUT_S
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def answers(server: RunningServer, content: bytes) -> bool:
    try:
        return server.predict("colours", content).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize("name", ["torchserve", "mms"])
def test_a_replaced_archive_never_runs(
    store: Path, tmp_path: Path, jpeg: bytes, new_server: Callable[..., RunningServer], name: str
) -> None:
    running = new_server("--store", store, "--server", name)
    served = list((running.folder / "served").iterdir())
    assert [path.name for path in served] == ["colours.mar"]
    assert stat.S_IMODE((running.folder / "served").stat().st_mode) == 0o700
    assert stat.S_IMODE((running.folder / "tmp").stat().st_mode) == 0o700  # where the server unpacks them
    assert store not in served[0].resolve().parents
    replace_archive(store, tmp_path / "canary")
    done = subprocess.run(marina("scale", "colours", "2", "--port", running.port), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    java = running.state.process
    psutil.Process(java).kill()
    wait_until(lambda: running.state.process != java and answers(running, jpeg))
    assert not (tmp_path / "canary").exists()


def test_nor_does_one_in_a_replica_that_is_started_again(
    store: Path, tmp_path: Path, jpeg: bytes, new_server: Callable[..., RunningServer]
) -> None:
    running = new_server("--store", store, "--replicas", 2)
    replace_archive(store, tmp_path / "canary")
    first = read_front(running.port)[1].replicas[0]
    owner = int((folder_of(first) / "owner.pid").read_text())
    os.kill(owner, signal.SIGKILL)
    wait_until(lambda: is_ready(first, owner))
    assert answers(running, jpeg)
    assert not (tmp_path / "canary").exists()
    assert (running.folder / FRONT_FILE).exists()
    # A restart that is asked for is how a new archive comes to be served.
    done = subprocess.run(marina("restart", "--port", running.port), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "canary").exists()


def is_ready(port: int, before: int) -> bool:
    """Whether another process than before answers there for every model."""
    try:
        owner = int((folder_of(port) / "owner.pid").read_text())
        return owner != before and httpx.get(f"http://127.0.0.1:{port}/ping", trust_env=False).status_code == 200
    except (OSError, ValueError, httpx.HTTPError):
        return False


def test_a_restart_with_an_archive_that_is_refused_leaves_all_as_it_is(
    store: Path, jpeg: bytes, new_server: Callable[..., RunningServer]
) -> None:
    running = new_server("--store", store, "--replicas", 2)
    (store / "colours.mar").write_bytes((store / "colours.mar").read_bytes()[:-1])
    done = subprocess.run(marina("restart", "--port", running.port), capture_output=True, text=True)
    assert done.returncode == 1
    assert answers(running, jpeg)
    assert "colours.mar is refused" in "".join(running.lines)
