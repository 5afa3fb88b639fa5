"""Runs out of files of rows, old ones and new: which are shown, and what their rounds come to."""

import re
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.limit import TRIAL_ROUND
from benchmarks.rows import read_rows

Row = dict[str, str]
Rows = list[Row]
OURS = "marina"
IN_PROCESS = "in process"
# In settings of rows that are older than the columns for them.
VARIANT = re.compile(r"\b(float32|bf16|int8|mixed)\b")
RUNTIME = re.compile(r"\b(onnxruntime|openvino|torchscript)\b")


def read_runs(path: Path) -> list[Rows]:
    """The runs of a file, the oldest first, each without its trials; none where there is no file."""
    runs: dict[str, Rows] = {}
    for row in read_rows(path) if path.exists() else []:
        if row["round"] != str(TRIAL_ROUND):
            runs.setdefault(row["run"], []).append(complete(row))
    return list(runs.values())


def complete(row: Row) -> Row:
    """The row with what an older one says in another column."""
    if row.get("top1_test") and not row.get("quality"):
        row["quality"] = f"top-1 {row['top1_test']}"
    for name, pattern in (("variant", VARIANT), ("runtime", RUNTIME)):
        if not row.get(name) and (found := pattern.search(row["settings"])):
            row[name] = found[1]
    if row.get("runtime") == "torchscript":
        row["variant"] = row.get("variant") or "float32"
    return row


def newest(runs: Iterable[Rows], key: Callable[[Rows], object], least_servers: int = 1) -> list[Rows]:
    """The last run of each key that measured so many servers, in the order in which they were made."""
    found: dict[object, Rows] = {}
    for rows in runs:
        if len({row["server"] for row in rows}) >= least_servers:
            found.pop(key(rows), None)
            found[key(rows)] = rows
    return list(found.values())


def served_variant(rows: Rows) -> str:
    """In which Marina served the first model of a run."""
    return next((row.get("variant", "") for row in rows if row["server"] in (OURS, IN_PROCESS)), "")


def model_and_variant(rows: Rows) -> tuple[str, str]:
    return rows[0].get("model", ""), served_variant(rows)


def median(rows: Rows, column: str) -> float:
    """The median of the rounds. Raises statistics.StatisticsError of none."""
    return statistics.median(float(row[column]) for row in rows)


def select(rows: Rows, **values: str) -> Rows:
    """The rows that have these values."""
    return [row for row in rows if all(row.get(name, "") == value for name, value in values.items())]


def groups(rows: Rows, *columns: str) -> dict[tuple[str, ...], Rows]:
    """The rows by their values in these columns."""
    found: dict[tuple[str, ...], Rows] = {}
    for row in rows:
        found.setdefault(tuple(row.get(column, "") for column in columns), []).append(row)
    return found


def tell_variant(row: Row) -> str:
    """ "int8 in openvino", or as much of it as the row tells."""
    return " in ".join(filter(None, (row.get("variant"), row.get("runtime"))))


def short(figure: float) -> str:
    """Three figures or so, as people write them."""
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.1f}"


def tell_number(figure: float) -> str:
    """Two decimals below ten, where a hundredth counts; as ``short`` above."""
    return f"{figure:.3f}".rstrip("0").rstrip(".") if abs(figure) < 10 else short(figure).removesuffix(".0")


def enumerate_names(names: list[str]) -> str:
    """One, two and three."""
    return " and ".join([", ".join(names[:-1]), *names[-1:]] if names[1:] else names)
