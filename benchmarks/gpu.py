"""Archives' handlers on a GPU, in one process and without a server, beside their models alone, by the size of a batch.

Beside requests a second each row has the handler's own times by stage. Half of a batch is computed while the other is
decoded, so what is told of inference is the part of it that decoding did not hide. It needs an environment with torch:
``.venv-train/bin/python -m benchmarks.run gpu``.
"""

import os
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.archives import unpacked
from benchmarks.limit import Bodies, Point, Window, measure_point
from benchmarks.rows import Row, describe_run
from benchmarks.servers import ROOT

RESULTS = ROOT / "benchmarks/results/gpu.csv"
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
WAYS = ("handler", "model")


def measure_gpu(paths: Sequence[Path], rounds: int, window: Window, batches: Sequence[int] = BATCHES) -> list[Row]:
    """Rows of archives, on the GPU that the window names; a round asks every archive each way with every batch."""
    common = describe_run() | {"card": name_card(window.gpu)}
    common["versions"] = f"{common['versions']} torch {version('torch')}"
    cores = len(os.sched_getaffinity(0))
    rows: list[Row] = []
    for number in range(1, rounds + 1):
        for path in paths:
            with unpacked(path) as archive:
                for point in [Point(way, 1, cores, batch) for way in WAYS for batch in batches]:
                    row = measure_point(archive, point, Bodies(archive.samples), window)
                    rows.append({**common, **archive.describe(), "round": number, **row})
    return rows


def name_card(gpu: int | None) -> str:
    """The GPU's name as its driver tells it. Raises RuntimeError where there is none."""
    if gpu is None:
        return "none"
    query = ["nvidia-smi", f"--id={gpu}", "--query-gpu=name", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise RuntimeError(f"there is no GPU {gpu}") from error
