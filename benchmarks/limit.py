"""What no server can beat: an archive's handler called in process, by as many processes and threads as serve best.

Beside it, in the same run, the model alone and the preprocessing alone. Each point is measured in fresh processes that
load the unpacked archive, start together, and count what they did in one window of time that is the same for all.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.archives import Archive, unpacked
from benchmarks.load import Load, summarise
from benchmarks.rows import Row, describe_run
from benchmarks.servers import ROOT

RESULTS = ROOT / "benchmarks/results/limit.csv"
BATCHES = (1, 8, 16, 32)
LARGEST_BATCH = 64  # of the handler alone, as the oldest system was measured: 8, 16, 32, 64
WINDOW_S = 5.0
TRIAL_S = 2.0
WARM_UP_S = 1.0
START_S = 0.3  # from the word to the window: until every process has read it
KEPT = 3  # points of the trial that every round measures
WAYS = {
    "handler": "handler, in process",
    "model": "model alone",
    "preprocess": "preprocessing alone",
    "one_by_one": "one after another: pictures and models, float32",
}
TRIAL_ROUND = 0
MODEL_NAME = "model"  # as which the processes load it

Call = tuple[float, float]  # when a batch began and ended


@dataclass(frozen=True)
class Point:
    """What is measured: so many processes of so many threads, each with batches of such a size."""

    way: str
    processes: int
    threads: int
    batch: int

    def __str__(self) -> str:
        return f"{self.processes} x {self.threads} threads, batches of {self.batch}"


@dataclass(frozen=True)
class Window:
    """How long is measured, after how long; where the cores are given, on those alone; and on which GPU, if on any."""

    seconds: float = WINDOW_S
    warm_up_s: float = WARM_UP_S
    pause_s: float = 0
    cores: tuple[int, ...] = ()
    gpu: int | None = None


@dataclass(frozen=True)
class Bodies:
    """The files that are asked, and whether as the old handwriting system's questions."""

    files: Sequence[Path]
    question: bool = False


def measure_limit(path: Path, rounds: int, window: Window = Window(), trial_s: float = TRIAL_S) -> list[Row]:
    """Rows of an archive: a short trial of every point as round 0, then the best ones and what they are made of."""
    with unpacked(path) as archive:
        common = {**describe_run(), **archive.describe()}
        bodies = Bodies(archive.samples)
        trial = Window(trial_s, window.warm_up_s, cores=window.cores)
        tried = {point: measure_point(archive, point, bodies, trial) for point in grid(len(os.sched_getaffinity(0)))}
        rows = [common | {"round": TRIAL_ROUND} | row for row in tried.values()]
        points = dict.fromkeys([*best(tried), *parts(len(os.sched_getaffinity(0)))])
        for number in range(1, rounds + 1):
            rows += [common | {"round": number} | measure_point(archive, point, bodies, window) for point in points]
    return rows


