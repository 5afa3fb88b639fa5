"""Load on one address that hardly costs CPU itself: a closed loop of clients, or arrivals that wait for nobody.

The generator shares the machine with the server that it measures, so it sends bytes that were prepared and reads no
more of an answer than its status and its length.
"""

import asyncio
import itertools
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from urllib.parse import urlsplit

from marina.bodies import Body
from marina.connection import Connection, prepare

TIMEOUT_S = 60.0
MOST_CONNECTIONS = 400  # the door takes 512 from one address


@dataclass(frozen=True)
class Load:
    """What one run found. A request without an answer, or with a status other than 2xx, is a failure."""

    elapsed_s: float
    ended_s: list[float]  # when each request was answered, since the measuring began; in that order
    latencies_ms: list[float]  # of the same requests
    batches: list[int]  # how many requests each was computed with, where the server says so
    failures: dict[str, int] = field(default_factory=dict)  # status or "no answer" -> how often
    asked: int = 0  # every request that was posted, those that do not count included

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    @property
    def requests_per_s(self) -> float:
        return len(self.latencies_ms) / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def steady_requests_per_s(self) -> float:
        """The slope of answers over time, by least squares.

        Answers come a batch at a time: a count over a short window errs by a batch at each end, the slope hardly does.
        """
        count = len(self.ended_s)
        if count < 3 or self.ended_s[0] == self.ended_s[-1]:
            return self.requests_per_s
        mean_s, mean_index = sum(self.ended_s) / count, (count - 1) / 2
        spread = sum((when - mean_s) ** 2 for when in self.ended_s)
        return sum((when - mean_s) * (index - mean_index) for index, when in enumerate(self.ended_s)) / spread

    @property
    def mean_batch(self) -> float:
        """The mean size of the batches, each counted once; nan where the server does not tell it."""
        return len(self.batches) / sum(1 / size for size in self.batches) if self.batches else math.nan

    def percentile_ms(self, percent: float) -> float:
        return percentile(self.latencies_ms, percent)

    def interval_ms(self, percent: float, confidence: float = 0.95) -> tuple[float, float]:
        return percentile_interval(self.latencies_ms, percent, confidence)


