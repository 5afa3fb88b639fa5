"""The load generator counts what a real server saw."""

import asyncio
import itertools
import math
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marina.bodies import Body, read_bodies
from marina.traffic import Load, percentile, percentile_interval, poisson_arrivals, run_closed, run_open


class SmallServer:
    """An HTTP server that remembers what it was sent and answers each request with the next of its statuses."""

    def __init__(self, statuses: list[int], pause_s: float = 0, chunked: bool = False) -> None:
        self.statuses, self.pause_s, self.chunked = statuses, pause_s, chunked
        self.bodies: list[tuple[str, bytes]] = []
        self.open = self.most_open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            while await self.answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        headers = dict(line.split(": ", 1) for line in head.splitlines()[1:] if line)
        body = await reader.readexactly(int(headers["content-length"]))
        status = self.statuses[len(self.bodies) % len(self.statuses)]
        self.bodies.append((headers["content-type"], body))
        await asyncio.sleep(self.pause_s)
        if not status:
            return False  # hangs up
        text = b"4\r\ngood\r\n0\r\n\r\n" if self.chunked else b"good"
        length = "Transfer-Encoding: chunked" if self.chunked else "Content-Length: 4"
        writer.write(f"HTTP/1.1 {status} Whatever\r\n{length}\r\nX-Batch-Size: 2\r\n".encode())
        writer.write((b"\r\n" if status < 400 else b"Connection: close\r\n\r\n") + text[:3])
        await writer.drain()
        writer.write(text[3:])  # in two pieces, as they may come
        await writer.drain()
        return status < 400  # TorchServe hangs up after an error


@contextmanager
def serving(server: SmallServer) -> Iterator[str]:
    """Serves in a thread and gives the address."""
    loop, port, done = asyncio.new_event_loop(), [0], threading.Event()

    async def begin() -> asyncio.Server:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port[0] = listening.sockets[0].getsockname()[1]
        return listening

    listening = loop.run_until_complete(begin())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port[0]}/predictions/any"
    finally:

        async def finish() -> None:
            listening.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            done.set()

        asyncio.run_coroutine_threadsafe(finish(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
        assert done.is_set()


BODIES = [Body(b"one", "text/plain"), Body(b"two" * 50_000, "image/jpeg"), Body(b"")]


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.sampled_from([200, 201, 400, 503, 0]), min_size=1, max_size=6),
    st.integers(1, 8),
    st.integers(0, 60),
    st.booleans(),
)
def test_every_request_is_counted_once(statuses: list[int], clients: int, requests: int, chunked: bool) -> None:
    server = SmallServer(statuses, chunked=chunked)
    with serving(server) as url:
        load = run_closed(url, BODIES, clients, requests=requests)
    assert len(server.bodies) == load.asked == requests
    given_statuses = [statuses[index % len(statuses)] for index in range(requests)]
    expected = {status: given_statuses.count(status) for status in set(given_statuses)}
    answered = expected.pop(200, 0) + expected.pop(201, 0)
    assert len(load.latencies_ms) == len(load.ended_s) == answered
    assert load.failures == {str(status or "no answer"): count for status, count in expected.items()}
    assert sorted(server.bodies) == sorted(
        (BODIES[index % 3].content_type, BODIES[index % 3].content) for index in range(requests)
    )
    assert load.ended_s == sorted(load.ended_s)
    assert math.isnan(load.mean_batch) if not answered else load.mean_batch == 2


def test_a_closed_loop_keeps_to_its_clients_and_its_time() -> None:
    server = SmallServer([200], pause_s=0.02)
    with serving(server) as url:
        load = run_closed(url, BODIES, 5, seconds=0.6, warm_up_s=0.2)
    assert server.most_open == 5
    assert load.elapsed_s == pytest.approx(0.6)
    assert load.ended_s[0] >= 0
    assert load.ended_s[-1] <= 0.6
    assert len(load.latencies_ms) < len(server.bodies) == load.asked  # the warm-up does not count
    assert min(load.latencies_ms) >= 20


