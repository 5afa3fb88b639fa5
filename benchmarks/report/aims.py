"""What was aimed at, and what the rows say of it.

The bounds are the project's own aims, for two cores, with a 500 x 375 JPEG under ``ab -k -c 50`` where nothing else is
said; they were set from what a prototype had reached, not from what was measured since.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.report.comparisons import Comparison
from benchmarks.report.files import HANDWRITING, LATENCY, LIMIT, NAMES, PEERS, PICTURES, TOGETHER, TUNER, Report
from benchmarks.report.findings import (
    find_best_peer,
    find_cost_alone,
    find_p99_at_half,
    find_share_of_limit,
    find_spread,
    find_sum_together,
    select_wanted,
)
from benchmarks.report.runs import Rows, median, select, tell_number
from benchmarks.tuner import BESIDE_GRID

MODELS = {"resnet18": "top-1", "ner": "F1", "readability": "RMSE", "handwriting": "top-1"}
USERS = "150"
SAME_WORK = """\
the best of the servers spend nearly all of a request on the same decoding and the same graph; they can differ only by
what they add to it, and none of them adds much."""
HALF_LOAD = """\
a worker that takes several waiting requests answers all of them when the last is done, though another worker is free;
a smaller `batchSize` keeps a lower p99, and costs throughput."""
ALONE = """\
TorchServe waits out its delay of 1 ms, the least that it knows (0 it takes for its default of 100); the rest is the way
through nginx and Java and back, on caches that have gone cold since the last request."""
Figure = Callable[[Rows], float | None]  # of one run; None where it has not measured it


@dataclass(frozen=True)
class Aim:
    title: str
    bound: float
    is_least: bool  # else at most
    report: Report
    figure: Figure
    unit: str = ""
    obstacle: str = ""  # what stands in the way, told where it is not reached

    def is_reached(self, figure: float) -> bool:
        return figure >= self.bound if self.is_least else figure <= self.bound

    def find(self, runs: Iterable[Rows]) -> tuple[Rows, float] | None:
        """The newest of the runs that has the figure, and the figure."""
        for rows in reversed(list(runs)):
            if (figure := self.figure(rows)) is not None:
                return rows, figure
        return None

    def line(self, rows: Rows, figure: float) -> str:
        """A line of a table: what was aimed at, how much, what was found, whether that is enough, and in which run."""
        asked = f"{'at least' if self.is_least else 'at most'} {tell_number(self.bound)}{self.unit}"
        verdict = "reached" if self.is_reached(figure) else "**not reached**"
        return f"| {self.title} | {asked} | {tell_number(figure)}{self.unit} | {verdict} | {rows[0]['run']} |"


def compare(comparison: Comparison, rows: Rows) -> float | None:
    return comparison.ratio(rows) if comparison.is_measured(rows) else None


def beside_pipeline(rows: Rows) -> float | None:
    """Of DistilBERT-base in int8, beside the pipeline that is built once."""
    comparison = NAMES.comparisons[1]
    ours, _ = comparison.sides(rows)
    return compare(comparison, rows) if ours and ours[0].get("variant") == "int8" else None


def best_peer(rows: Rows) -> float | None:
    found = find_best_peer(rows)
    return None if found is None else found[1]


def drop(model: str, rows: Rows) -> float | None:
    """How much worse than float32 the archive of a model is that is served by default; nothing that float32 loses."""
    found = select(rows, model=model)
    if not found or not (found[0].get("quality_drop") or found[0].get("variant") == "float32"):
        return None
    return float(found[0].get("quality_drop") or 0)


def with_users(column: str, rows: Rows, factor: float = 1) -> float | None:
    """Of the handwriting load with as many users as are aimed at; failures are summed up."""
    found = select(select_wanted(rows), clients=USERS)
    if not found:
        return None
    return sum(int(row["failed"]) for row in found) if column == "failed" else factor * median(found, column)


def of_grid(tell: Callable[[dict[str, str]], float], rows: Rows) -> float | None:
    found = select(rows, workload=BESIDE_GRID)
    return tell(found[0]) if found else None


def for_model(model: str, figure: Figure) -> Figure:
    """The figure, of that model's runs alone."""
    return lambda rows: figure(rows) if rows[0].get("model") == model else None


