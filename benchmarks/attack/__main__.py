"""The commands of ``python -m benchmarks.attack``; the package's docstring shows each."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.attack import access as accessing
from benchmarks.attack import kills as killing
from benchmarks.attack import memory as remembering
from benchmarks.attack import mutations as mutating
from benchmarks.attack import slow as slowing
from benchmarks.attack.findings import Finding
from benchmarks.attack.target import PLACES, STORE

console = Console(highlight=False, soft_wrap=True)
app = typer.Typer(add_completion=False, no_args_is_help=True)

Place = Annotated[str | None, typer.Option(help="torchserve, mms, replicas or 'in process'; without it, all that the figure has.")]
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
    plan = mutating.Plan(structural, random, first, seed, clients, store=store, keep=keep, tell=tell)
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


if __name__ == "__main__":
    app()
