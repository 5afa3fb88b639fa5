"""The handwriting ensemble on one core: users who pause, how many of them it carries, and the models by themselves.

The server is held to one core; the users, and all that measures, to another.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.limit import find_limit
from benchmarks.load import post_all
from benchmarks.rows import Row, describe_run
from benchmarks.servers import ROOT, MeasuredServer, marina
from benchmarks.users import is_carried, measure_users, name_users

RESULTS = ROOT / "benchmarks/results/handwriting.csv"
MODEL = "handwriting"
STEP_S = 30  # for one number of users while the limit is searched
CLOSED_LOOP_S = 8  # about; for each way to answer pictures as fast as it goes
CLIENTS = 50
ROUND_TRIP_PICTURES = 320  # of a round through the server
WAYS = {
    "one_by_one": ("onnxruntime", "one after another: pictures and models, float32, 1 thread"),
    "handler": ("marina", "the handler alone, batches of {batch_size}, {runtime}"),
}


@dataclass(frozen=True)
class Build:
    """What is measured: an archive that is there, or one that is built of the ensemble at its full input sizes."""

    archive: Path | None = None
    folder: Path | None = None  # of the exported ensemble: used again where it is there, else kept there
    runtime: str = "onnxruntime"
    variant: str = "float32"
    server: tuple[tuple[str, int | None], ...] = ()  # TorchServe's keys, such as batchSize, in place of the model's


@dataclass(frozen=True)
class Plan:
    """With how many users it is measured, and how long."""

    users: int = 75
    seconds: float = 60
    most_users: int = 400  # that the search for the limit tries


def measure_handwriting(rounds: int, options: list[str], build: Build, plan: Plan) -> list[Row]:
    """Rows for the users and for each way to answer pictures in each round, then one for each step of the search."""
    common = describe_run()
    with tempfile.TemporaryDirectory() as name, two_cores() as (core, other):
        archive = build.archive or build_archive(build, Path(name))
        unpacked = Path(name) / "unpacked"
        with zipfile.ZipFile(archive) as file:
            file.extractall(unpacked)
        common |= describe_archive(archive, unpacked) | {"wanted_users": plan.users}
        os.sched_setaffinity(0, {other})
        samples = unpacked / "samples"
        first = min(samples.iterdir())
        with marina(archive.parent.resolve(), archive.stem, first, options, core) as server:
            server = replace(server, settings=f"behind HTTP, {common['runtime']}, {server.settings}")
            server.check_cores({core})
            rows = [
                common | {"round": number} | row
                for number in range(1, rounds + 1)
                for row in measure_round(server, core, unpacked, plan)
            ]
            found = [common | {"round": 1} | row for row in search_limit(server, samples, plan, rows)]
            server.check_cores({core})
    return rows + sorted(found, key=lambda row: int(str(row["clients"])))


def measure_round(server: MeasuredServer, core: int, unpacked: Path, plan: Plan) -> Iterator[Row]:
    yield measure_carried(server, plan.users, plan.seconds, unpacked / "samples")
    yield from (measure_alone(core, unpacked, way) for way in WAYS)
    yield measure_closed_loop(server, unpacked / "samples")


def measure_carried(server: MeasuredServer, users: int, seconds: float, samples: Path) -> Row:
    """So many users at the old system's address."""
    address = server.url.partition("/predictions/")[0]
    measured = measure_users(server, address, "handwriting", users, seconds, samples)
    return {**describe(server.name, server.settings, name_users(users)), **measured}


def measure_alone(core: int, unpacked: Path, way: str) -> Row:
    """Pictures in one process on the server's core, while the server waits."""
    settings = json.loads((unpacked / "settings.json").read_text(encoding="utf-8"))
    command: list[str | Path] = ["taskset", "--cpu-list", str(core)]
    command += [ROOT / ".venv/bin/python", "-m", "benchmarks.peers.in_process", unpacked, way, str(CLOSED_LOOP_S)]
    printed = subprocess.check_output(command, cwd=ROOT, text=True)
    name, told = WAYS[way]
    head = describe(name, told.format(**settings), "as fast as it goes")
    return {**head, "clients": 1, **json.loads(printed.splitlines()[-1]), "pss_mb": ""}


