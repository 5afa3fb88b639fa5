"""How long one waits for an answer, at half the maximum load and alone; what gathering for company costs and gains.

One server serves the model once for each delay (TorchServe's maxBatchDelay), so that all are measured in one run.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.archives import Archive, find_archive, unpacked
from benchmarks.limit import Bodies, Point, Window, measure_point
from benchmarks.loops import measure_alone, measure_closed, measure_open, threads_of
from benchmarks.rows import Row, describe_run
from benchmarks.servers import ROOT, MeasuredServer, marina_with
from marina.bodies import read_bodies
from marina.settings_text import change_archive, load_mapping

RESULTS = ROOT / "benchmarks/results/latency.csv"
HANDLER_ALONE = "one request alone, handler in process"


@dataclass(frozen=True)
class Plan:
    """What is served, and how long each load lasts in each round."""

    model: str = "resnet18"
    inputs: tuple[Path, ...] = ()  # the archive's samples where there are none
    rounds: int = 3
    closed_s: float = 10
    open_s: float = 30
    alone: int = 150  # requests
    warm_s: float = 2
    pause_s: float = 0.05  # before a request that is to be alone
    clients: int = 50
    delays_ms: tuple[int, ...] = (0, 1, 2, 5)  # beside the model's own
    variant: str | None = None  # without it and a runtime, the archive that is served by default
    runtime: str | None = None
    options: tuple[str, ...] = ()  # more, for marina serve


def measure_latency(plan: Plan) -> list[Row]:
    """Rows for each delay in each round: as fast as it goes, at half of that rate, alone; and the handler alone."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        path = find_archive(plan.model, Path(name), plan.variant, plan.runtime)
        archive = stack.enter_context(unpacked(path))
        inputs = plan.inputs or tuple(archive.samples)
        store = Path(name) / "delays"
        delays = write_delays(archive, store, plan.delays_ms)
        common = {**describe_run(), **archive.describe()}
        samples = dict.fromkeys(delays, inputs[0])
        servers = stack.enter_context(marina_with(store, samples, list(plan.options)))
        rows = []
        for number in range(1, plan.rounds + 1):
            for model, delay_ms in delays.items():
                head = common | {"round": number, "delay_ms": delay_ms, "is_default": int(model == plan.model)}
                rows += [head | row for row in measure_delay(servers[model], archive, inputs, plan, number)]
    return rows


def write_delays(archive: Archive, store: Path, delays_ms: tuple[int, ...]) -> dict[str, int]:
    """The archive with its own delay and with each of the others, under a name of its own; their delays by name."""
    store.mkdir()
    model, own = archive.path.stem, own_delay(archive)
    delays = {model: own} | {f"{model}-{delay}ms": delay for delay in delays_ms if delay != own}
    for name, delay in delays.items():
        change_archive(archive.path, store / f"{name}.mar", {"maxBatchDelay": delay})
    return delays


def own_delay(archive: Archive) -> int:
    return int(load_mapping((archive.folder / "model-config.yaml").read_text(encoding="utf-8"))["maxBatchDelay"])


def measure_delay(
    server: MeasuredServer, archive: Archive, inputs: tuple[Path, ...], plan: Plan, seed: int
) -> Iterator[Row]:
    bodies = read_bodies(inputs)
    closed = measure_closed(server, bodies, plan.clients, plan.closed_s, plan.warm_s)
    yield closed
    rate = float(str(closed["requests_per_s"])) / 2
    yield measure_open(server, bodies, rate, plan.open_s, plan.warm_s, seed)
    yield measure_alone(server, bodies[0], plan.alone, plan.pause_s)
    point = Point("handler", 1, threads_of(server), 1)
    seconds = max(1.0, plan.alone * plan.pause_s)
    window = Window(seconds, pause_s=plan.pause_s)
    yield measure_point(archive, point, Bodies(inputs[:1]), window) | {"workload": HANDLER_ALONE}
