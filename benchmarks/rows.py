"""Rows of results: what every row says of its machine, and the file that it is added to."""

import csv
import importlib.metadata
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.servers import ROOT

PACKAGES = ("torchserve", "onnxruntime", "openvino", "tokenizers", "numpy", "pillow")
Row = dict[str, object]


def describe_run() -> Row:
    """When, where and on what a run is made."""
    git = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=ROOT)
    model = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    return {
        "run": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": git.stdout.strip(),
        "machine": f"{model.partition(':')[2].strip()}, {len(psutil.Process().cpu_affinity())} cores",
        "versions": " ".join(
            [f"python {platform.python_version()}"]
            + [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
        ),
    }


def append_rows(path: Path, rows: list[Row]) -> None:
    """Adds rows of the same columns to a CSV file."""
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerows(rows)


def read_last_run(path: Path) -> list[dict[str, str]]:
    """The rows of the last run in the file that measured more than one server."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    runs = {row["run"]: {each["server"] for each in rows if each["run"] == row["run"]} for row in rows}
    last = [run for run, servers in runs.items() if len(servers) > 1][-1]
    return [row for row in rows if row["run"] == last]
