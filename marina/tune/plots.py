"""The report's figures, as SVG; matplotlib is imported here and nowhere else."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from marina.tune.goals import Goal
from marina.tune.prior import Timing
from marina.tune.racing import Standing
from marina.tune.rows import CLOSED, OPEN, Measurement
from marina.tune.settings import Setting

BLUE, ORANGE, GREEN, RED, GREY = "#2563a8", "#d9822b", "#3a8a4d", "#b3372f", "#8a8f98"
BUILD_COLOURS = (BLUE, ORANGE, GREEN, RED, "#7a4fa3", "#5b4636")
STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "grid.color": "#e6e8eb",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.hashsalt": "marina",  # the same figures give the same file
}
# Title -> what a setting's value is called, and by what values are sorted.
KNOBS: dict[str, tuple[Callable[[Setting], str], Callable[[Setting], Any]]] = {
    "batch size": (lambda setting: str(setting.batch_size), lambda setting: setting.batch_size),
    "workers x threads": (
        lambda setting: f"{setting.workers} x {setting.threads}",
        lambda setting: (setting.workers, setting.threads),
    ),
    "delay, ms": (lambda setting: str(setting.delay_ms), lambda setting: setting.delay_ms),
    "variant and runtime": (lambda setting: f"{setting.variant}\n{setting.runtime}", lambda setting: setting.build),
}


def draw(path: Path, size: tuple[float, float], columns: int, paint: Callable[[list[Any]], None]) -> None:
    """A figure of so many panels side by side, painted by ``paint``, in a file."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    with pyplot.rc_context(cast(Any, STYLE)):
        figure, axes = pyplot.subplots(1, columns, figsize=size, layout="constrained", squeeze=False)
        paint(list(axes[0]))
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)


def draw_latency(path: Path, rows: Sequence[Measurement], winner: Setting, throughput: float, goal: Goal) -> None:
    """Latency against load with arrivals: the winner's p50, p95 and p99."""
    points = sorted((row for row in rows if is_open(row) and row.setting == winner), key=lambda row: row.load)

    def paint(axes: list[Any]) -> None:
        (axis,) = axes
        loads = [row.load for row in points]
        for name, colour in (("p50_ms", BLUE), ("p95_ms", GREEN), ("p99_ms", RED)):
            axis.plot(loads, [getattr(row, name) for row in points], "o-", color=colour, markersize=4, label=name[:3])
        highs = [row.p99_high_ms if row.p99_high_ms < float("inf") else row.p99_ms for row in points]
        axis.fill_between(loads, [row.p99_low_ms for row in points], highs, color=RED, alpha=0.12, linewidth=0)
        if goal.p99_ms:
            axis.axhline(goal.p99_ms, color=GREY, linestyle="--", linewidth=1)
            note(axis, 0.01, goal.p99_ms, f"p99 asked for: {goal.p99_ms:g} ms", across=True)
        axis.axvline(throughput, color=GREY, linestyle=":", linewidth=1)
        axis.text(throughput, 0.02, " most, closed loop ", rotation=90, ha="right", va="bottom", color=GREY,
                  transform=axis.get_xaxis_transform(), fontsize=9)  # fmt: skip
        log_ms(axis.yaxis)
        axis.set(xlim=(0, 1.05 * max([throughput, *loads])), xlabel="requests/s that arrive", ylabel="latency, ms")
        axis.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0, ncols=3)

    draw(path, (7, 3.8), 1, paint)


def draw_front(path: Path, rows: Sequence[Measurement], winner: Setting, current: Setting | None, goal: Goal) -> None:
    """Throughput against p99: every measurement that was answered in full, and the front that no other point beats."""
    points = [row for row in rows if (is_open(row) or row.kind == CLOSED) and not row.error and not row.failed]
    front = pareto(points)

    def paint(axes: list[Any]) -> None:
        (axis,) = axes
        colours = {current: ORANGE, winner: BLUE}
        for kind, marker in ((CLOSED, "x"), (OPEN, "o")):
            for setting, colour in {None: GREY, **colours}.items():
                mine = [row for row in points if row.kind == kind and colours.get(row.setting, GREY) == colour]
                axis.scatter(
                    *place(mine), marker=marker, s=26, color=colour, linewidths=1.2, zorder=3 if setting else 2
                )
        axis.plot(*place(front), color=GREY, linewidth=1, drawstyle="steps-post", zorder=1)
        for marker, colour, name in (
            ("x", GREY, "all clients at once"),
            ("o", GREY, "random arrivals"),
            ("s", BLUE, "the winner"),
            ("s", ORANGE, "as it was set"),
        ):
            if colour != ORANGE or (current and current != winner):
                axis.scatter([], [], marker=marker, s=26, color=colour, label=name)
        axis.plot([], [], color=GREY, linewidth=1, label="Pareto front")
        if goal.p99_ms:
            axis.axvline(goal.p99_ms, color=GREY, linestyle="--", linewidth=1)
        log_ms(axis.xaxis)
        axis.set(ylim=(0, None), xlabel="p99, ms", ylabel="requests/s")
        axis.legend(loc="best")

    draw(path, (7, 4.2), 1, paint)


