"""The page that a tuning leaves: what won and why, the figures, the plots, and what was cut."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from marina.errors import MarinaError
from marina.tune import plots
from marina.tune.cost import cost_a_million, plan_fleet
from marina.tune.exhaustive import Verdict
from marina.tune.goals import Carried, Outcome
from marina.tune.prior import Timing
from marina.tune.racing import INDIFFERENCE, Standing
from marina.tune.rows import CLOSED, OPEN, ROWS_FILE, Facts, Measurement
from marina.tune.settings import Setting

REPORT_FILE = "report.md"
PAGE = """\
# {model}: what serves best here

**{winner}**

{verdict}: {why}.

{numbers}
{cost}
{latency}
![Latency against load](latency.svg)

## Throughput against p99

Crosses: {clients} clients at once, each asking again as soon as it is answered; their p99 is little more than clients
divided by throughput. Dots: requests that arrive at random, whether others are answered or not.

![Throughput against p99](front.svg)

## What each knob does

Throughput with {clients} clients at once, in percent of the winner's: the best setting that was served with each value.
Lines are intervals of 99 %, where there were two rounds or more.

![What each knob does](knobs.svg)

## Every setting that was served

{table}

Ratios come from rounds in which all were measured in turn; one throughput varied by {noise:.1%} (standard deviation)
from round to round. Settings within {indifference:.1%} of the best count as
equally good, and of them the simplest wins. CPU time is of nginx, TorchServe and the workers; memory is the workers'
resident memory together. What the server said that it applied was held against each setting.

## The handler alone

Dots are medians, lines the fit a*n + b of a batch's time. They said which settings to serve.

![The handler alone](handler.svg)

{fits}

## What was cut, and why

{cuts}

