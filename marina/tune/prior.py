"""What the handler alone takes, before any server is asked: the times that say which settings are worth serving.

The archive's handler is called in processes of its own, as many side by side as the cores have room for, so that what
workers take from each other (memory bandwidth, clock) is in the figures. A batch of n takes about a*n + b: fitted by
least squares over the medians, and used where a size was not timed.
"""

import base64
import json
import math
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from handlers.settings import SETTINGS_FILE
from handlers.threads import LIBRARY_VARIABLES
from marina.archive import encode
from marina.bodies import Body
from marina.errors import MarinaError
from marina.processes import start_child
from marina.tune.builds import Builds, Cut
from marina.tune.settings import BATCH_SIZES, Setting, shapes, simplicity, thread_counts

SECONDS_A_SIZE = 0.25
LONGEST_BATCH_S = 1.0  # larger batches than one that takes this long are not timed
HOPELESS = 0.6  # of the fastest build: its other thread counts are not timed
WORTH_SERVING = 0.75  # of the best prediction
GOOD_BATCH = 0.97  # of the best batch's throughput: the smallest that reaches it is tried beside the best
SCRIPT = Path(__file__).with_name("time_handler.py")


@dataclass(frozen=True)
class Timing:
    """The handler's times in one build and thread count, with so many processes side by side."""

    build: tuple[str, str]
    threads: int
    copies: int
    medians_s: Mapping[int, float]  # batch size -> seconds
    memory_mb: float  # of one process, at its peak

    @property
    def fit(self) -> tuple[float, float]:
        """a and b of a*n + b seconds, with each size's relative error weighing alike."""
        sizes = np.array(list(self.medians_s), float)
        seconds = np.array(list(self.medians_s.values()))
        if len(sizes) == 1:
            return float(seconds[0] / sizes[0]), 0.0
        design = np.column_stack([sizes, np.ones_like(sizes)]) / seconds[:, None]
        (a, b), *_ = np.linalg.lstsq(design, np.ones_like(sizes), rcond=None)
        return max(float(a), 1e-9), max(float(b), 0.0)

    def batch_s(self, size: int) -> float:
        """Seconds of a batch: as it was timed, or else as fitted."""
        a, b = self.fit
        return self.medians_s.get(size, a * size + b)

    def throughput(self, workers: int, size: int) -> float:
        """Requests a second of so many workers with full batches; none counts that the cores have no room for."""
        return min(workers, self.copies) * size / self.batch_s(size)


Timings = dict[tuple[tuple[str, str], int], Timing]


def time_builds(
    builds: Builds, bodies: Sequence[Body], cores: int, known: Timings, say: Callable[[str], None]
) -> Iterable[Timing]:
    """Each build's timings, for 1 thread first; those that are known already are given again.

    A build that is far behind is not timed with other thread counts.
    """
    best = 0.0
    for threads in thread_counts(cores):
        for build in builds:
            first = known.get((build, thread_counts(cores)[0]))
            if threads > 1 and first and best_throughput(first) < HOPELESS * best:
                continue
            if (build, threads) not in known:
                say(f"Timing the handler alone: {' '.join(build)}, {max(1, cores // threads)} x {threads} threads")
                known[build, threads] = time_build(builds, build, bodies, threads, cores)
            best = max(best, best_throughput(known[build, threads]))
            yield known[build, threads]


def best_throughput(timing: Timing) -> float:
    return max(timing.throughput(timing.copies, size) for size in timing.medians_s)


def time_build(builds: Builds, build: tuple[str, str], bodies: Sequence[Body], threads: int, cores: int) -> Timing:
    """Times one build. Raises MarinaError where its handler fails."""
    copies = max(1, cores // threads)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name).resolve() / "unpacked"
        with zipfile.ZipFile(builds[build].path) as archive:  # marina archive built it just now
            archive.extractall(folder)
        settings = json.loads((folder / SETTINGS_FILE).read_text())
        settings |= {"threads": threads, "batch_size": max(BATCH_SIZES)}
        (folder / SETTINGS_FILE).write_bytes(encode(settings))
        children = [stack.enter_context(Child(folder, threads)) for _ in range(copies)]
        lines = [f"{body.content_type} {base64.b64encode(body.content).decode()}\n" for body in bodies]
        for child in children:
            child.send("".join([*lines, "\n"]))
        for child in children:
            child.expect("ready")
        for child in children:
            child.send("go\n")
        results = [json.loads(child.read_line()) for child in children]
    sizes = min((list(result["times"]) for result in results), key=len)
    medians = {int(size): median(time for result in results for time in result["times"][size]) for size in sizes}
    return Timing(build, threads, copies, medians, max(result["memory"] for result in results) / 1e6)


class Child:
    """One process that times, ended with the block."""

    def __init__(self, folder: Path, threads: int):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        environment |= dict.fromkeys(LIBRARY_VARIABLES, str(threads)) | {"PYTHONDONTWRITEBYTECODE": "1"}
        sizes = [str(size) for size in BATCH_SIZES]
        command: list[str | Path] = [
            sys.executable,
            "-I",
            "-B",
            SCRIPT,
            folder,
            str(SECONDS_A_SIZE),
            str(LONGEST_BATCH_S),
            *sizes,
        ]
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the process)
        self.process = start_child(
            command, folder, environment, subprocess.PIPE, source=subprocess.PIPE, errors=self.errors
        )

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *error: Any) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            if stream:
                stream.close()

    def send(self, text: str) -> None:
        if self.process.stdin:
            self.process.stdin.write(text)
            self.process.stdin.flush()

    def read_line(self) -> str:
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            self.errors.seek(0)
            last = (self.errors.read().strip().splitlines() or ["it ended without a word"])[-1]
            raise MarinaError(f"the handler could not be timed: {last}")
        return line

    def expect(self, word: str) -> None:
        while self.read_line().strip() != word:  # a library may greet first
            pass


