"""ResNet18 with ab: Marina beside TorchServe's own handler, on the same weights and the same picture."""

import json
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from benchmarks.ab import run_ab
from benchmarks.rows import Row, describe_run
from benchmarks.servers import ROOT, MeasuredServer, marina, torchserve

RESULTS = ROOT / "benchmarks/results/resnet18-ab.csv"
PICTURE = ROOT / "models/resnet18/samples/bee-on-daisy.jpg"  # 500 x 375, as the old system's
WARM_UP_REQUESTS = 100
REQUESTS = 600
CLIENTS = 50


def measure_pictures(rounds: int, options: list[str]) -> list[Row]:
    """A row for each server in each round, in turn."""
    quality = json.loads((ROOT / "models/resnet18/figures.json").read_text())["test"]["accuracy"]
    common = {**describe_run(), "picture": PICTURE.name, "top1_test": quality}
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        servers = [
            stack.enter_context(marina(ROOT / "model_store", "resnet18", PICTURE, options)),
            stack.enter_context(torchserve(PICTURE, Path(scratch))),
        ]
        for server in servers:
            run_ab(server.url, PICTURE, "image/jpeg", WARM_UP_REQUESTS, CLIENTS)
        return [{**common, "round": number, **measure(server)} for number in range(1, rounds + 1) for server in servers]


def measure(server: MeasuredServer) -> Row:
    cpu_before = server.cpu_seconds()
    load = run_ab(server.url, PICTURE, "image/jpeg", REQUESTS, CLIENTS)
    return {
        "server": server.name,
        "settings": server.settings,
        "requests": REQUESTS,
        "clients": CLIENTS,
        **asdict(load),
        "cpu_ms_per_request": round((server.cpu_seconds() - cpu_before) / REQUESTS * 1000, 2),
        "worker_rss_mb": server.workers_rss_mb(),
    }
