"""The rows behind a report: one for each measurement, written as it is made, and read again by ``--resume``."""

import csv
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

from marina.errors import MarinaError
from marina.places import ROOT
from marina.provenance import UNKNOWN, git, machine, versions
from marina.tune.settings import Setting

ROWS_FILE = "rows.csv"
Record = TypeVar("Record", "Facts", "Measurement")
HANDLER, CLOSED, OPEN = "handler", "closed", "open"


@dataclass(frozen=True)
class Facts:
    """What every row of a run says of its circumstances; rows of other circumstances are not used again."""

    run: str
    commit: str
    machine: str
    versions: str
    model: str
    inputs: str  # digest of what is posted


@dataclass(frozen=True)
class Measurement:
    """One measurement. Latencies in ms; of the handler alone, a batch's median is ``p50_ms``."""

    kind: str  # HANDLER: in process; CLOSED: ``load`` clients at once; OPEN: ``load`` arrivals a second
    turn: int  # the round of a closed loop, the seed of an open one
    archive: str  # digest
    variant: str
    runtime: str
    workers: int
    threads: int
    batch_size: int
    delay_ms: int
    load: float
    seconds: float
    requests: int = 0
    failed: int = 0
    requests_per_s: float = 0
    p50_ms: float = 0
    p95_ms: float = 0
    p99_ms: float = 0
    p99_low_ms: float = 0
    p99_high_ms: float = 0
    mean_batch: float = 0
    cpu_ms_per_request: float = 0  # of nginx, TorchServe and its workers
    rss_mb: float = 0  # of the workers together
    quality: str = ""
    applied: str = ""  # what the server says that it serves with
    error: str = ""

    @property
    def setting(self) -> Setting:
        return Setting(self.variant, self.runtime, self.workers, self.threads, self.batch_size, self.delay_ms)

    @property
    def key(self) -> tuple[object, ...]:
        return self.kind, self.turn, self.archive, self.setting, self.load


def describe_run(model: str, inputs: str) -> Facts:
    """When, where and on what a run is made."""
    return Facts(
        run=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        commit=git(ROOT, "describe", "--always", "--dirty") or UNKNOWN,
        machine=machine(),
        versions=" ".join(
            f"{name} {version}" for name, version in {"python": platform.python_version(), **versions()}.items()
        ),
        model=model,
        inputs=inputs,
    )


class Journal:
    """The file of rows of one tuning, and what stood in it when it was opened."""

    def __init__(self, folder: Path, facts: Facts, resume: bool):
        self.path = folder / ROWS_FILE
        self.facts = facts
        self.known: dict[tuple[object, ...], Measurement] = {}
        folder.mkdir(parents=True, exist_ok=True)
        if resume:
            self.known = {measurement.key: measurement for measurement in self.read()}
        elif self.path.exists():
            self.path.rename(self.path.with_name(f"rows-until-{facts.run.replace(':', '')}.csv"))

    def read(self) -> Iterator[Measurement]:
        """The rows that were made in the same circumstances. Raises MarinaError where the file is none of these."""
        if not self.path.exists():
            return
        with self.path.open(newline="") as file:
            for row in csv.DictReader(file):
                try:
                    facts, measurement = take(Facts, row), take(Measurement, row)
                except (KeyError, ValueError, TypeError) as error:
                    raise MarinaError(f"{self.path} can't be resumed: it is no file of such rows") from error
                if same_circumstances(facts, self.facts) and not measurement.error:
                    yield measurement

    def add(self, measurement: Measurement) -> Measurement:
        """Keeps a measurement, on disk before anything else happens."""
        row = {**asdict(self.facts), **rounded(asdict(measurement))}
        is_new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, row, lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerow(row)
        stored = take(Measurement, {name: str(value) for name, value in row.items()})  # as --resume will read it
        self.known[measurement.key] = stored
        return stored


def same_circumstances(one: Facts, other: Facts) -> bool:
    return (one.machine, one.versions, one.model, one.inputs) == (
        other.machine,
        other.versions,
        other.model,
        other.inputs,
    )


def take(kind: type[Record], row: dict[str, str]) -> Record:
    """The columns of a row that make up a record, each of its field's type."""
    return kind(**{field.name: cast(Any, field.type)(row[field.name]) for field in fields(kind)})


def rounded(row: dict[str, object]) -> dict[str, object]:
    return {name: float(f"{value:.5g}") if isinstance(value, float) else value for name, value in row.items()}
