"""What a running server serves, as `marina status` shows it."""

from dataclasses import dataclass
from pathlib import Path

import psutil

from marina.management import Management, NotFound, connect, worker_count, worker_pids
from marina.run_folder import RunState, read_states


@dataclass(frozen=True)
class ModelStatus:
    """A served model, and its workers as they are now."""

    name: str
    version: str
    workers_ready: int
    workers_wanted: int
    batch_size: int
    max_batch_delay_ms: int
    memory_mb: float  # resident, of all its workers


@dataclass(frozen=True)
class ServerStatus:
    """One server: one of several, if it is a replica."""

    server: str  # torchserve or mms
    port: int
    process: int
    folder: str  # where its keys are, in server/key_file.json
    models: list[ModelStatus]


def read_status(port: int) -> list[ServerStatus]:
    """Every server behind that port. Raises MarinaError if there is none, or it does not answer."""
    return [status_of(folder, state) for folder, state in read_states(port)]


def status_of(folder: Path, state: RunState) -> ServerStatus:
    management = connect(folder, state)
    models = [model_status(management, state, name, version) for name, version in state.models.items()]
    return ServerStatus(state.server, state.ports.door, state.process, str(folder), models)


def model_status(management: Management, state: RunState, name: str, version: str) -> ModelStatus:
    try:
        applied = management.describe(name)
    except NotFound:  # MMS forgets a model that could not be loaded
        return ModelStatus(name, version, 0, 0, 0, 0, 0.0)
    workers = worker_count(applied)
    memory_mb = sum(resident_bytes(pid) for pid in worker_pids(applied, state.process)) / 1e6
    batch = int(applied["batchSize"]), int(applied["maxBatchDelay"])
    return ModelStatus(name, version, workers.ready, workers.wanted, *batch, round(memory_mb, 1))


def resident_bytes(pid: int) -> int:
    """The resident memory of a worker; 0 for one that has just ended."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except (psutil.Error, ValueError):
        return 0