def measure_closed_loop(server: MeasuredServer, samples: Path) -> Row:
    """Clients who do not pause, with the same pictures."""
    pictures = [base64.b64encode(path.read_bytes()).decode() for path in sorted(samples.iterdir())]
    fields = {"esun_uuid": "0", "esun_timestamp": int(time.time()), "retry": 2}
    documents = [{**fields, "image": pictures[n % len(pictures)]} for n in range(ROUND_TRIP_PICTURES)]
    post_all(server.url, documents[:CLIENTS], CLIENTS)
    cpu_before = server.cpu_seconds()
    found = post_all(server.url, documents, CLIENTS)[0]
    return {
        **describe(server.name, server.settings, "as fast as it goes"),
        "clients": CLIENTS,
        "requests": len(documents),
        **asdict(found),
        "cpu_ms_per_request": round((server.cpu_seconds() - cpu_before) / len(documents) * 1000, 2),
        "pss_mb": server.pss_mb(),
    }


def search_limit(server: MeasuredServer, samples: Path, plan: Plan, rows: list[Row]) -> list[Row]:
    """A row for each number of users that was tried to find the highest that is carried."""
    carried = all(is_carried(row) for row in rows if row["workload"] == name_users(plan.users))
    tried: list[Row] = []

    def holds(users: int) -> bool:
        if users == plan.users:
            return carried
        tried.append(measure_carried(server, users, STEP_S, samples))
        return is_carried(tried[-1])

    find_limit(holds, plan.users, plan.most_users)
    return tried


def describe(server: str, settings: str, workload: str) -> Row:
    return {"workload": workload, "server": server, "settings": settings}


def describe_archive(archive: Path, unpacked: Path) -> Row:
    """What an archive is, from its own files."""
    settings = json.loads((unpacked / "settings.json").read_text(encoding="utf-8"))
    provenance = json.loads((unpacked / "provenance.json").read_text(encoding="utf-8"))
    return {
        "runtime": settings["runtime"],
        "variant": provenance["variant"],
        "sizes": "/".join(map(str, settings["sizes"])),
        "archive_bytes": archive.stat().st_size,
    }


def build_archive(build: Build, scratch: Path) -> Path:
    """The archive of the ensemble at its full input sizes, exported anew unless that was kept."""
    exported = (build.folder or scratch / "exported").resolve()
    if not (exported / "model-config.yaml").exists():
        python = ROOT / ".venv-train/bin/python"
        subprocess.run([python, "-m", "benchmarks.peers.full_size_ensemble", str(exported)], cwd=ROOT, check=True)
    folder = shutil.copytree(exported, scratch / "models" / MODEL)
    config = folder / "model-config.yaml"
    config.write_text(set_lines(config.read_text(), {"runtime": build.runtime, **dict(build.server)}))
    command: list[str | Path] = [ROOT / ".venv/bin/marina", "archive", MODEL, "--models", folder.parent]
    command += ["--out", scratch, "--variant", build.variant]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return scratch / f"{MODEL}.mar"


def set_lines(config: str, values: dict[str, object]) -> str:
    """A YAML text with other values behind keys that stand on lines of their own; None leaves one. Raises KeyError."""
    for key, value in values.items():
        if value is not None:
            config, changed = re.subn(rf"^( *{key}:) .*$", rf"\g<1> {value}", config, flags=re.MULTILINE)
            if not changed:
                raise KeyError(key)
    return config


@contextmanager
def two_cores() -> Iterator[tuple[int, int]]:
    """Two cores of this process, which has all of its own again afterwards. Raises RuntimeError where it has one."""
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        raise RuntimeError("The server needs a core, and its users another.")
    try:
        yield min(cores), max(cores)
    finally:
        os.sched_setaffinity(0, cores)
