"""docs/performance.md and the README's figures, written from the committed rows alone."""

import csv
import re
import statistics
from pathlib import Path

MARKDOWN = """\
# Performance

Written by `make bench` from [`{source}`](../{source}); no figure here is typed.
Each server is measured in turn, {rounds} rounds in one run, and the median is shown:
`ab -k -l -n {requests} -c {clients}` with a 500 x 375 JPEG, on {machine}.
Both servers run the same weights, whose accuracy on the test photographs is {quality}.

{table}

Marina serves **{ratio:.2f} times** the requests of TorchServe's own handler, in {memory:.0%} of its worker's memory.

Run of {run} at commit {commit}, with {versions}.
"""

README = """\
{table}

The same float32 ResNet18 (top-1 {quality} on the test photographs), `ab -c {clients}` with a 500 x 375 JPEG on
{machine}, both in one run: **{ratio:.2f} times** the requests in **{memory:.0%}** of the worker's memory.
[How it was measured](docs/performance.md).
"""
MARKED = re.compile(r"(<!-- figures:[^\n]*-->\n).*?(<!-- end of figures -->)", re.DOTALL)


def write_report(source: Path, target: Path, readme: Path) -> None:
    """Renders the last run in the CSV file ``source`` that measured both servers."""
    with source.open(newline="") as file:
        rows = list(csv.DictReader(file))
    runs = [row["run"] for row in rows if row["server"] != "marina"]
    last = [row for row in rows if row["run"] == runs[-1]]
    servers = {row["server"]: [each for each in last if each["server"] == row["server"]] for row in last}
    ours, theirs = servers["marina"], next(group for name, group in servers.items() if name != "marina")
    first = last[0]
    values = {
        "source": source.relative_to(readme.parent),
        "rounds": len(ours),
        "requests": first["requests"],
        "clients": first["clients"],
        "machine": first["machine"],
        "quality": first["top1_test"],
        "table": make_table(servers),
        "ratio": median(ours, "requests_per_s") / median(theirs, "requests_per_s"),
        "memory": median(ours, "worker_rss_mb") / median(theirs, "worker_rss_mb"),
        "run": first["run"],
        "commit": first["commit"],
        "versions": first["versions"],
    }
    target.write_text(MARKDOWN.format(**values))
    section = README.format(**values)
    readme.write_text(MARKED.sub(lambda found: found[1] + section + found[2], readme.read_text()))


def median(rows: list[dict[str, str]], column: str) -> float:
    return statistics.median(float(row[column]) for row in rows)


def make_table(servers: dict[str, list[dict[str, str]]]) -> str:
    columns = {
        "requests_per_s": "requests/s",
        "p50_ms": "p50, ms",
        "p95_ms": "p95, ms",
        "p99_ms": "p99, ms",
        "cpu_ms_per_request": "CPU, ms a request",
        "worker_rss_mb": "worker RSS, MB",
        "failed": "failed",
    }
    lines = ["| server | settings | " + " | ".join(columns.values()) + " |", "|---|---|" + "---:|" * len(columns)]
    for name, rows in servers.items():
        figures = [f"{median(rows, column):.1f}".removesuffix(".0") for column in columns]
        lines.append(f"| {name} | {rows[0]['settings']} | " + " | ".join(figures) + " |")
    return "\n".join(lines)
