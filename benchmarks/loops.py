"""The cheap load on a measured server, as rows: as fast as it goes, at a rate that waits for nobody, one alone."""

import asyncio
import re
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from benchmarks.load import summarise
from benchmarks.rows import Row
from benchmarks.servers import MeasuredServer
from marina.bodies import Body
from marina.connection import Connection, prepare
from marina.traffic import Load, run_closed, run_open

AS_FAST_AS_IT_GOES = "as fast as it goes"
OPEN = "half the maximum load, Poisson"
ALONE = "one request alone"


def measure_closed(server: MeasuredServer, bodies: Sequence[Body], clients: int, seconds: float, warm_s: float) -> Row:
    """Clients who do not pause."""
    cpu_before = server.cpu_seconds()
    load = run_closed(server.url, bodies, clients, seconds=seconds, warm_up_s=warm_s)
    cpu_s = (server.cpu_seconds() - cpu_before) * seconds / (seconds + warm_s)
    return describe(server, AS_FAST_AS_IT_GOES) | {"clients": clients, **summarise_load(load, cpu_s)} | memory(server)


def measure_open(
    server: MeasuredServer, bodies: Sequence[Body], rate: float, seconds: float, warm_s: float, seed: int
) -> Row:
    """Requests that arrive at that rate, whether the server keeps up or not."""
    cpu_before = server.cpu_seconds()
    load = run_open(server.url, bodies, rate, seconds, seed=seed, warm_up_s=warm_s)
    cpu_s = (server.cpu_seconds() - cpu_before) * seconds / (seconds + warm_s)
    row = {"clients": "", "rate_per_s": round(rate, 2), **summarise_load(load, cpu_s)}
    return describe(server, OPEN) | row | memory(server)


def measure_alone(server: MeasuredServer, body: Body, requests: int, pause_s: float) -> Row:
    """One client who pauses before each request, so that none finds company."""
    cpu_before = server.cpu_seconds()
    began = time.perf_counter()
    times_s, failed = asyncio.run(ask_alone(server.url, body, requests, pause_s))
    load = summarise(times_s, time.perf_counter() - began, failed)
    return {
        **describe(server, ALONE),
        "clients": 1,
        "requests": requests,
        **vars(load),
        "cpu_ms_per_request": round((server.cpu_seconds() - cpu_before) / requests * 1000, 2),
        **memory(server),
    }


async def ask_alone(url: str, body: Body, requests: int, pause_s: float) -> tuple[list[float], int]:
    """The seconds that each request took, on one kept connection, and how many failed."""
    parts = urlsplit(url)
    connection = Connection(str(parts.hostname), parts.port or 80)
    request = prepare(parts.netloc, parts.path or "/", body, {})
    times_s, failed = [], 0
    await connection.ask(request)  # opens the connection
    for _ in range(requests):
        await asyncio.sleep(pause_s)
        began = time.perf_counter()
        status, _ = await connection.ask(request)
        times_s.append(time.perf_counter() - began)
        failed += not 200 <= status < 300
    connection.close()
    return times_s, failed


def summarise_load(load: Load, cpu_s: float) -> Row:
    """A run's figures under the names that all rows have. Raises RuntimeError where nothing was answered."""
    if not load.latencies_ms:
        raise RuntimeError(f"no request was answered: {load.failures}")
    requests = len(load.latencies_ms) + load.failed
    return {
        "requests": requests,
        "requests_per_s": round(load.requests_per_s, 2),
        **{f"p{percent}_ms": round(load.percentile_ms(percent), 1) for percent in (50, 95, 99)},
        "failed": load.failed,
        "cpu_ms_per_request": round(1000 * cpu_s / requests, 2),
        "mean_batch": round(load.mean_batch, 2) if load.batches else "",
    }


def describe(server: MeasuredServer, workload: str) -> Row:
    return {"workload": workload, "server": server.name, "settings": server.settings}


def memory(server: MeasuredServer) -> Row:
    return {"worker_rss_mb": server.workers_rss_mb(), "pss_mb": server.pss_mb()}


def threads_of(server: MeasuredServer) -> int:
    """How many a worker has, from what the server says of itself. Raises ValueError."""
    if found := re.search(r"\d+ x (\d+) threads", server.settings):
        return int(found[1])
    raise ValueError(f"no threads are told: {server.settings}")
