"""What `marina serve` does about processes that stop, models that can't be loaded, and its own end."""

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from marina.archive import build_archive
from marina.management import mms_processes
from marina.processes import STOPPED
from tests.contract.test_replicas import all_ready, ports_of
from tests.contract.test_serving import BOTH, NewServer, ping, wait_until
from tests.servers import RunningServer
from tests.tiny import write_tiny_model, write_tiny_names

PTRACE_ATTACH = 16  # sys/ptrace.h


@pytest.fixture(scope="module")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archives of two tiny models, ``colours`` and ``names``."""
    folder = tmp_path_factory.mktemp("small")
    write_tiny_model(folder / "colours")
    write_tiny_names(folder / "names")
    for name in ("colours", "names"):
        build_archive(folder / name, folder)
    return folder


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def answers(server: RunningServer, body: bytes) -> bool:
    """Whether it is ready, and predicts."""
    try:
        return ping(server) == 200 and server.predict("colours", body).status_code == 200
    except httpx.TransportError:
        return False


def assert_replaced(server: RunningServer, pid: int, jpeg: bytes) -> None:
    assert wait_until(lambda: is_gone(pid)), "".join(server.lines)
    assert wait_until(lambda: answers(server, jpeg), 60), "".join(server.lines)


@contextmanager
def debugged(pid: int) -> Iterator[None]:
    """A debugger has stopped the process while the block lasts."""
    attached, over = threading.Event(), threading.Event()
    errors: list[int] = []

    def attach() -> None:  # and wait for it: only the thread that attached may
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.ptrace(PTRACE_ATTACH, pid, None, None) != 0:
            errors.append(ctypes.get_errno())
        else:
            os.waitpid(pid, 0x40000000)  # __WALL
        attached.set()
        if not errors:
            os.waitpid(pid, 0x40000000)

    thread = threading.Thread(target=attach, daemon=True)
    thread.start()
    attached.wait()
    if errors:
        pytest.skip("this user may not debug other processes")
    yield
    over.set()
    thread.join(30)


@BOTH
def test_a_stopped_worker_is_not_ready_and_is_replaced(
    small_store: Path, new_server: NewServer, kind: str, jpeg: bytes
) -> None:
    server = new_server("--store", small_store, "--server", kind, "--models", "colours", "--workers", 1)
    (pid,) = server.worker_pids("colours")
    os.kill(pid, signal.SIGSTOP)
    assert wait_until(lambda: ping(server) == 503), "".join(server.lines)
    assert_replaced(server, pid, jpeg)


@BOTH
def test_while_another_worker_answers_the_model_is_ready(
    small_store: Path, new_server: NewServer, kind: str, jpeg: bytes
) -> None:
    server = new_server("--store", small_store, "--server", kind, "--models", "colours", "--workers", 2)
    first, second = server.worker_pids("colours")
    os.kill(first, signal.SIGSTOP)
    statuses = set()

    def is_replaced() -> bool:
        statuses.add(ping(server))
        return is_gone(first) and server.management.count_workers("colours").ready == 2

    assert wait_until(is_replaced), "".join(server.lines)
    assert statuses == {200}
    assert not is_gone(second)


def test_a_worker_that_a_debugger_stops_is_replaced(small_store: Path, new_server: NewServer, jpeg: bytes) -> None:
    server = new_server("--store", small_store, "--models", "colours", "--workers", 1)
    (pid,) = server.worker_pids("colours")
    with debugged(pid):
        assert psutil.Process(pid).status() in STOPPED
        assert wait_until(lambda: ping(server) == 503), "".join(server.lines)
        assert wait_until(lambda: is_gone(pid))
    assert_replaced(server, pid, jpeg)


def nginx_of(server: RunningServer) -> psutil.Process:
    tool = psutil.Process(server.process.pid)
    return next(child for child in tool.children() if child.name() == "nginx")


PARTS: dict[str, Callable[[RunningServer], int]] = {
    "java": lambda server: server.state.process,
    "nginx": lambda server: nginx_of(server).pid,
    "worker of nginx": lambda server: nginx_of(server).children()[0].pid,
}


@BOTH
@pytest.mark.parametrize("part", PARTS)
def test_a_stopped_part_is_replaced(
    small_store: Path, new_server: NewServer, kind: str, part: str, jpeg: bytes
) -> None:
    server = new_server("--store", small_store, "--server", kind, "--models", "colours")
    pid = PARTS[part](server)
    os.kill(pid, signal.SIGSTOP)
    assert_replaced(server, pid, jpeg)


def test_a_stopped_process_that_mms_forks_workers_from_is_replaced(
    small_store: Path, new_server: NewServer, jpeg: bytes
) -> None:
    server = new_server("--store", small_store, "--server", "mms", "--models", "colours")
    (parent,) = mms_processes(server.state.process, "colours")
    parent.suspend()
    assert_replaced(server, parent.pid, jpeg)


@pytest.mark.parametrize("part", ["replica", "nginx"])
def test_a_stopped_part_of_replicas_is_replaced(
    small_store: Path, new_server: NewServer, part: str, jpeg: bytes
) -> None:
    server = new_server("--store", small_store, "--models", "colours", "--replicas", 2)
    tool = psutil.Process(server.process.pid)
    found = next(child for child in tool.children() if (child.name() == "nginx") == (part == "nginx"))
    if part == "replica":
        port = ports_of(server)[0]
        found = next(child for child in tool.children() if str(port) in child.cmdline())
    found.suspend()
    assert_replaced(server, found.pid, jpeg)
    assert wait_until(lambda: all_ready(server), 60), "".join(server.lines)


@BOTH
def test_a_stop_does_not_wait_for_what_is_stopped(small_store: Path, new_server: NewServer, kind: str) -> None:
    server = new_server("--store", small_store, "--server", kind, "--models", "colours")
    family = server.family()
    os.kill(server.state.process, signal.SIGSTOP)
    assert server.stop() == 0
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
