"""A server in use: access, scaling, workers that die, and an orderly end."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from marina.management import mms_processes
from marina.run_folder import OWNER_FILE, own_parents
from tests.servers import FREE_PORTS, RunningServer, marina

NewServer = Callable[..., RunningServer]
BOTH = pytest.mark.parametrize("kind", ["torchserve", "mms"])


def listening(server: RunningServer) -> dict[str, set[str]]:
    """Program -> addresses that it listens on, of a server and all its processes."""
    found: dict[str, set[str]] = {}
    for process in server.family():
        for connection in process.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN:
                found.setdefault(process.name(), set()).add(connection.laddr.ip.removeprefix("::ffff:"))
    return found


def load(server: RunningServer, body: bytes, requests: int, clients: int = 16) -> list[Future[httpx.Response]]:
    """Asks the server from several clients; gives the answers to come, in order of asking."""
    pool = ThreadPoolExecutor(clients)
    futures = [pool.submit(server.predict, "resnet18", body, "image/jpeg") for _ in range(requests)]
    pool.shutdown(wait=False)
    return futures


def wait_until(condition: Callable[[], bool], timeout_s: float = 30) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def ping(server: RunningServer) -> int:
    return httpx.get(f"{server.url}/ping", trust_env=False).status_code


def folders_of(pid: int) -> list[Path]:
    """The run folders of a process."""
    owners = [path for parent in own_parents() for path in parent.glob(f"*/{OWNER_FILE}")]
    return [path.parent for path in owners if path.read_text() == str(pid)]


def test_nothing_listens_beyond_loopback(server: RunningServer) -> None:
    addresses = listening(server)
    assert set().union(*addresses.values()) == {"127.0.0.1"}
    assert "nginx" in addresses


@BOTH
def test_with_a_host_nginx_alone_listens_beyond_loopback(store: Path, new_server: NewServer, kind: str) -> None:
    server = new_server("--store", store, "--server", kind, "--models", "colours", "--host", "0.0.0.0")
    addresses = listening(server)
    assert addresses.pop("nginx") - {"127.0.0.1"} == {"0.0.0.0"}  # management and metrics stay on loopback
    assert set().union(*addresses.values()) <= {"127.0.0.1"}
    beyond = {
        connection.laddr.port
        for process in server.family()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.ip == "0.0.0.0"
    }
    assert beyond == {server.port}


def test_torchserve_wants_its_tokens(torchserve: RunningServer, jpeg: bytes) -> None:
    ports = torchserve.state.ports
    management = f"http://127.0.0.1:{ports.management}/models/resnet18"
    assert httpx.get(management, trust_env=False).status_code == 400
    assert httpx.put(management, params={"min_worker": 3}, trust_env=False).status_code == 400
    socket = httpx.HTTPTransport(uds=str(torchserve.folder / "sockets" / "inference.sock"))
    with httpx.Client(transport=socket) as client:
        assert client.post("http://localhost/predictions/resnet18", content=jpeg).status_code == 400


def test_the_door_shows_nothing_of_management(server: RunningServer) -> None:
    hidden = ("/models", "/models/resnet18", "/workflows", "/metrics", "/ready.json", "/nginx.conf", "/../state.json")
    for path in hidden:
        assert httpx.get(server.url + path, trust_env=False).status_code in (400, 404)


def test_a_model_is_not_registered_by_url(torchserve: RunningServer) -> None:
    ports, key = torchserve.state.ports, torchserve.management.client.headers["authorization"]
    response = httpx.post(
        f"http://127.0.0.1:{ports.management}/models",
        params={"url": "http://127.0.0.1:9/model.mar"},
        headers={"Authorization": key},
        trust_env=False,
    )
    assert response.status_code >= 400


def test_mms_management_is_a_socket_in_a_folder_of_its_owner_alone(mms: RunningServer) -> None:
    """It knows no tokens, and would load whatever it is told to."""
    socket = mms.folder / "server" / "management.sock"
    assert socket.is_socket()
    assert socket.parent.stat().st_mode & 0o077 == 0
    assert "java" not in listening(mms)
    inference = httpx.HTTPTransport(uds=str(mms.folder / "sockets" / "inference.sock"))
    with httpx.Client(transport=inference) as client:
        assert client.get("http://localhost/models").status_code >= 400


def test_secrets_are_readable_by_their_owner_alone(torchserve: RunningServer) -> None:
    secret = [*torchserve.folder.glob("*"), *torchserve.folder.glob("server/*")]
    key = torchserve.management.client.headers["authorization"].split()[1]
    for path in secret:
        if path.is_file() and key in path.read_text(errors="replace"):
            assert path.stat().st_mode & 0o077 == 0 or path.parent.stat().st_mode & 0o077 == 0
    assert key not in "".join(torchserve.lines)


@BOTH
def test_scaling_gives_as_many_workers_as_were_asked_for(store: Path, new_server: NewServer, kind: str) -> None:
    server = new_server("--store", store, "--server", kind, "--models", "colours")
    for workers in (2, 1):
        subprocess.run(marina("scale", "colours", workers, "--port", server.port), check=True)
        assert wait_until(lambda: len(server.worker_pids("colours")) == workers)  # noqa: B023
        assert server.management.count_workers("colours").ready == workers
        status = subprocess.check_output(marina("status", "--port", server.port), text=True)
        assert re.search(rf"colours\b.*\b1\.0\b.*\b{workers} of {workers}\b", status)


def test_mms_heeds_what_the_service_before_was_started_with(
    store: Path, new_server: NewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in {"BATCH_SIZE": "7", "LINGER_MS": "3", "WORKERS": "2"}.items():
        monkeypatch.setenv(variable, value)
    server = new_server("--store", store, "--server", "mms", "--models", "colours")
    applied = server.management.describe("colours")
    assert [applied[key] for key in ("batchSize", "maxBatchDelay", "minWorkers")] == [7, 3, 2]
    assert server.management.count_workers("colours").ready == 2
    monkeypatch.setenv("WORKERS", "two")
    done = subprocess.run(marina("serve", "--store", store, "--server", "mms"), capture_output=True, text=True)
    assert done.returncode == 1
    assert "WORKERS" in done.stderr


@BOTH
def test_workers_and_threads_fit_the_cores(store: Path, new_server: NewServer, kind: str) -> None:
    workers = 1  # fewer than the archive's minWorkers
    server = new_server("--store", store, "--server", kind, "--models", "resnet18", "--workers", workers)
    assert server.management.count_workers("resnet18").ready == workers
    share = max(1, len(os.sched_getaffinity(0)) // workers)
    pids = server.worker_pids("resnet18")
    assert len(pids) == workers
    for pid in pids:
        assert psutil.Process(pid).environ()["MARINA_THREADS"] == f'{{"resnet18": {share}}}'


@BOTH
def test_a_killed_worker_costs_its_own_batch_alone(store: Path, new_server: NewServer, kind: str, jpeg: bytes) -> None:
    server = new_server("--store", store, "--server", kind, "--models", "resnet18", "--workers", "2")
    batch = int(server.management.describe("resnet18")["batchSize"])
    answers = load(server, jpeg, 300)
    assert wait_until(lambda: sum(answer.done() for answer in answers) > 40)
    os.kill(server.worker_pids("resnet18")[-1], signal.SIGKILL)
    statuses = [answer.result().status_code for answer in answers]
    assert sum(status != 200 for status in statuses) <= batch
    assert statuses[-50:] == [200] * 50
    assert wait_until(lambda: server.management.count_workers("resnet18").ready == 2)


@BOTH
def test_ping_is_honest_while_the_only_worker_is_gone(
    store: Path, new_server: NewServer, kind: str, jpeg: bytes
) -> None:
    server = new_server("--store", store, "--server", kind, "--models", "colours", "--workers", "1")
    assert ping(server) == 200
    os.kill(server.worker_pids("colours")[-1], signal.SIGKILL)
    assert wait_until(lambda: ping(server) == 503)
    assert wait_until(lambda: ping(server) == 200)
    assert server.predict("colours", jpeg).status_code == 200


@BOTH
def test_what_dies_is_started_again(store: Path, new_server: NewServer, kind: str, jpeg: bytes) -> None:
    """As it was: with the number of workers that the model was scaled to."""
    server = new_server("--store", store, "--server", kind, "--models", "colours")
    server.management.scale("colours", 2, 60)
    time.sleep(1.5)  # the watch sees it
    for name in ("nginx", "java"):
        before = next(process.pid for process in server.family() if process.name() == name)
        os.kill(before, signal.SIGKILL)

        def is_back(before: int = before) -> bool:
            try:
                return server.predict("colours", jpeg).status_code == 200 and not psutil.pid_exists(before)
            except httpx.TransportError:
                return False

        assert wait_until(is_back, 60), "".join(server.lines)
    assert wait_until(lambda: "2 of 2" in subprocess.check_output(marina("status", "--port", server.port), text=True))


def test_mms_is_started_again_when_it_can_fork_no_workers_any_more(
    store: Path, new_server: NewServer, jpeg: bytes
) -> None:
    """It forks a model's workers from one process, says READY when that is gone, and answers nobody."""
    server = new_server("--store", store, "--server", "mms", "--models", "colours")
    (parent,) = mms_processes(server.state.process, "colours")
    parent.kill()
    assert wait_until(lambda: ping(server) == 503)
    assert wait_until(lambda: ping(server) == 200)
    assert server.predict("colours", jpeg).status_code == 200