AIMS = (
    Aim(
        "ResNet18 beside TorchServe's own handler in float32, requests/s",
        5.5,
        True,
        PICTURES,
        partial(compare, PICTURES.comparisons[0]),
        " times",
    ),
    Aim("of the limit in process, with the engine that is used", 0.92, True, PICTURES, find_share_of_limit),
    Aim("beside the best peer with the same model file", 1.05, True, PEERS, best_peer, " times", SAME_WORK),
    Aim("p99 at half the maximum load, open loop", 60, False, LATENCY, find_p99_at_half, " ms", HALF_LOAD),
    Aim("what a request alone costs beside the handler alone", 3, False, LATENCY, find_cost_alone, " ms", ALONE),
    *(
        Aim(f"{model}: what the variant loses of float32's {metric}", 0.005, False, LIMIT, partial(drop, model))
        for model, metric in MODELS.items()
    ),
    Aim("DistilBERT-base int8 beside FastAPI with the pipeline", 6, True, NAMES, beside_pipeline, " times"),
    Aim("handwriting, 150 users: requests/s", 38, True, HANDWRITING, partial(with_users, "requests_per_s")),
    Aim("the same: p99", 1000, False, HANDWRITING, partial(with_users, "p99_ms"), " ms"),
    Aim("the same: failures", 0, False, HANDWRITING, partial(with_users, "failed")),
    Aim("the same: memory, PSS of everything", 600, False, HANDWRITING, partial(with_users, "pss_mb"), " MB"),
    Aim(
        "the same: the archive",
        25,
        False,
        HANDWRITING,
        partial(with_users, "archive_bytes", factor=1e-6),
        " MB",
    ),
    *(
        aim
        for model in MODELS
        for aim in (
            Aim(
                f"tuner on {model}: of the grid's best",
                0.95,
                True,
                TUNER,
                for_model(model, partial(of_grid, lambda row: float(row["of_best"]))),
            ),
            Aim(
                f"tuner on {model}: of the grid's time",
                0.2,
                False,
                TUNER,
                for_model(model, partial(of_grid, lambda row: float(row["search_s"]) / float(row["grid_s"]))),
            ),
            Aim(f"tuner on {model}: how far its choices differ", 0.05, False, TUNER, for_model(model, find_spread)),
        )
    ),
    Aim("four models together, of what each does alone: the sum", 0.85, True, TOGETHER, find_sum_together),
)


def make_aims_table(results: Path) -> str:
    """A line for each aim of which a figure was measured; nothing where there is none."""
    found = [(aim, each) for aim in AIMS if (each := aim.find(aim.report.read(results)))]
    if not found:
        return ""
    head = ["| aim | asked | got | | run |", "|---|---:|---:|---|---|"]
    lines = [aim.line(*each) for aim, each in found]
    missed = [aim for aim, (_, figure) in found if aim.obstacle and not aim.is_reached(figure)]
    return "\n".join([*head, *lines, *(f"\n{aim.title}: {aim.obstacle}" for aim in missed)])


def quick_figures(rows: Rows) -> list[tuple[str, str, str]]:
    """The first three aims, what each asks, and what a short run found."""
    found = (AIMS[0].figure(rows), AIMS[1].figure(rows), best_peer(rows))
    return [
        (
            aim.title,
            f"{tell_number(aim.bound)}{aim.unit}",
            "not measured" if figure is None else f"{tell_number(figure)}{aim.unit}",
        )
        for aim, figure in zip(AIMS[:3], found, strict=True)
    ]
