"""Clients without a pause, who post one picture again and again: under ab, or under locust."""

from dataclasses import asdict
from pathlib import Path

from benchmarks.ab import run_ab
from benchmarks.dialects import Dialect
from benchmarks.rows import Row
from benchmarks.servers import MeasuredServer
from benchmarks.users import measure_users

CLIENTS = 50
WARM_UP_REQUESTS = 100


def measure_with_ab(
    server: MeasuredServer, dialect: Dialect, body: Path, seconds: float, requests: int | None = None
) -> Row:
    """So many requests, or as many as make so many seconds, as a warm-up has told."""

    def run(number: int) -> Row:
        return asdict(run_ab(server.url, body, dialect.content_type, number, CLIENTS, dialect.headers))

    warm = run(WARM_UP_REQUESTS)
    number = requests or max(WARM_UP_REQUESTS, round(float(str(warm["requests_per_s"])) * seconds))
    cpu_before = server.cpu_seconds()
    load = run(number)
    cpu_ms = round((server.cpu_seconds() - cpu_before) / number * 1000, 2)
    return {"clients": CLIENTS, "requests": number, **load, "cpu_ms_per_request": cpu_ms, "pss_mb": server.pss_mb()}


def measure_with_locust(server: MeasuredServer, dialect: Dialect, body: Path, seconds: float) -> Row:
    """As long as told, after a warm-up; the memory is the peak."""
    headers = {"Content-Type": dialect.content_type, **dialect.headers}
    return measure_users(server, server.url, "pictures", CLIENTS, seconds, body.parent, headers)