@BOTH
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_answers_what_is_in_flight_and_leaves_nothing(
    store: Path, new_server: NewServer, kind: str, jpeg: bytes, how: signal.Signals
) -> None:
    server = new_server("--store", store, "--server", kind, "--models", "resnet18")
    family, folder = server.family(), server.folder
    answers = load(server, jpeg, 100)
    assert wait_until(lambda: sum(answer.done() for answer in answers) > 20)
    assert server.stop(how) == 0
    statuses = []
    for answer in answers:
        try:
            statuses.append(answer.result().status_code)
        except httpx.ConnectError:  # asked after the door was closed
            statuses.append(0)
    assert set(statuses) <= {200, 0}
    assert statuses.count(200) > 20
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert not folder.exists()


@pytest.mark.parametrize("pause_s", [0, 0.5, 2])
def test_two_signals_at_once_stop_it_as_one_does(store: Path, pause_s: float) -> None:
    """Also while it starts."""
    command = marina("serve", "--store", store, "--models", "colours", *FREE_PORTS)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("Starting")
    assert folders_of(process.pid)
    time.sleep(pause_s)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    printed = process.stdout.read()
    process.stdout.close()
    assert process.wait(30) == 0
    assert "Traceback" not in printed
    assert not folders_of(process.pid)


