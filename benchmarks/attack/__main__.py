"""The commands of ``python -m benchmarks.attack``; the package's docstring shows each."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.attack import access as accessing
from benchmarks.attack import archives as archiving
from benchmarks.attack import kills as killing
from benchmarks.attack import memory as remembering
from benchmarks.attack import mutations as mutating
from benchmarks.attack import slow as slowing
from benchmarks.attack.findings import Finding
from benchmarks.attack.tally import Plan as MutationPlan
from benchmarks.attack.target import IN_PROCESS, PLACES, STORE
from benchmarks.attack.worst_inputs import WORST
from benchmarks.report import write_reports
from benchmarks.rows import append_rows, describe_run
from benchmarks.servers import ROOT

console = Console(highlight=False, soft_wrap=True)
app = typer.Typer(add_completion=False, no_args_is_help=True)

RESULTS = ROOT / "benchmarks/results/attack.csv"
KEPT = ROOT / "benchmarks/attack/kept"  # git ignores it
Place = Annotated[
    str | None, typer.Option(help="torchserve, mms, replicas or 'in process'; without it, all that the figure has.")
]
Store = Annotated[Path, typer.Option(help="Folder of the shipped models' archives.")]
Seed = Annotated[int, typer.Option(help="Of everything that is drawn.")]


@app.callback()
def attack() -> None:
    """Attack a running Marina, on loopback, and tell what held."""


def tell(line: str) -> None:
    console.print(line, markup=False)


def show(found: list[Finding]) -> None:
    """Each finding as a line: what held, and what did not."""
    for each in found:
        row = each.row()
        verdict = {"yes": "held", "no": "NOT HELD", "": "told"}[str(row["held"])]
        bound = f" ({row['bound']})" if row["bound"] else ""
        note = f"; {row['note']}" if row["note"] else ""
        console.print(
            f"{verdict:9}{row['figure']}, {row['place']}, {row['attack']}: {row['measure']}: "
            f"{row['value']} {row['unit']}{bound}{note}",
            markup=False,
        )


@app.command()
def mutations(
    place: Place = None,
    structural: int = 16_000,
    random: int = 6_000,
    first: int = 0,
    seed: Seed = 1,
    clients: int = 8,
    keep: Path | None = None,
    store: Store = STORE,
) -> None:
    """Mutated inputs."""
    plan = MutationPlan(structural, random, first, seed, clients, store=store, keep=keep, tell=tell)
    for each in [place] if place else ["torchserve", "mms", "in process"]:
        show(mutating.measure_mutations(each, plan))


@app.command()
def memory(
    place: Place = None,
    task: Annotated[str | None, typer.Option(help="image or text; without it, both.")] = None,
    case: Annotated[list[str] | None, typer.Option(help="Of these names alone.")] = None,
    at_once: Annotated[int, typer.Option(help="Requests on each model.")] = 32,
    store: Store = STORE,
) -> None:
    """The memory that the worst inputs take."""
    plan = remembering.Plan(at_once, [task] if task else ("image", "text"), case or (), store=store, tell=tell)
    for each in [place] if place else ["torchserve", "mms"]:
        show(remembering.measure_memory(each, plan))


@app.command()
def kills(
    place: Place = None,
    workers: Annotated[int, typer.Option(help="Kills of a random worker.")] = 40,
    java: Annotated[int, typer.Option(help="Kills of the model server's Java.")] = 8,
    seed: Seed = 1,
    store: Store = STORE,
) -> None:
    """Workers and Java killed under load."""
    plan = killing.Plan(workers, java, seed=seed, store=store, tell=tell)
    for each in [place] if place else ["torchserve", "replicas"]:
        show(killing.measure_kills(each, plan))


@app.command()
def slow(
    place: Place = None,
    clients: Annotated[int, typer.Option(help="Slow clients of each kind.")] = 1000,
    addresses: Annotated[int, typer.Option(help="Loopback addresses that they come from.")] = 20,
    seconds: Annotated[float, typer.Option(help="Of each kind.")] = 20,
    kind: Annotated[list[str] | None, typer.Option(help="Of these kinds alone.")] = None,
    shared: Annotated[bool, typer.Option(help="Once more from the good clients' own address.")] = True,
    store: Store = STORE,
) -> None:
    """Slow clients in great numbers."""
    plan = slowing.Plan(clients, addresses, seconds, kinds=kind or (), shared=shared, store=store, tell=tell)
    for each in [place] if place else ["torchserve"]:
        show(slowing.measure_slow(each, plan))


@app.command()
def access(place: Place = None, store: Store = STORE) -> None:
    """Names, origins and ports."""
    for each in [place] if place else PLACES:
        show(accessing.measure_access(each, accessing.Plan(store, tell)))


@app.command()
def archives(every: Annotated[int, typer.Option(help="Only each so manieth.")] = 1) -> None:
    """Hostile archives."""
    show(archiving.measure_archives(archiving.Plan(every=every, tell=tell)))


@app.command("all")
def all_of_them(
    only: Annotated[list[str] | None, typer.Option(help='Figures whose names begin so, such as "kills".')] = None,
    save: Annotated[bool, typer.Option(help="Write the rows and the pages.")] = True,
    seed: Seed = 1,
    keep: Annotated[
        Path, typer.Option(help="Folder of the inputs that were answered otherwise than they may be.")
    ] = KEPT,
    store: Store = STORE,
) -> None:
    """Every figure, in about half an hour; fails if a bound is not kept, or a figure can't be made."""
    common, failed = describe_run(), []
    for name, measure in all_figures(seed, keep, store).items():
        if only and not name.startswith(tuple(only)):
            continue
        tell(f"{name}: begins")
        began = time.monotonic()
        try:
            found = measure()
        except Exception as error:  # whatever one figure meets, the others are made
            tell(f"{name}: can't be made: {type(error).__name__}: {error}")
            failed.append(name)
            continue
        tell(f"{name}: {(time.monotonic() - began) / 60:.1f} minutes")
        show(found)
        failed += [name] if not all(each.held for each in found) else []
        if save:
            append_rows(RESULTS, [common | each.row() for each in found])
    if save:
        write_reports()
    if failed:
        tell(f"Not held: {', '.join(failed)}")
        raise typer.Exit(1)


def all_figures(seed: int, keep: Path, store: Path) -> dict[str, Callable[[], list[Finding]]]:
    """By name, in their order."""
    mutated = MutationPlan(seed=seed, store=store, keep=keep, tell=tell)
    killed = killing.Plan(seed=seed, store=store, tell=tell)
    worst = remembering.Plan(cases=WORST, store=store, tell=tell)
    figures: dict[str, Callable[[], list[Finding]]] = {
        f"access, {place}": partial(accessing.measure_access, place, accessing.Plan(store, tell)) for place in PLACES
    }
    figures["archives"] = partial(archiving.measure_archives, archiving.Plan(tell=tell))
    for place in ("torchserve", "replicas"):
        figures[f"kills, {place}"] = partial(killing.measure_kills, place, killed)
    figures["slow clients"] = partial(
        slowing.measure_slow, "torchserve", slowing.Plan(seconds=10, store=store, tell=tell)
    )
    figures["memory, torchserve"] = partial(remembering.measure_memory, "torchserve", replace(worst, cases=()))
    figures["memory, mms"] = partial(remembering.measure_memory, "mms", worst)
    for place in ("torchserve", "mms", IN_PROCESS):
        figures[f"mutations, {place}"] = partial(mutating.measure_mutations, place, mutated)
    return figures


@app.command()
def pages() -> None:
    """Write the pages again, from the rows that there are."""
    write_reports()


if __name__ == "__main__":
    app()
