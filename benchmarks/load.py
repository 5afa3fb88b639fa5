"""A closed loop of clients with requests that differ: how long each took, and what it was answered."""

import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

TIMEOUT_S = 300


@dataclass(frozen=True)
class Load:
    """What one run found; times in milliseconds."""

    requests_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    failed: int  # without an answer, or with a status other than 2xx


@dataclass(frozen=True)
class Answer:
    """One request's time, and the JSON that it was answered with; None where it failed."""

    took_s: float
    body: Any


def ask_all(url: str, texts: Sequence[str], clients: int) -> tuple[Load, list[Answer]]:
    """Posts each text as JSON, so many at a time; the answers are in the order of the texts."""
    return post_all(url, [{"text": text} for text in texts], clients)


def post_all(url: str, documents: Sequence[Any], clients: int) -> tuple[Load, list[Answer]]:
    """Posts each document as JSON, so many at a time; the answers are in their order."""
    with httpx.Client(timeout=TIMEOUT_S, trust_env=False, limits=httpx.Limits(max_connections=clients)) as client:

        def ask(document: Any) -> Answer:
            started = time.perf_counter()
            try:
                body = client.post(url, json=document).raise_for_status().json()
            except httpx.HTTPError:
                body = None
            return Answer(time.perf_counter() - started, body)

        with ThreadPoolExecutor(clients) as pool, stopwatch() as elapsed:
            answers = list(pool.map(ask, documents))
    return summarise([answer.took_s for answer in answers], elapsed[0], failures(answers)), answers


@contextmanager
def stopwatch() -> Iterator[list[float]]:
    """Gives a list that holds the seconds the block took, once it is over."""
    elapsed: list[float] = []
    started = time.perf_counter()
    yield elapsed
    elapsed.append(time.perf_counter() - started)


def failures(answers: Sequence[Answer]) -> int:
    return sum(answer.body is None for answer in answers)


def summarise(times_s: Sequence[float], elapsed_s: float, failed: int) -> Load:
    """Throughput and percentiles (nearest rank) of a run."""
    ordered = sorted(times_s)
    p50, p95, p99 = (round(1000 * ordered[math.ceil(percent / 100 * len(ordered)) - 1], 1) for percent in (50, 95, 99))
    return Load(round(len(ordered) / elapsed_s, 2), p50, p95, p99, failed)
