"""The places that an archive can live at, beside each other: how soon they answer, what memory they take, how fast.

Each server is started with all the models, one worker each, and asked once for each; then with ants and bees alone, as
it is served by default, under clients who do not pause. Plain Python answers a folder of the same picture.
"""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.archives import MODELS, STORE, unpacked
from benchmarks.loops import measure_closed
from benchmarks.pictures import PICTURE
from benchmarks.rows import Row, describe_run
from benchmarks.servers import ROOT, MeasuredServer, marina_with, suspended
from marina.bodies import read_bodies

RESULTS = ROOT / "benchmarks/results/places.csv"
MODEL = "resnet18"
ALL_MODELS = "all models, a worker each, asked once"
IN_PROCESS = "marina run"
# name: more options for marina serve
SERVERS = {
    "torchserve": (),
    "mms": ("--server", "mms"),
    "torchserve, 2 replicas": ("--replicas", "2"),
}


@dataclass(frozen=True)
class Plan:
    rounds: int = 3
    seconds: float = 8
    warm_s: float = 3
    clients: int = 50
    files: int = 1500  # that `marina run` answers in a round


def measure_places(plan: Plan) -> list[Row]:
    """Rows of every place in each round."""
    common = describe_run()
    with ExitStack() as stack:
        archive = stack.enter_context(unpacked(STORE / f"{MODEL}.mar"))
        about = archive.describe()
        rows = [common | {"round": number} | row for number in range(1, plan.rounds + 1) for row in start_all()]
        servers = [stack.enter_context(marina_with(STORE, {MODEL: PICTURE}, [*more])) for more in SERVERS.values()]
        named = {name: server[MODEL] for name, server in zip(SERVERS, servers, strict=True)}
        for number in range(1, plan.rounds + 1):
            head = common | {"round": number} | about
            rows += [head | row for row in ask_each(named, plan)]
            with suspended(named.values()):
                rows.append(head | run_files(plan))
    return rows


def start_all() -> Iterator[Row]:
    """Each server with all the models: the seconds until every one has answered, and the memory of everything then."""
    with ExitStack() as stack:
        archives = {model: stack.enter_context(unpacked(STORE / f"{model}.mar")) for model in MODELS}
        samples = {model: archive.samples[0] for model, archive in archives.items()}
        for name, more in SERVERS.items():
            began = time.perf_counter()
            with marina_with(STORE, samples, ["--workers", "1", *more]) as servers:
                start_s = time.perf_counter() - began
                server = servers[MODEL]
                yield {
                    "workload": ALL_MODELS,
                    "server": name,
                    "settings": "1 worker of each model",
                    "start_s": round(start_s, 2),
                    "pss_mb": server.pss_mb(),
                }


def ask_each(servers: dict[str, MeasuredServer], plan: Plan) -> Iterator[Row]:
    bodies = read_bodies([PICTURE])
    for name, server in servers.items():
        with suspended(other for other in servers.values() if other is not server):
            yield measure_closed(server, bodies, plan.clients, plan.seconds, plan.warm_s) | {"server": name}


def run_files(plan: Plan) -> Row:
    """`marina run` over a folder: its whole time, the start included, and files a second after its first line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(plan.files):
            (folder / f"{number:06}{PICTURE.suffix}").symlink_to(PICTURE)
        command = [ROOT / ".venv/bin/marina", "run", STORE / f"{MODEL}.mar", folder]
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            times = [time.perf_counter() - began for _ in process.stdout or ()]
    if process.returncode or len(times) != plan.files:
        raise RuntimeError(f"marina run answered {len(times)} of {plan.files} files")
    return {
        "workload": "as fast as it goes",
        "server": IN_PROCESS,
        "settings": "as the archive says",
        "requests": plan.files,
        "requests_per_s": round((plan.files - 1) / (times[-1] - times[0]), 2),
        "start_s": round(times[0], 2),
        "failed": 0,
    }
