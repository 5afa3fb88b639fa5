"""``make bench``: measures Marina and its peer in turn, in one run, and writes rows and the page about them."""

import csv
import importlib.metadata
import json
import platform
import subprocess
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console

from benchmarks.ab import run_ab
from benchmarks.report import write_report
from benchmarks.servers import ROOT, MeasuredServer, marina, torchserve

RESULTS = ROOT / "benchmarks/results/resnet18-ab.csv"
PICTURE = ROOT / "models/resnet18/samples/bee-on-daisy.jpg"  # 500 x 375, as the old system's
WARM_UP_REQUESTS = 100
PACKAGES = ("torchserve", "onnxruntime", "openvino", "numpy", "pillow")
console = Console(highlight=False)


def describe_machine() -> dict[str, str]:
    """What every row says about where and on what it was made."""
    git = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=ROOT)
    model = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    return {
        "commit": git.stdout.strip(),
        "machine": f"{model.partition(':')[2].strip()}, {len(psutil.Process().cpu_affinity())} cores",
        "versions": " ".join(
            [f"python {platform.python_version()}"]
            + [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
        ),
    }


def measure(server: MeasuredServer, requests: int, clients: int) -> dict[str, object]:
    cpu_before = cpu_seconds(server.process)
    result = run_ab(server.url, PICTURE, requests, clients)
    return {
        "server": server.name,
        "settings": server.settings,
        "requests": requests,
        "clients": clients,
        "requests_per_s": result.requests_per_s,
        "p50_ms": result.p50_ms,
        "p95_ms": result.p95_ms,
        "p99_ms": result.p99_ms,
        "failed": result.failed,
        "cpu_ms_per_request": round((cpu_seconds(server.process) - cpu_before) / requests * 1000, 2),
        "worker_rss_mb": round(server.workers_rss_mb(), 1),
    }


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a server with all its processes."""
    times = [member.cpu_times() for member in [process, *process.children(recursive=True)]]
    return float(sum(time.user + time.system for time in times))


def main(
    rounds: Annotated[int, typer.Option(help="How often each server is measured, in turn.")] = 3,
    requests: Annotated[int, typer.Option(help="Requests in each round.")] = 600,
    clients: Annotated[int, typer.Option(help="Clients that ask at once.")] = 50,
    options: Annotated[str, typer.Option(help='More options for marina serve, such as "--workers 2".')] = "",
    peer: Annotated[bool, typer.Option(help="Measure TorchServe's own handler beside it.")] = True,
    save: Annotated[bool, typer.Option(help="Write the rows and the page.")] = True,
) -> None:
    """Measure ResNet18 with ab, Marina beside TorchServe's own handler, on the same weights and the same picture."""
    run = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    quality = json.loads((ROOT / "models/resnet18/figures.json").read_text())["test"]["accuracy"]
    common = {"run": run, **describe_machine(), "picture": PICTURE.name, "top1_test": quality}
    rows = []
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        servers = [stack.enter_context(marina(PICTURE, Path(scratch), options.split()))]
        if peer:
            servers.append(stack.enter_context(torchserve(PICTURE, Path(scratch))))
        for server in servers:
            run_ab(server.url, PICTURE, WARM_UP_REQUESTS, clients)
        for number in range(rounds):
            for server in servers:
                row = {**common, "round": number + 1, **measure(server, requests, clients)}
                rows.append(row)
                console.print({key: row[key] for key in list(row)[6:]})
    if save:
        append_rows(RESULTS, rows)
        write_report(RESULTS, ROOT / "docs/performance.md", ROOT / "README.md")


def append_rows(path: Path, rows: list[dict[str, object]]) -> None:
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    typer.run(main)