def draw_knobs(path: Path, standings: Sequence[Standing[Setting]], winner: Setting) -> None:
    """What each knob does: the throughput of the best setting that was served with each of its values."""
    mine = {standing.key: standing for standing in standings}
    scale = mine[winner].ratio

    def paint(axes: list[Any]) -> None:
        for axis, (title, (name, value)) in zip(axes, KNOBS.items(), strict=True):
            bars = best_of_values(list(mine), winner, value)
            for index, setting in enumerate(bars):
                standing = mine[setting]
                colour = BLUE if setting == winner else GREY
                axis.bar(index, 100 * standing.ratio / scale, color=colour, width=0.65, alpha=0.85)
                low, high = (100 * end / scale for end in (standing.low, standing.high))
                if standing.rounds > 1 and low < high:
                    axis.plot([index, index], [low, high], color="#33363b", linewidth=1.2)
            axis.set(ylim=(0, 125), title=title)
            axis.set_xticks(range(len(bars)), [name(setting) for setting in bars], fontsize=8)
            axis.set_xlim(-0.6, max(len(bars), 3) - 0.4)
            axis.grid(visible=False, axis="x")
        axes[0].set_ylabel("throughput, % of the winner")

    draw(path, (11, 3.4), len(KNOBS), paint)


def best_of_values(settings: Sequence[Setting], winner: Setting, value: Callable[[Setting], Any]) -> list[Setting]:
    """The best setting with each value of a knob, by that value; ``settings`` come best first."""
    found = {value(winner): winner}
    for setting in settings:
        found.setdefault(value(setting), setting)
    return [found[each] for each in sorted(found)]


def draw_handler(path: Path, timings: Sequence[Timing]) -> None:
    """The handler alone: requests a second against the batch size, as timed and as fitted."""
    builds = sorted({timing.build for timing in timings})
    threads = sorted({timing.threads for timing in timings})

    def paint(axes: list[Any]) -> None:
        top = 0.0
        for axis, count in zip(axes, threads, strict=True):
            for timing in (each for each in timings if each.threads == count):
                colour = BUILD_COLOURS[builds.index(timing.build) % len(BUILD_COLOURS)]
                sizes = list(timing.medians_s)
                a, b = timing.fit
                rates = [timing.throughput(timing.copies, size) for size in sizes]
                fitted = [timing.copies * size / (a * size + b) for size in sizes]
                axis.plot(sizes, rates, "o", color=colour, markersize=4, label=" ".join(timing.build))
                axis.plot(sizes, fitted, "-", color=colour, linewidth=1)
                axis.set_title(f"{timing.copies} x {count} threads", fontsize=10)
                top = max(top, *rates)
            axis.set_xscale("log", base=2)
            axis.xaxis.set_major_formatter("{x:.0f}")
            axis.set_xlabel("batch")
        for axis in axes:
            axis.set_ylim(0, 1.1 * top)
        axes[0].set_ylabel("requests/s, handler alone")
        handles, names = max((axis.get_legend_handles_labels() for axis in axes), key=lambda found: len(found[0]))
        axes[-1].figure.legend(handles, names, loc="outside right center", fontsize=9)

    draw(path, (3.2 * len(threads) + 2.2, 3.2), len(threads), paint)


def is_open(row: Measurement) -> bool:
    return row.kind == OPEN and not row.error and row.requests > row.failed


def pareto(rows: Sequence[Measurement]) -> list[Measurement]:
    """Those for which no other has both a lower p99 and more requests a second; by p99."""
    front: list[Measurement] = []
    for row in sorted(rows, key=lambda row: (row.p99_ms, -row.requests_per_s)):
        if not front or row.requests_per_s > front[-1].requests_per_s:
            front.append(row)
    return front


def place(rows: Sequence[Measurement]) -> tuple[list[float], list[float]]:
    return [row.p99_ms for row in rows], [row.requests_per_s for row in rows]


def log_ms(axis: Any) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5."""
    from matplotlib import ticker

    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(ticker.NullLocator())


def note(axis: Any, x: float, y: float, text: str, across: bool) -> None:
    """A remark just above a line; with ``across``, x is a share of the width."""
    transform = axis.get_yaxis_transform() if across else axis.transData
    axis.text(x, y, text, transform=transform, va="bottom", color=GREY, fontsize=9)