def promising(
    timings: Sequence[Timing], cores: int, clients: int, longest_ms: float, rate: float | None, most: int
) -> tuple[list[Setting], list[Cut]]:
    """The settings that the timings promise most of, best first, with a delay of 1 ms; and what was cut and why.

    Of each build and shape: its best batch, and the smallest that is nearly as good. ``longest_ms``: a batch that alone
    takes longer keeps no p99 under it. With a ``rate``, what reaches it on the fewest cores comes first. No more than
    ``most`` are given.
    """
    predicted: dict[Setting, float] = {}
    cuts: list[Cut] = []
    for timing in timings:
        for workers, threads in shapes(cores):
            if threads != timing.threads or workers * threads > cores:
                continue  # more workers than cores: predicted like those that fit, and tried as their neighbours
            predicted |= predict_shape(timing, workers, clients, longest_ms)
    if not predicted:
        fastest = min(timing.batch_s(1) for timing in timings)
        raise MarinaError(
            f"a p99 of {longest_ms:g} ms can't be reached: a request takes the handler alone {1000 * fastest:.1f} ms"
        )
    chosen = choose_candidates(predicted, rate, most)
    best = max(predicted.values())
    for setting in sorted(predicted, key=lambda setting: -predicted[setting]):
        if setting not in chosen:
            promise = f"{predicted[setting]:.0f} requests/s, {predicted[setting] / best:.0%} of the best"
            cuts.append(Cut(str(setting), f"the handler's times promise {promise}"))
    return chosen, cuts


def predict(timings: Sequence[Timing], setting: Setting, clients: int) -> float:
    """The requests/s that the timings promise of a setting; nan where it was not timed."""
    filled = filled_batch(setting.workers, clients)
    found = [each for each in timings if (each.build, each.threads) == (setting.build, setting.threads)]
    return found[0].throughput(setting.workers, min(setting.batch_size, filled)) if found else math.nan


def filled_batch(workers: int, clients: int) -> int:
    """How many requests a worker finds waiting on average, where every client asks again as soon as it is answered.

    A worker that is done takes what waits at once; those whom it has just answered are not among that yet. So the
    clients are divided among the batches that are computed and the one that gathers.
    """
    return max(1, clients // (workers + 1))


def choose_candidates(predicted: Mapping[Setting, float], rate: float | None, most: int) -> list[Setting]:
    """The settings that are worth serving, best first, and no more than so many."""
    best = max(predicted.values())
    ranked = sorted(predicted, key=lambda setting: (-round(predicted[setting] / best, 2), simplicity(setting)))
    worth = [setting for setting in ranked if predicted[setting] >= WORTH_SERVING * best]
    if rate is not None:
        enough = [setting for setting in ranked if predicted[setting] >= rate]
        enough.sort(key=lambda setting: setting.workers * setting.threads)  # stable: the faster first
        worth = list(dict.fromkeys([*enough[: most - 2], *worth[:2]]))
    return worth[:most]


def predict_shape(timing: Timing, workers: int, clients: int, longest_ms: float) -> dict[Setting, float]:
    """The throughput of the one or two batch sizes that are best for a number of workers."""
    filled = filled_batch(workers, clients)
    rates = {
        size: timing.throughput(workers, min(size, filled))
        for size in timing.medians_s
        if 1000 * timing.batch_s(min(size, filled)) <= longest_ms
    }
    if not rates:
        return {}
    best = max(rates, key=lambda size: rates[size])
    small = min(size for size in rates if rates[size] >= GOOD_BATCH * rates[best])
    return {Setting(*timing.build, workers, timing.threads, size, 1): rates[size] for size in {best, small}}
