"""Users who ask, read the answer and pause, as many as are told: what they find, and what the server takes for them."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks.load import summarise
from benchmarks.rows import Row
from benchmarks.servers import ROOT, MeasuredServer, running

PAUSING = "users, pausing 2 to 5 s"  # how a workload of them is called, after their number
LIMIT_MS = 1000  # of the 99th percentile
RAMP_S = 4  # until all users are there
WARM_UP_S = 6  # more, until they are spread over their pauses
START_TIMEOUT_S = 60
LAST_ANSWERS_S = 25  # that the users wait for what they asked before they were stopped
LONGEST_RUN_S = 3600  # locust ends by itself then, whatever became of who started it


@dataclass(frozen=True)
class Request:
    """One request as a user saw it."""

    began: float  # seconds since the epoch
    took_s: float
    fault: str  # none where the answer was right


def read_requests(path: Path) -> list[Request]:
    """The lines that a file of ``locustfiles/`` wrote."""
    requests = []
    for line in path.read_text().splitlines():
        began, took_ms, fault = line.split(" ", 2)
        requests.append(Request(float(began), float(took_ms) / 1000, fault))
    return requests


@contextmanager
def users_of(
    url: str, locustfile: str, users: int, pictures: Path, requests: Path, headers: Mapping[str, str] | None = None
) -> Iterator[psutil.Process]:
    """So many users at an address until the block ends; all of them are there, and warm, when it begins.

    After it, the file ``requests`` has a line for every request. Raises RuntimeError where locust does not run.
    """
    command: list[str | Path] = [ROOT / ".venv/bin/locust", "-f", ROOT / f"benchmarks/locustfiles/{locustfile}.py"]
    command += ["--headless", "--only-summary", "--loglevel", "WARNING", "--host", url]
    command += ["--users", str(users), "--spawn-rate", str(max(1, users / RAMP_S))]
    command += ["--run-time", str(LONGEST_RUN_S), "--stop-timeout", str(LAST_ANSWERS_S)]
    environment = {**os.environ, "PICTURES": str(pictures), "REQUESTS": str(requests)}
    environment["HEADERS"] = json.dumps(dict(headers or {}))
    log = requests.with_suffix(".log")
    with running(command, log, env=environment) as locust:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (requests.exists() and requests.stat().st_size):
            if time.monotonic() > deadline or locust.status() == psutil.STATUS_ZOMBIE:
                raise RuntimeError(f"locust does not ask:\n{log.read_text()}")
            time.sleep(0.1)
        time.sleep(RAMP_S + WARM_UP_S)
        yield locust


def measure_users(
    server: MeasuredServer,
    address: str,
    locustfile: str,
    users: int,
    seconds: float,
    pictures: Path,
    headers: Mapping[str, str] | None = None,
) -> Row:
    """What so many users find in so many seconds, counting each request that begins in them."""
    with TemporaryDirectory() as name:
        file = Path(name) / "requests"
        with users_of(address, locustfile, users, pictures, file, headers):
            began, cpu_before = time.time(), server.cpu_seconds()
            pss_mb = server.peak_pss_mb(seconds)
            ended, cpu_s = time.time(), server.cpu_seconds() - cpu_before
        requests = [request for request in read_requests(file) if began <= request.began < ended]
    failed = sum(bool(request.fault) for request in requests)
    load = summarise([request.took_s for request in requests], ended - began, failed)
    return {
        "clients": users,
        "requests": len(requests),
        **asdict(load),
        "cpu_ms_per_request": round(cpu_s / len(requests) * 1000, 2),
        "pss_mb": pss_mb,
    }


def name_users(users: int) -> str:
    return f"{users} {PAUSING}"


def is_carried(row: Mapping[str, Any]) -> bool:
    """Whether a row's users all were answered, and nearly all in time; from a measurement or a file."""
    return float(row["p99_ms"]) < LIMIT_MS and int(row["failed"]) == 0
