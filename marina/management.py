"""TorchServe's management API, as far as Marina uses it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from marina.errors import MarinaError
from marina.run_folder import Ports

KEY_FILE = "key_file.json"


def read_keys(torchserve_folder: Path) -> dict[str, str]:
    """The server's tokens by use: "inference" and "management". Raises OSError and ValueError while it starts."""
    document = json.loads((torchserve_folder / KEY_FILE).read_text())
    return {use: document[use]["key"] for use in ("inference", "management")}


def connect(torchserve_folder: Path, ports: Ports) -> "Management":
    """The management API of a server that runs. Raises OSError and ValueError while it starts."""
    return Management(ports, read_keys(torchserve_folder)["management"])


class WorkerCount(NamedTuple):
    """How many workers of a model have loaded it and can answer, and how many the server is to keep."""

    ready: int
    wanted: int


def worker_count(description: Mapping[str, Any]) -> WorkerCount:
    """A model's workers, from what the server says of it."""
    ready = sum(worker["status"] == "READY" for worker in description["workers"])
    return WorkerCount(ready, description["minWorkers"])


class Management:
    """One server's management API, called with its token."""

    def __init__(self, ports: Ports, key: str):
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{ports.management}",
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(10, connect=2),
            trust_env=False,
        )

    def describe(self, name: str) -> dict[str, Any]:
        """What the server runs a model with: its settings as applied, and its workers. Raises MarinaError."""
        response = self.call("GET", f"/models/{name}")
        description: dict[str, Any] = response.json()[0]
        return description

    def count_workers(self, name: str) -> WorkerCount:
        """A model's workers, ready and wanted; none of either where the server can't say."""
        try:
            description = self.describe(name)
        except MarinaError:
            return WorkerCount(0, 0)
        return worker_count(description)

    def scale(self, name: str, workers: int, timeout_s: float) -> None:
        """Sets how many workers a model has, and waits until they are there. Raises MarinaError."""
        most = max(workers, self.describe(name)["maxWorkers"])
        settings = {"min_worker": workers, "max_worker": most, "synchronous": "true"}
        self.call("PUT", f"/models/{name}", params=settings, timeout=timeout_s)

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self.client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise MarinaError("TorchServe does not answer; it may be starting") from error
        if response.is_error:
            raise MarinaError(f"TorchServe answers {response.status_code}: {error_message(response)}")
        return response


def error_message(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]