def test_an_open_loop_waits_for_nobody_and_hides_no_waiting() -> None:
    server = SmallServer([200], pause_s=0.1)
    with serving(server) as url:
        wide = run_open(url, BODIES, 40, 1, seed=1)
        assert server.most_open > 1
        narrow = run_open(url, BODIES, 40, 1, seed=1, most_connections=1)
    arrivals = poisson_arrivals(40, 1, seed=1)
    assert len(wide.latencies_ms) == len(narrow.latencies_ms) == len(arrivals)
    # One connection serves 10 a second; the last of them waited for all before it.
    assert max(narrow.latencies_ms) >= 1000 * (0.1 * len(arrivals) - arrivals[-1])


def test_requests_of_the_warm_up_do_not_count() -> None:
    with serving(SmallServer([200])) as url:
        load = run_open(url, BODIES, 50, 0.5, seed=2, warm_up_s=0.5)
    assert len(load.latencies_ms) == sum(when >= 0.5 for when in poisson_arrivals(50, 1, seed=2))


def test_a_server_that_does_not_answer_is_given_up() -> None:
    with serving(SmallServer([200], pause_s=30)) as url:
        began = time.monotonic()
        load = run_closed(url, BODIES, 2, requests=2, timeout_s=0.2)
        assert time.monotonic() - began < 15
    assert load.failures == {"no answer": 2}


def test_a_server_that_is_gone_fails_every_request() -> None:
    with serving(SmallServer([200])) as url:
        pass
    assert run_closed(url, BODIES, 2, requests=5).failures == {"no answer": 5}
    assert run_open(url, BODIES, 50, 0.2).failed == len(poisson_arrivals(50, 0.2, 0))


@given(st.floats(1, 1000), st.integers(0, 100))
def test_arrivals_are_a_poisson_process(rate: float, seed: int) -> None:
    arrivals = poisson_arrivals(rate, 2000 / rate, seed)
    assert arrivals == sorted(arrivals)
    gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals)]
    # Of exponential gaps the deviation is the mean; of 2,000 either is within a fifth, far beyond chance.
    assert statistics.mean(gaps) * rate == pytest.approx(1, rel=0.2)
    assert statistics.stdev(gaps) * rate == pytest.approx(1, rel=0.2)


@given(st.integers(2, 40), st.integers(2, 20), st.floats(0.001, 10))
def test_the_slope_is_the_rate_of_regular_batches(batches: int, size: int, every_s: float) -> None:
    ended = [batch * every_s for batch in range(batches) for _ in range(size)]
    load = Load(batches * every_s, ended, ended, [])
    assert load.requests_per_s == pytest.approx(size / every_s)
    # A staircase of few steps is steeper than its line; of many it is the same.
    assert load.steady_requests_per_s == pytest.approx(size / every_s, rel=1.1 / batches**2 + 1e-6)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300), st.sampled_from([50, 95, 99]))
def test_a_percentile_is_one_of_the_values_within_its_interval(values: list[float], percent: float) -> None:
    found, (low, high) = percentile(values, percent), percentile_interval(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= percent / 100 * len(values)
    assert low <= found <= high


def test_too_few_values_tell_no_upper_end() -> None:
    assert percentile_interval([1.0] * 100, 99)[1] == math.inf
    assert percentile_interval([1.0] * 1000, 99) == (1.0, 1.0)
    assert math.isnan(percentile([], 50))


def test_files_are_posted_with_the_type_of_their_suffix(tmp_path: Path) -> None:
    for name in ("a.JPG", "b.txt", "c.json", "d"):
        (tmp_path / name).write_bytes(b"x")
    types = [body.content_type for body in read_bodies(sorted(tmp_path.iterdir()))]
    assert types == ["image/jpeg", "text/plain; charset=utf-8", "application/json", "application/octet-stream"]


def test_nothing_to_post_and_other_schemes_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing to post"):
        run_closed("http://127.0.0.1:1/", [], 1, requests=1)
    with pytest.raises(ValueError, match="no http address"):
        run_closed("https://127.0.0.1:1/", BODIES, 1, requests=1)
