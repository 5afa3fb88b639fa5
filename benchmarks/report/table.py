"""Rows as a table: one line for each workload, server and setting, its figures the medians of the rounds."""

from benchmarks.report.runs import Rows, groups, median

HEADS = (
    "model",
    "quality",
    "variant",
    "runtime",
    "workload",
    "driver",
    "delay_ms",
    "server",
    "server_version",
    "settings",
)
TITLES = {"delay_ms": "delay asked, ms", "server_version": "version"}
# Told only where they differ from line to line.
MAY_BE_LEFT_OUT = ("model", "workload", "driver", "delay_ms")
COLUMNS = {
    "start_s": "until it answers, s",
    "requests_per_s": "requests/s",
    "p50_ms": "p50, ms",
    "p95_ms": "p95, ms",
    "p99_ms": "p99, ms",
    "group_ms": "all, ms",
    "mean_batch": "mean batch",
    "preprocess_ms": "preprocessing, ms",
    "inference_ms": "inference, ms",
    "postprocess_ms": "postprocessing, ms",
    "cpu_ms_per_request": "CPU, ms a request",
    "worker_rss_mb": "worker RSS, MB",
    "pss_mb": "PSS of everything, MB",
    "padding_percent": "padding, %",
    "took_s": "took, s",
    "grid_s": "grid, s",
    "failed": "failed",
}


def make_table(rows: Rows) -> str:
    """A column that nobody filled is left out."""
    heads = [name for name in HEADS if is_told(rows, name)]
    columns = {key: title for key, title in COLUMNS.items() if any(row.get(key) for row in rows)}
    titles = [TITLES.get(name, name) for name in heads]
    lines = [f"| {' | '.join([*titles, *columns.values()])} |", "|" + "---|" * len(heads) + "---:|" * len(columns)]
    for head, group in groups(rows, *heads).items():
        lines.append(f"| {' | '.join([*head, *(tell(group, key) for key in columns)])} |")
    return "\n".join(lines)


def is_told(rows: Rows, name: str) -> bool:
    values = {row.get(name, "") for row in rows}
    return values != {""} and (len(values) > 1 or name not in MAY_BE_LEFT_OUT)


def tell(group: Rows, column: str) -> str:
    """A line's figure; nothing where a round has none."""
    if not all(row.get(column) for row in group):
        return ""
    return f"{median(group, column):.1f}".removesuffix(".0")