def run_closed(
    url: str,
    bodies: Sequence[Body],
    clients: int,
    *,
    seconds: float | None = None,
    requests: int | None = None,
    warm_up_s: float = 0,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Load:
    """So many clients, each posting as soon as it is answered, for so many seconds or requests.

    What is answered in the first ``warm_up_s`` does not count. Bodies are posted in turn.
    """
    run = Run(url, bodies, headers or {}, timeout_s)
    return asyncio.run(run.measure(closed_loop(run, clients, seconds, requests, warm_up_s)))


def run_open(
    url: str,
    bodies: Sequence[Body],
    rate: float,
    seconds: float,
    *,
    seed: int = 0,
    warm_up_s: float = 0,
    most_connections: int = MOST_CONNECTIONS,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Load:
    """Requests that arrive as a Poisson process of so many a second, whether the server keeps up or not.

    A latency begins when the request was meant to arrive, not when a connection was free for it: time that it waits
    counts. Arrivals are up to 1 ms late, the clock of asyncio's sleep. Those of the first ``warm_up_s`` do not count.
    """
    run = Run(url, bodies, headers or {}, timeout_s)
    arrivals = poisson_arrivals(rate, warm_up_s + seconds, seed)
    return asyncio.run(run.measure(open_loop(run, arrivals, seconds, most_connections, warm_up_s)))


def poisson_arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """Times in seconds at which requests arrive; with one seed, other rates give the same pattern, stretched."""
    generator = random.Random(seed)  # noqa: S311 (load, no secret)
    gaps = itertools.accumulate(generator.expovariate(1) / rate for _ in itertools.count())
    return list(itertools.takewhile(lambda when: when < seconds, gaps))


class Run:
    """The requests of one run, and what became of those that count."""

    def __init__(self, url: str, bodies: Sequence[Body], headers: Mapping[str, str], timeout_s: float):
        if not bodies:
            raise ValueError("there is nothing to post")
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{url} is no http address")
        self.host, self.port = parts.hostname, parts.port or 80
        self.requests = itertools.cycle([prepare(parts.netloc, parts.path or "/", body, headers) for body in bodies])
        self.timeout_s = timeout_s
        self.begin = math.inf  # on the clock of time.perf_counter
        self.end = math.inf
        self.answers: list[tuple[float, float, int]] = []  # when it ended, seconds that it took, size of its batch
        self.failures: Counter[str] = Counter()
        self.asked = 0
        self.connections: list[Connection] = []

    async def measure(self, loop: Awaitable[None]) -> Load:
        watch = asyncio.create_task(self.abort_overdue())
        try:
            await loop
        finally:
            watch.cancel()
            for connection in self.connections:
                connection.close()
        self.answers.sort()
        ended_s = [ended - self.begin for ended, _, _ in self.answers]
        return Load(
            elapsed_s=self.end - self.begin,
            ended_s=ended_s,
            latencies_ms=[1000 * took_s for _, took_s, _ in self.answers],
            batches=[batch for _, _, batch in self.answers if batch],
            failures=dict(self.failures),
            asked=self.asked,
        )

    def next_request(self) -> bytes:
        self.asked += 1
        return next(self.requests)

    def connect(self) -> "Connection":
        connection = Connection(self.host, self.port)
        self.connections.append(connection)
        return connection

    def record(self, status: int, began: float, ended: float, batch: int) -> None:
        if 200 <= status < 300:
            self.answers.append((ended, ended - began, batch))
        else:
            self.failures[str(status or "no answer")] += 1

    async def abort_overdue(self) -> None:
        """Gives up requests that are not answered in time, looked at each second: cheaper than a timer a request."""
        while True:
            await asyncio.sleep(min(1, self.timeout_s))
            oldest = time.perf_counter() - self.timeout_s
            for connection in self.connections:
                if connection.waiter is not None and connection.asked < oldest:
                    connection.close()


async def closed_loop(run: Run, clients: int, seconds: float | None, requests: int | None, warm_up_s: float) -> None:
    """Asks until the time is over or every request is answered; what is in flight then is waited for."""
    left = itertools.repeat(None) if requests is None else itertools.repeat(None, requests)
    run.begin = time.perf_counter() + warm_up_s
    end = math.inf if seconds is None else run.begin + seconds

    async def ask_on() -> None:
        connection = run.connect()
        while time.perf_counter() < end and next(left, True) is None:
            began = time.perf_counter()
            status, batch = await connection.ask(run.next_request())
            ended = time.perf_counter()
            if run.begin <= ended <= end:
                run.record(status, began, ended, batch)
            if not status:
                await asyncio.sleep(0.01)  # a server that is gone is not asked in a busy loop

    await asyncio.gather(*(ask_on() for _ in range(clients)))
    run.end = time.perf_counter() if seconds is None else end


async def open_loop(
    run: Run, arrivals: Sequence[float], seconds: float, most_connections: int, warm_up_s: float
) -> None:
    """Asks at each of the times, on a connection that is free; waits for all the answers."""
    start = time.perf_counter()
    run.begin, run.end = start + warm_up_s, start + warm_up_s + seconds
    free: list[Connection] = []
    limit = asyncio.Semaphore(most_connections)

    async def ask_once(arrival: float) -> None:
        async with limit:
            connection = free.pop() if free else run.connect()
            status, batch = await connection.ask(run.next_request())
            free.append(connection)
        if arrival >= run.begin:
            run.record(status, arrival, time.perf_counter(), batch)

    async with asyncio.TaskGroup() as group:
        for arrival in arrivals:
            pause_s = start + arrival - time.perf_counter()
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            group.create_task(ask_once(start + arrival))


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile; nan of nothing."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]


def percentile_interval(values: Sequence[float], percent: float, confidence: float = 0.95) -> tuple[float, float]:
    """The confidence interval of a percentile, from order statistics (their ranks are binomial, taken as normal).

    The upper end is inf where there are too few values to tell.
    """
    count, share = len(values), percent / 100
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt(count * share * (1 - share))
    low, high = math.floor(count * share - reach), math.ceil(count * share + reach)
    ordered = sorted(values)
    return ordered[low - 1] if low >= 1 else 0.0, ordered[high - 1] if high <= count and count else math.inf