def test_large_bodies_at_once_do_not_fill_the_servers_memory(server: RunningServer, jpeg: bytes) -> None:
    body = jpeg + bytes(9_900_000 - len(jpeg))
    with ThreadPoolExecutor(70) as pool:
        responses = list(pool.map(lambda _: server.predict("resnet18", body, "image/jpeg"), range(70)))
    assert {response.status_code for response in responses} <= {200, 429}, {each.text for each in responses}
    assert all(response.headers["retry-after"] for response in responses if response.status_code == 429)
    assert server.predict("resnet18", jpeg).status_code == 200


def test_a_killed_server_leaves_no_process_and_is_cleared_away_by_the_next(
    store: Path, new_server: NewServer, jpeg: bytes
) -> None:
    server = new_server("--store", store, "--models", "colours")
    family, port = server.family(), server.port
    server.stop(signal.SIGKILL)
    assert wait_until(lambda: not any(process.is_running() for process in family))
    again = new_server("--store", store, "--models", "colours", "--port", port)
    assert again.predict("colours", jpeg).status_code == 200


@pytest.mark.parametrize("option", ["--port", "--metrics-port", "--management-port"])
def test_a_busy_port_is_named(torchserve: RunningServer, store: Path, option: str) -> None:
    ports = torchserve.state.ports
    busy = {"--port": ports.door, "--metrics-port": ports.metrics, "--management-port": ports.management}[option]
    done = subprocess.run(marina("serve", "--store", store, *FREE_PORTS, option, busy), capture_output=True, text=True)
    assert done.returncode == 1
    assert f"port {busy}" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_door_the_answers_are_the_same(
    store: Path, new_server: NewServer, torchserve: RunningServer, jpeg: bytes
) -> None:
    bare = new_server("--store", store, "--models", "resnet18", "--no-door")
    headers = ["-H", f"@{bare.folder / 'authorization'}"]
    picture = bare.folder / "tmp" / "photo.jpg"
    picture.write_bytes(jpeg)
    answer = subprocess.check_output(["curl", "-sS", *headers, "-T", picture, f"{bare.url}/predictions/resnet18"])
    assert answer == torchserve.predict("resnet18", jpeg).content
    assert "nginx" not in listening(bare)


def test_torch_is_not_needed(server: RunningServer) -> None:
    """This environment has no torch; TorchServe's worker finds the stand-in, and the archive's own handlers."""
    worker = psutil.Process(server.worker_pids("resnet18")[0])
    assert ("torch_standin" in worker.environ().get("PYTHONPATH", "")) == (server.state.server == "torchserve")
    assert not any("libtorch" in region.path for region in worker.memory_maps())
