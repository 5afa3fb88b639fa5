"""All the models on one server at once, beside each having the cores alone.

Each model is asked by its own clients, as fast as it goes: first each by itself, while the others wait, then all of
them together. The sum over the models of what each does together to what it does alone is what the cores give: models
that took turns, each with all the cores for its share of the time, would make it 1.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.archives import MODELS, STORE, unpacked
from benchmarks.loops import memory, summarise_load
from benchmarks.rows import Row, describe_run
from benchmarks.servers import ROOT, MeasuredServer, marina_with
from marina.bodies import Body, read_bodies
from marina.traffic import Load, run_closed

RESULTS = ROOT / "benchmarks/results/together.csv"
ALONE, TOGETHER = "alone", "together"


@dataclass(frozen=True)
class Plan:
    models: tuple[str, ...] = MODELS
    rounds: int = 3
    seconds: float = 15  # for each model alone, and for all of them
    together_s: float = 30
    warm_s: float = 3
    clients: int = 32  # of each model: enough to fill its batches
    options: tuple[str, ...] = ()  # more, for marina serve


@dataclass(frozen=True)
class Asked:
    """A model on the server: its address, what it is asked, and what its rows say of it."""

    server: MeasuredServer
    bodies: Sequence[Body]
    about: Row


def measure_together(plan: Plan) -> list[Row]:
    """A row for each model alone and for each of them together, in each round. The archives are the store's."""
    common = describe_run()
    with ExitStack() as stack:
        archives = {model: stack.enter_context(unpacked(STORE / f"{model}.mar")) for model in plan.models}
        samples = {model: archive.samples[0] for model, archive in archives.items()}
        servers = stack.enter_context(marina_with(STORE, samples, list(plan.options)))
        asked = [
            Asked(servers[model], read_bodies(archive.samples), archive.describe())
            for model, archive in archives.items()
        ]
        rows = []
        for number in range(1, plan.rounds + 1):
            head = {**common, "round": number}
            for one in asked:
                rows += [head | row for row in measure([one], ALONE, plan.seconds, plan)]
            rows += [head | row for row in measure(asked, TOGETHER, plan.together_s, plan)]
    return rows


def measure(asked: Sequence[Asked], workload: str, seconds: float, plan: Plan) -> list[Row]:
    """These models at the same time. CPU time is the server's, shared by its requests."""
    server = asked[0].server

    def ask(one: Asked) -> Load:
        return run_closed(one.server.url, one.bodies, plan.clients, seconds=seconds, warm_up_s=plan.warm_s)

    cpu_before = server.cpu_seconds()
    with ThreadPoolExecutor(len(asked)) as pool:
        loads = list(pool.map(ask, asked))
    cpu_s = (server.cpu_seconds() - cpu_before) * seconds / (seconds + plan.warm_s)
    requests = sum(len(load.latencies_ms) for load in loads)
    return [
        {
            **one.about,
            "workload": workload,
            "server": one.server.name,
            "settings": one.server.settings,
            "clients": plan.clients,
            **summarise_load(load, cpu_s * len(load.latencies_ms) / max(1, requests)),
            **memory(server),
        }
        for one, load in zip(asked, loads, strict=True)
    ]
