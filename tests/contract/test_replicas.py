"""Several replicas behind one nginx: requests are spread, and nobody notices one that is gone."""

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from marina.replicas import render_compose
from marina.run_folder import read_front, read_state
from tests.conftest import ROOT
from tests.contract.test_serving import wait_until
from tests.servers import RunningServer, marina, start_server

START = ("--models", "colours", "--replicas", "2")


@pytest.fixture(scope="module")
def replicas(store: Path) -> Iterator[RunningServer]:
    with start_server("--store", store, *START) as running:
        yield running


def ports_of(server: RunningServer) -> list[int]:
    return read_front(server.port)[1].replicas


@contextmanager
def asked_on(server: RunningServer, body: bytes, clients: int = 8) -> Iterator[list[tuple[float, int]]]:
    """Clients that ask without a pause while the block lasts: when each answer came, and its status; 0 for none."""
    found: list[tuple[float, int]] = []
    over = threading.Event()

    def ask_on() -> None:
        with httpx.Client(timeout=30, trust_env=False) as client:
            while not over.is_set():
                try:
                    status = client.post(f"{server.url}/predictions/colours", content=body).status_code
                except httpx.TransportError:
                    status = 0
                found.append((time.monotonic(), status))

    threads = [threading.Thread(target=ask_on) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        over.set()
        for thread in threads:
            thread.join(60)


def answered(port: int) -> float:
    """How many predictions a replica has answered, from its server's metrics."""
    metrics = read_state(port)[1].ports.metrics
    lines = httpx.get(f"http://127.0.0.1:{metrics}/metrics", trust_env=False).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("ts_inference_requests_total"))


def test_requests_are_spread_over_all(replicas: RunningServer, jpeg: bytes) -> None:
    before = [answered(port) for port in ports_of(replicas)]
    with asked_on(replicas, jpeg) as found:
        assert wait_until(lambda: len(found) > 200)
    counts = [answered(port) - old for port, old in zip(ports_of(replicas), before, strict=True)]
    assert min(counts) > 0.25 * sum(counts)
    assert {status for _, status in found} == {200}


def test_the_front_shows_what_a_replica_shows(replicas: RunningServer) -> None:
    for path in ("/", "/models.json", "/openapi.json", "/ping", "/samples/colours/red.png", "/docs"):
        one = httpx.get(f"http://127.0.0.1:{ports_of(replicas)[0]}{path}", trust_env=False)
        front = httpx.get(replicas.url + path, trust_env=False)
        assert (front.status_code, front.content) == (one.status_code, one.content)
        for name in ("content-type", "content-security-policy", "location"):
            assert front.headers.get(name) == one.headers.get(name)


def test_errors_come_in_one_form(replicas: RunningServer, jpeg: bytes) -> None:
    for content, status in ((b"no picture", 400), (jpeg + bytes(300_000), 413), (jpeg + bytes(9_000_000), 413)):
        response = replicas.predict("colours", content, "image/jpeg")
        assert (response.status_code, response.json()["code"]) == (status, status)
    assert replicas.predict("nobody", jpeg).json()["code"] == 404


def test_cores_are_divided_among_replicas(replicas: RunningServer) -> None:
    share = max(1, len(os.sched_getaffinity(0)) // 2)
    for port in ports_of(replicas):
        assert read_state(port)[1].cores == share


def test_nothing_but_the_front_could_listen_beyond_loopback(replicas: RunningServer) -> None:
    for process in replicas.family():
        for connection in process.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN:
                assert connection.laddr.ip.removeprefix("::ffff:") == "127.0.0.1"


@pytest.mark.parametrize("victim", ["marina", "java", "nginx"])
def test_nobody_notices_a_replica_that_is_killed(replicas: RunningServer, jpeg: bytes, victim: str) -> None:
    """After the first second no client meets an error, and the replica comes back."""
    assert wait_until(lambda: all_ready(replicas), 60)
    owner = int((read_state(ports_of(replicas)[0])[0] / "owner.pid").read_text())
    target = psutil.Process(owner)
    if victim != "marina":
        target = next(child for child in target.children(recursive=True) if child.name() == victim)
    with asked_on(replicas, jpeg) as found:
        assert wait_until(lambda: len(found) > 100)
        killed = time.monotonic()
        target.send_signal(signal.SIGKILL)
        time.sleep(5)
    statuses = Counter(status for when, status in found if when > killed + 1)
    assert set(statuses) == {200}, statuses
    assert statuses[200] > 100
    assert wait_until(lambda: all_ready(replicas), 60), "".join(replicas.lines)


def all_ready(server: RunningServer) -> bool:
    return all(is_ready(port) for port in ports_of(server))


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ping", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_a_rolling_restart_costs_no_request(replicas: RunningServer, jpeg: bytes) -> None:
    assert wait_until(lambda: all_ready(replicas), 60)
    before = [read_state(port)[1].process for port in ports_of(replicas)]
    with asked_on(replicas, jpeg, 4) as found:
        done = subprocess.run(marina("restart", "--port", replicas.port), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    after = [read_state(port)[1].process for port in ports_of(replicas)]
    assert not set(before) & set(after)
    assert {status for _, status in found} == {200}


def test_status_and_scale_reach_every_replica(store: Path, new_server: Callable[..., RunningServer]) -> None:
    server = new_server("--store", store, *START)
    subprocess.run(marina("scale", "colours", 2, "--port", server.port), check=True, stdout=subprocess.DEVNULL)
    status = subprocess.check_output(marina("status", "--port", server.port), text=True)
    assert status.count("2 of 2") == 2
    family = server.family()
    assert server.stop() == 0
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_one_server_is_not_restarted_without_a_gap(torchserve: RunningServer) -> None:
    done = subprocess.run(marina("restart", "--port", torchserve.port), capture_output=True, text=True)
    assert done.returncode == 1
    assert "replicas" in done.stderr


def test_compose_has_the_same_front() -> None:
    """What compose mounts is this template, rendered for names that Docker resolves."""
    assert (ROOT / "deploy/compose/nginx.conf").read_text() == render_compose()