{facts}
"""


@dataclass(frozen=True)
class Findings:
    """Everything that a tuning found."""

    outcome: Outcome
    facts: Facts
    rows: Sequence[Measurement]
    timings: Sequence[Timing]
    current: Setting | None
    cores: int
    clients: int
    verdict: Verdict | None


def check_matplotlib() -> None:
    """Raises MarinaError where the plots could not be drawn, before hours are spent on them."""
    if importlib.util.find_spec("matplotlib") is None:
        raise MarinaError("the report needs matplotlib: `pip install -r requirements/test.txt` brings it")


def write_report(findings: Findings, folder: Path, price: float | None) -> Path:
    """Writes the page and its plots into the folder of the rows; its path."""
    outcome = findings.outcome
    closed = closed_rows(findings.rows)
    throughput = typical(closed[outcome.winner], "requests_per_s")
    plots.draw_latency(folder / "latency.svg", findings.rows, outcome.winner, throughput, outcome.goal)
    plots.draw_front(folder / "front.svg", findings.rows, outcome.winner, findings.current, outcome.goal)
    plots.draw_knobs(folder / "knobs.svg", outcome.standings, outcome.winner)
    plots.draw_handler(folder / "handler.svg", findings.timings)
    page = PAGE.format(
        model=findings.facts.model,
        winner=outcome.winner,
        verdict=f"Looked for {outcome.goal}. " + ("Found" if outcome.met else "**Not reached**"),
        why=outcome.why,
        numbers=write_numbers(findings, closed),
        cost=write_cost(findings, price),
        latency=write_latency(findings, throughput),
        clients=findings.clients,
        indifference=INDIFFERENCE,
        noise=outcome.noise,
        table=write_table(outcome.standings, closed, findings),
        fits=write_fits(findings.timings),
        cuts="\n".join(f"- {cut.what}: {cut.why}." for cut in outcome.cuts) or "Nothing.",
        facts=write_facts(findings),
    )
    path = folder / REPORT_FILE
    path.write_text(page, encoding="utf-8")
    return path


def closed_rows(rows: Sequence[Measurement]) -> dict[Setting, list[Measurement]]:
    """The rows of every setting that answered all clients at once."""
    found: dict[Setting, list[Measurement]] = {}
    for row in rows:
        if row.kind == CLOSED and not row.error and not row.failed:
            found.setdefault(row.setting, []).append(row)
    return found


def typical(rows: Sequence[Measurement], column: str) -> float:
    return float(median(getattr(row, column) for row in rows))


def write_numbers(findings: Findings, closed: dict[Setting, list[Measurement]]) -> str:
    """The winner beside what the model had until now."""
    settings = {"winner": findings.outcome.winner}
    if findings.current in closed and findings.current != findings.outcome.winner:
        settings["as it was set"] = findings.current
    lines = [f"| | {' | '.join(settings)} |", "|---|" + "---:|" * len(settings)]

    def line(title: str, cells: Sequence[str]) -> None:
        lines.append(f"| {title} | {' | '.join(cells)} |")

    mine = [closed[setting] for setting in settings.values()]
    line("setting", [str(setting) for setting in settings.values()])
    line("requests/s", [f"{typical(rows, 'requests_per_s'):.1f}" for rows in mine])
    line("requests/s a core", [f"{typical(rows, 'requests_per_s') / findings.cores:.1f}" for rows in mine])
    line("p50, ms", [f"{typical(rows, 'p50_ms'):.0f}" for rows in mine])
    line("p99, ms", [f"{typical(rows, 'p99_ms'):.0f}" for rows in mine])
    line("CPU, ms a request", [f"{typical(rows, 'cpu_ms_per_request'):.2f}" for rows in mine])
    line("memory of the workers, MB", [f"{typical(rows, 'rss_mb'):.0f}" for rows in mine])
    if any(rows[0].quality for rows in mine):
        line("quality", [rows[0].quality or "not measured" for rows in mine])
    lines.append(f"\nAll with {findings.clients} clients at once.\n")
    return "\n".join(lines)


def winner_carries(findings: Findings) -> Carried | None:
    carried = findings.outcome.carried_by(findings.outcome.winner)
    return carried if carried and carried.requests_per_s > 0 else None


def write_cost(findings: Findings, price: float | None) -> str:
    """Machines and money for a load, from what the winner carries."""
    carried = best_carried(findings)
    if carried is None:
        return ""
    rate, goal = carried.requests_per_s, findings.outcome.goal
    lines = [
        f"One machine carries {rate:.0f} requests/s that arrive at random with a p99 under {goal.longest_ms:g} ms "
        f"(p99 {carried.p99_ms:.0f} ms), {rate / findings.cores:.1f} a core."
    ]
    if goal.rps:
        fleet = plan_fleet(goal.rps, rate, price)
        noun = "machine" if fleet.machines == 1 else "machines"
        lines.append(f"{goal.rps:g} requests/s need {fleet.machines} {noun}, with {fleet.headroom:.0%} headroom.")
        if fleet.cost_a_month is not None:
            lines.append(f"At {price:g} an hour each, that is {fleet.cost_a_month:,.2f} a month of 730 hours.")
    if price is not None:
        lines.append(f"A million requests cost {cost_a_million(rate, price):.3g} on a machine that is kept busy.")
    return " ".join(lines) + "\n"


def best_carried(findings: Findings) -> Carried | None:
    """The highest rate of arrivals that the winner answered within the goal, in whichever measurement."""
    outcome = findings.outcome
    good = [
        Carried(row.setting, row.load, row.p99_ms)
        for row in findings.rows
        if row.kind == OPEN and row.setting == outcome.winner and outcome.goal.is_met(row)
    ]
    known = [carried for carried in (winner_carries(findings), *good) if carried]
    return max(known, key=lambda carried: carried.requests_per_s, default=None)


def write_latency(findings: Findings, throughput: float) -> str:
    """The p99 at half the most load, with its interval."""
    mine = [row for row in findings.rows if plots.is_open(row) and row.setting == findings.outcome.winner]
    if not mine:
        return ""
    half = min(mine, key=lambda row: abs(row.load - throughput / 2))
    high = f"{half.p99_high_ms:.0f}" if half.p99_high_ms < float("inf") else "more"
    return (
        f"With {half.load:.0f} requests/s arriving at random, {half.load / throughput:.0%} of the most, p50 is "
        f"{half.p50_ms:.0f} ms and p99 {half.p99_ms:.0f} ms (95 % interval {half.p99_low_ms:.0f} to {high}).\n"
    )


def write_table(
    standings: Sequence[Standing[Setting]], closed: dict[Setting, list[Measurement]], findings: Findings
) -> str:
    lines = [
        "| setting | requests/s | of the best | rounds | p50, ms | p99, ms | CPU, ms a request | memory, MB | batch |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for standing in standings:
        rows = closed[standing.key]
        name = f"**{standing.key}**" if standing.key == findings.outcome.winner else str(standing.key)
        name += " (as it was set)" if standing.key == findings.current else ""
        reach = (
            f" ({standing.low:.0%} to {standing.high:.0%})"
            if standing.rounds > 1 and standing.low < standing.high
            else ""
        )
        lines.append(
            f"| {name} | {typical(rows, 'requests_per_s'):.1f} | {standing.ratio:.0%}{reach} | {standing.rounds} "
            f"| {typical(rows, 'p50_ms'):.0f} | {typical(rows, 'p99_ms'):.0f} "
            f"| {typical(rows, 'cpu_ms_per_request'):.2f} | {typical(rows, 'rss_mb'):.0f} "
            f"| {typical(rows, 'mean_batch'):.1f} |"
        )
    return "\n".join(lines)


def write_fits(timings: Sequence[Timing]) -> str:
    lines = [
        "| variant and runtime | side by side | ms a request (a) | ms a batch (b) | requests/s | memory of one, MB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for timing in timings:
        a, b = timing.fit
        most = max(timing.throughput(timing.copies, size) for size in timing.medians_s)
        lines.append(
            f"| {' '.join(timing.build)} | {timing.copies} x {timing.threads} threads | {1000 * a:.2f} "
            f"| {1000 * b:.2f} | {most:.0f} | {timing.memory_mb:.0f} |"
        )
    return "\n".join(lines)


def write_facts(findings: Findings) -> str:
    facts = findings.facts
    text = (
        f"Run of {facts.run}, {findings.outcome.seconds:.0f} s, on {facts.machine}, at commit {facts.commit}, with "
        f"{facts.versions}. The rows stand in [{ROWS_FILE}]({ROWS_FILE})."
    )
    return f"## Beside the whole grid\n\n{findings.verdict}\n\n{text}" if findings.verdict else text
