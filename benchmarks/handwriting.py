"""The handwriting ensemble on one core: users who pause, how many of them it carries, and the models by themselves.

The server is held to one core; the users, and all that measures, to another.
"""

import base64
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.archives import Archive, build_archive, build_folder, unpacked
from benchmarks.limit import Bodies, Point, Window, measure_point
from benchmarks.load import post_all
from benchmarks.most_users import find_most_users
from benchmarks.rows import Row, describe_run
from benchmarks.servers import ROOT, MeasuredServer, marina
from benchmarks.users import is_carried, measure_users, name_users
from marina.settings_text import change_settings, load_mapping

RESULTS = ROOT / "benchmarks/results/handwriting.csv"
MODEL = "handwriting"
STEP_S = 30  # for one number of users while the limit is searched
CLOSED_LOOP_S = 8  # about; for each way to answer pictures as fast as it goes
CLIENTS = 50
ROUND_TRIP_PICTURES = 320  # of a round through the server
ONE_BY_ONE = {"variant": "float32", "runtime": "onnxruntime", "server": "onnxruntime"}


@dataclass(frozen=True)
class Build:
    """What is measured: an archive that is there, or one that is built of the ensemble at its full input sizes."""

    archive: Path | None = None
    folder: Path | None = None  # of the exported ensemble: used again where it is there, else kept there
    variant: str | None = None  # without it and a runtime, those that the shipped model is served as
    runtime: str | None = None
    server: tuple[tuple[str, int | None], ...] = ()  # TorchServe's keys, such as batchSize, in place of the model's


@dataclass(frozen=True)
class Plan:
    """With how many users it is measured, and how long."""

    users: int = 150
    seconds: float = 60
    most_users: int = 400  # that the search for the limit tries


def measure_handwriting(rounds: int, options: list[str], build: Build, plan: Plan) -> list[Row]:
    """Rows for the users and for each way to answer pictures in each round, then one for each step of the search."""
    common = describe_run()
    with tempfile.TemporaryDirectory() as name, two_cores() as (core, other):
        path, plain = find_archives(build, Path(name))
        with unpacked(path) as archive, unpacked(plain) as unquantised:
            common |= archive.describe() | {"wanted_users": plan.users}
            common["sizes"] = "/".join(map(str, archive.settings["sizes"]))
            os.sched_setaffinity(0, {other})
            with marina(path.parent.resolve(), path.stem, archive.samples[0], options, core) as server:
                server = replace(server, settings=f"behind HTTP, {common['runtime']}, {server.settings}")
                server.check_cores({core})
                rows = [
                    common | {"round": number} | row
                    for number in range(1, rounds + 1)
                    for row in measure_round(server, core, archive, unquantised, plan)
                ]
                found = [common | {"round": 1} | row for row in search_limit(server, archive, plan, rows)]
                server.check_cores({core})
    return rows + sorted(found, key=lambda row: int(str(row["clients"])))


def measure_round(
    server: MeasuredServer, core: int, archive: Archive, unquantised: Archive, plan: Plan
) -> Iterator[Row]:
    """``unquantised`` is the same ensemble in float32, which the peer computes with."""
    yield measure_carried(server, plan.users, plan.seconds, archive)
    yield measure_in_process(core, unquantised, "one_by_one") | ONE_BY_ONE
    yield measure_in_process(core, archive, "handler")
    yield measure_closed_loop(server, archive)


def measure_carried(server: MeasuredServer, users: int, seconds: float, archive: Archive) -> Row:
    """So many users at the old system's address."""
    address = server.url.partition("/predictions/")[0]
    measured = measure_users(server, address, "handwriting", users, seconds, archive.folder / "samples")
    return {**describe(server.name, server.settings, name_users(users)), **measured}


def measure_in_process(core: int, archive: Archive, way: str) -> Row:
    """Pictures in one process on the server's core, while the server waits."""
    settings = archive.settings
    batch = 1 if way == "one_by_one" else settings["batch_size"]
    told = "one after another: pictures and models, float32, 1 thread"
    if way == "handler":
        told = f"the handler alone, batches of {batch}, {settings['runtime']}"
    found = measure_point(
        archive, Point(way, 1, 1, batch), Bodies(archive.samples, question=True), Window(CLOSED_LOOP_S, cores=(core,))
    )
    kept = {name: value for name, value in found.items() if name not in ("processes", "threads", "batch")}
    return {**kept, **describe("marina", told, "as fast as it goes"), "clients": 1, "pss_mb": ""}


def measure_closed_loop(server: MeasuredServer, archive: Archive) -> Row:
    """Clients who do not pause, with the same pictures."""
    pictures = [base64.b64encode(path.read_bytes()).decode() for path in archive.samples]
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


def search_limit(server: MeasuredServer, archive: Archive, plan: Plan, rows: list[Row]) -> list[Row]:
    """A row for each number of users that was tried to find the highest that is carried."""
    carried = all(is_carried(row) for row in rows if row["workload"] == name_users(plan.users))
    tried: list[Row] = []

    def holds(users: int) -> bool:
        if users == plan.users:
            return carried
        tried.append(measure_carried(server, users, STEP_S, archive))
        return is_carried(tried[-1])

    find_most_users(holds, plan.users, plan.most_users)
    return tried


def describe(server: str, settings: str, workload: str) -> Row:
    return {"workload": workload, "server": server, "settings": settings}


def find_archives(build: Build, scratch: Path) -> tuple[Path, Path]:
    """The archive that is measured, and the same ensemble in float32; exported anew unless that was kept."""
    if build.archive:
        return build.archive, build.archive
    exported = (build.folder or scratch / "exported").resolve()
    if not (exported / "model-config.yaml").exists():
        python = ROOT / ".venv-train/bin/python"
        subprocess.run([python, "-m", "benchmarks.peers.full_size_ensemble", str(exported)], cwd=ROOT, check=True)
    folder = shutil.copytree(exported, scratch / "models" / MODEL)
    config = folder / "model-config.yaml"
    wanted = {key: value for key, value in build.server if value is not None}
    config.write_text(change_settings(config.read_text(), wanted))
    own_variant, own_runtime = served_as(config.read_text())
    plain = build_archive(MODEL, folder.parent, scratch / "float32", "float32", "onnxruntime")
    return build_folder(folder, scratch, build.variant or own_variant, build.runtime or own_runtime), plain


def served_as(config: str) -> tuple[str, str | None]:
    """The variant and the runtime that a model's settings name."""
    settings = load_mapping(config)
    return settings.get("archive", {}).get("variant", "float32"), settings["handler"].get("runtime")


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