def splits(cores: int) -> list[tuple[int, int]]:
    """Processes and threads: one process with all cores, one a core, one more than there are cores, two large ones."""
    return list(
        dict.fromkeys([(1, cores), (cores, 1), (cores + 1, 1), (2, cores), (max(1, cores // 2), min(2, cores))])
    )


def grid(cores: int, batches: Iterable[int] = BATCHES) -> list[Point]:
    """Every point at which the handler is tried."""
    return [Point("handler", *split, batch) for batch in batches for split in splits(cores)]


def parts(cores: int) -> list[Point]:
    """The handler in one process with all cores, by batch; and what its time is made of."""
    alone = [Point("handler", 1, cores, batch) for batch in (*BATCHES[1:], LARGEST_BATCH)]
    pieces = [
        Point(way, *split, batch)
        for way, batches in (("model", (1, 8, 32)), ("preprocess", (8,)))
        for split in dict.fromkeys([(1, cores), (cores, 1)])
        for batch in batches
    ]
    return alone + pieces


def best(tried: dict[Point, Row], kept: int = KEPT) -> list[Point]:
    """The points with the highest throughput."""
    return sorted(tried, key=lambda point: -float(str(tried[point]["requests_per_s"])))[:kept]


def find_best(archive: Archive, bodies: Bodies, batches: Iterable[int], trial_s: float = TRIAL_S) -> Point:
    """The point of a small grid that serves best in a short trial."""
    points = grid(len(os.sched_getaffinity(0)), batches)
    return best({point: measure_point(archive, point, bodies, Window(trial_s)) for point in points}, 1)[0]


def measure_point(archive: Archive, point: Point, bodies: Bodies, window: Window) -> Row:
    """A row of one point, in fresh processes."""
    reports, begin = run_together(archive, point, bodies, window)
    calls = [[(began, ended) for began, ended in report["calls"]] for report in reports]
    load, requests = summarise_calls(calls, point.batch, begin, begin + window.seconds)
    batches = sum(map(len, calls))
    stages = sum((Counter(report["stages_ms"]) for report in reports), Counter[str]())
    told = f"{point.batch} at a time" if window.pause_s else str(point)
    return {
        "workload": WAYS[point.way],
        "server": "in process",
        "settings": told,
        "processes": point.processes,
        "threads": point.threads,
        "batch": point.batch,
        "clients": point.processes * point.batch,
        "requests": round(requests),
        **asdict(load),
        "cpu_ms_per_request": round(1000 * sum(report["cpu_s"] for report in reports) / (point.batch * batches), 2),
        "worker_rss_mb": max(report["rss_mb"] for report in reports),
        **{f"{stage}_ms": round(total / batches, 2) for stage, total in stages.items()},
    }


def summarise_calls(calls: Sequence[Sequence[Call]], batch: int, begin: float, end: float) -> tuple[Load, float]:
    """Throughput and times of batches in a window, and how many requests it holds; ``calls`` are by process.

    A batch that the window cuts counts by the part of its time that is inside, so that no edge gains or loses one.
    """
    inside = [call for each in calls for call in each if call[0] < end and call[1] > begin]
    share = sum((min(ended, end) - max(began, begin)) / (ended - began) for began, ended in inside)
    load = summarise([ended - began for began, ended in inside], end - begin, 0)
    return replace(load, requests_per_s=round(batch * share / (end - begin), 2)), batch * share


def run_together(archive: Archive, point: Point, bodies: Bodies, window: Window) -> tuple[list[dict[str, Any]], float]:
    """What each process reports, and when the window began. Raises RuntimeError where one ends too early."""
    archive.set_threads(point.threads, point.batch)
    with ExitStack() as stack:
        children = [stack.enter_context(started(archive, point, bodies, window)) for _ in range(point.processes)]
        if any(child.stdout.readline() != "ready\n" for child in children):
            raise RuntimeError(f"a process did not become ready: {point}")
        begin = time.monotonic() + START_S
        for child in children:
            child.stdin.write(f"{begin} {begin + window.seconds}\n")
            child.stdin.flush()
        return [json.loads(child.stdout.readline()) for child in children], begin


@contextmanager
def started(archive: Archive, point: Point, bodies: Bodies, window: Window) -> Iterator[Any]:
    """A process that loads the archive and waits for its word; it is gone when the block ends."""
    task = {
        "folder": str(archive.folder),
        "way": point.way,
        "inputs": [str(file) for file in bodies.files],
        "batch": point.batch,
        "question": bodies.question,
        "warm_up_s": window.warm_up_s,
        "pause_s": window.pause_s,
        "gpu": window.gpu,
    }
    command: list[str | Path] = ["taskset", "--cpu-list", ",".join(map(str, window.cores))] if window.cores else []
    command += [sys.executable, "-m", "benchmarks.peers.in_process", json.dumps(task)]
    environment = {**os.environ, "MARINA_THREADS": json.dumps({MODEL_NAME: point.threads})}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as child:
        try:
            yield child
        finally:
            child.kill()
