"""Rows of results: what every row says of its machine, and the file that it is added to."""

import csv
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

import psutil

from benchmarks.servers import ROOT

PACKAGES = ("torchserve", "onnxruntime", "openvino", "tokenizers", "numpy", "pillow", "pillow-simd")
Row = dict[str, object]


# What measuring itself writes: no other code is measured where they alone have changed.
WRITTEN = (
    "benchmarks/results",
    "docs/performance.md",
    "docs/servers.md",
    "docs/reliability.md",
    "docs/plots",
    "README.md",
)


def describe_run() -> Row:
    """When, where and on what a run is made."""
    model = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    return {
        "run": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": describe_commit(),
        "machine": f"{model.partition(':')[2].strip()}, {len(psutil.Process().cpu_affinity())} cores",
        "versions": " ".join(
            [f"python {platform.python_version()}"]
            + [f"{each.name} {each.version}" for name in PACKAGES for each in distributions(name=name)]
        ),
    }


def describe_commit() -> str:
    """The commit, with "-dirty" where what is measured may differ from it."""
    commit = git("describe", "--always").stdout.strip()
    paths = [".", *(f":(exclude){path}" for path in WRITTEN)]
    return f"{commit}-dirty" if git("diff", "--quiet", "HEAD", "--", *paths).returncode else commit


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=ROOT)


def append_rows(path: Path, rows: Sequence[Row]) -> None:
    """Adds rows to a CSV file. Columns that it does not have yet are added, and are empty in the older rows."""
    kept = read_rows(path) if path.exists() else []
    old = list(kept[0]) if kept else []
    columns = list(dict.fromkeys([*old, *(name for row in rows for name in row)]))
    is_whole = columns == old
    with path.open("a" if is_whole else "w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        if not is_whole:
            writer.writeheader()
            writer.writerows(kept)
        writer.writerows(rows)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
