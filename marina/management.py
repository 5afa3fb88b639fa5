"""The management API of TorchServe and of MMS, as far as Marina uses it; the two differ little."""

import itertools
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil

from marina.errors import MarinaError
from marina.processes import is_alive
from marina.run_folder import SERVER_FOLDER, SOCKET_FOLDER, Ports, RunState

KEY_FILE = "key_file.json"  # TorchServe's own name for the file of its tokens
SOCKET = "management.sock"  # the servers' own, in different folders
NOT_FOUND = 404
TIMEOUT = httpx.Timeout(10, connect=2)


class NotFound(MarinaError):
    """The server has no such model."""


class Silent(MarinaError):
    """The server does not answer in time."""


def read_keys(folder: Path) -> dict[str, str]:
    """TorchServe's tokens by use: "inference" and "management". Raises OSError and ValueError while it starts."""
    document = json.loads((folder / KEY_FILE).read_text())
    return {use: document[use]["key"] for use in ("inference", "management")}


def connect(run: Path, state: RunState) -> "Management":
    """The management API of a server that runs. Raises MarinaError while it starts."""
    folder, sockets = run / SERVER_FOLDER, run / SOCKET_FOLDER
    if state.server != "torchserve":
        return mms_management(folder)
    try:
        return torchserve_management(folder, state.ports, sockets if sockets.is_dir() else None)
    except (OSError, ValueError, KeyError) as error:
        raise MarinaError("the model server is starting; try again in a moment") from error


def torchserve_management(folder: Path, ports: Ports, sockets: Path | None) -> "Management":
    """TorchServe's, on a socket or on loopback, with its token. Raises OSError and ValueError while it starts."""
    headers = {"Authorization": f"Bearer {read_keys(folder)['management']}"}
    if sockets:
        return Management("TorchServe", socket_client(sockets / SOCKET, headers))
    address = f"http://127.0.0.1:{ports.management}"
    return Management("TorchServe", httpx.Client(base_url=address, headers=headers, timeout=TIMEOUT, trust_env=False))


def mms_management(folder: Path) -> "Management":
    """MMS's, on a socket that only this user reaches."""
    return Management("MMS", socket_client(folder / SOCKET))


class SocketTransport(httpx.HTTPTransport):
    """HTTP over a Unix socket. httpcore 1.0 leaves its socket open if nobody listens, so that is found out before."""

    def __init__(self, path: Path):
        super().__init__(uds=str(path))
        self.path = str(path)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(self.path)
            except OSError as error:
                raise httpx.ConnectError(str(error), request=request) from error
        return super().handle_request(request)


def socket_client(path: Path, headers: Mapping[str, str] | None = None) -> httpx.Client:
    return httpx.Client(base_url="http://localhost", headers=headers, transport=SocketTransport(path), timeout=TIMEOUT)


class WorkerCount(NamedTuple):
    """How many workers of a model have loaded it and can answer, and how many the server is to keep."""

    ready: int
    wanted: int


def worker_count(description: Mapping[str, Any]) -> WorkerCount:
    """A model's workers, from what the server says of it."""
    ready = sum(worker["status"] == "READY" for worker in description["workers"])
    return WorkerCount(ready, description["minWorkers"])


def worker_pids(description: Mapping[str, Any], server_process: int) -> list[int]:
    """The processes of a model's workers; MMS does not tell them, so they are looked for."""
    workers = description["workers"]
    if all("pid" in worker for worker in workers):
        return [int(worker["pid"]) for worker in workers]
    forked = (process.children() for process in mms_processes(server_process, description["modelName"]))
    return [worker.pid for family in forked for worker in family if is_alive(worker)]


def mms_processes(server_process: int, model: str) -> list[psutil.Process]:
    """The processes that MMS forks a model's workers from: one, as long as it lives."""
    try:
        children = psutil.Process(server_process).children()
    except psutil.NoSuchProcess:
        return []
    return [child for child in children if ("--model-name", model) in itertools.pairwise(command_line(child))]


def command_line(process: psutil.Process) -> list[str]:
    """A process's command; nothing of one that has just ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


class Management:
    """One server's management API."""

    def __init__(self, title: str, client: httpx.Client):
        self.title = title
        self.client = client

    def answers(self) -> bool:
        """Whether the server listens."""
        try:
            self.client.get("/models")
        except httpx.HTTPError:
            return False
        return True

    def describe(self, name: str, timeout: float | httpx.Timeout = TIMEOUT) -> dict[str, Any]:
        """What the server runs a model with: its settings as applied, and its workers. Raises MarinaError."""
        response = self.call("GET", f"/models/{name}", timeout=timeout)
        found = response.json()
        description: dict[str, Any] = found[0] if isinstance(found, list) else found  # TorchServe tells every version
        return description

    def count_workers(self, name: str) -> WorkerCount:
        """A model's workers, ready and wanted; none of either where the server can't say."""
        try:
            description = self.describe(name)
        except MarinaError:
            return WorkerCount(0, 0)
        return worker_count(description)

    def scale(self, name: str, workers: int, timeout_s: float = 0) -> None:
        """Sets how many workers a model has; with a timeout, waits until they are there. Raises MarinaError."""
        # The servers end a worker only where there are more than the most that are allowed.
        settings = {"min_worker": workers, "max_worker": workers, "synchronous": str(timeout_s > 0).lower()}
        self.call("PUT", f"/models/{name}", params=settings, timeout=timeout_s or TIMEOUT)

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self.client.request(method, path, **options)
        except httpx.TimeoutException as error:
            raise Silent(f"{self.title} does not answer in time") from error
        except httpx.HTTPError as error:
            raise MarinaError(f"{self.title} does not answer; it may be starting") from error
        if response.status_code == NOT_FOUND:
            raise NotFound(f"{self.title} answers 404: {error_message(response)}")
        if response.is_error:
            raise MarinaError(f"{self.title} answers {response.status_code}: {error_message(response)}")
        return response


def error_message(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]
