"""ResNet18 with ab: Marina beside TorchServe's own handler, and beside what no server can beat."""

import json
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.ab import run_ab
from benchmarks.archives import find_archive, tell_quality, unpacked
from benchmarks.limit import Bodies, Window, find_best, measure_point
from benchmarks.rows import Row, describe_run
from benchmarks.servers import ROOT, MeasuredServer, marina, suspended, torchserve

RESULTS = ROOT / "benchmarks/results/resnet18-ab.csv"
MODEL = "resnet18"
PICTURE = ROOT / "models/resnet18/samples/bee-on-daisy.jpg"  # 500 x 375, as the old system's
WARM_UP_REQUESTS = 200
CLIENTS = 50
LIMIT_BATCHES = (8, 16, 32)


@dataclass(frozen=True)
class Plan:
    """What is served, and how long each server is measured in each round."""

    rounds: int = 3
    seconds: float = 10
    trial_s: float = 2
    variant: str | None = None  # without it and a runtime, the archive that is served by default
    runtime: str | None = None
    options: tuple[str, ...] = ()  # more, for marina serve


def measure_pictures(plan: Plan) -> list[Row]:
    """A row for each server, and one for the handler in process, in each round, in turn."""
    common = {**describe_run(), "picture": PICTURE.name}
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        path = find_archive(MODEL, Path(scratch), plan.variant, plan.runtime)
        archive, bodies = stack.enter_context(unpacked(path)), Bodies([PICTURE])
        point = find_best(archive, bodies, LIMIT_BATCHES, plan.trial_s)
        ours = stack.enter_context(marina(path.parent, MODEL, PICTURE, list(plan.options)))
        theirs = stack.enter_context(torchserve(PICTURE, Path(scratch)))
        rows = []
        for number in range(1, plan.rounds + 1):
            head = {**common, "round": number}
            with suspended([theirs]):
                rows.append(head | archive.describe() | measure(ours, plan.seconds))
            with suspended([ours]):
                rows.append(head | describe_torchserve() | measure(theirs, plan.seconds))
            with suspended([ours, theirs]):
                rows.append(head | archive.describe() | measure_point(archive, point, bodies, Window(plan.seconds)))
    return rows


def describe_torchserve() -> Row:
    """What TorchServe's own handler serves: the same weights, untouched."""
    figures = json.loads((ROOT / "models/resnet18/figures.json").read_text())
    return {"model": MODEL, "variant": "float32", "runtime": "torchscript", "quality": tell_quality(figures)}


def measure(server: MeasuredServer, seconds: float) -> Row:
    """A run of ab that lasts about so long, as a warm-up has told."""
    warm = run_ab(server.url, PICTURE, "image/jpeg", WARM_UP_REQUESTS, CLIENTS)
    requests = max(WARM_UP_REQUESTS, round(warm.requests_per_s * seconds))
    cpu_before = server.cpu_seconds()
    load = run_ab(server.url, PICTURE, "image/jpeg", requests, CLIENTS)
    return {
        "workload": "ab",
        "server": server.name,
        "settings": server.settings,
        "requests": requests,
        "clients": CLIENTS,
        **asdict(load),
        "cpu_ms_per_request": round((server.cpu_seconds() - cpu_before) / requests * 1000, 2),
        "worker_rss_mb": server.workers_rss_mb(),
    }
