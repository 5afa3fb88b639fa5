"""``make bench-quick``: the first three figures of ResNet18 in under five minutes, with the quickest peers alone.

Shorter than ``make bench`` in all: few seconds for each server, and each peer with the settings that its last whole
run found to be its best.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import peer_runs
from benchmarks.archives import Archive, find_archive, unpacked
from benchmarks.limit import Bodies, Window, find_best, measure_point
from benchmarks.peer_servers import PEERS, NotInstalledError, NotStartedError, Place, Setting, start_peer
from benchmarks.pictures import MODEL, PICTURE, describe_torchserve, measure
from benchmarks.rows import Row, describe_run, read_rows
from benchmarks.servers import ROOT, MeasuredServer, marina, suspended, torchserve

RESULTS = ROOT / "benchmarks/results/quick.csv"
LIMIT_BATCHES = (8,)


@dataclass(frozen=True)
class Plan:
    rounds: int = 3
    seconds: float = 4  # of each server in each round
    trial_s: float = 1.5
    peers: tuple[str, ...] = ("litserve", "fastapi")
    variant: str | None = None  # without it and a runtime, the archive that is served by default
    runtime: str | None = None


def measure_quick(plan: Plan, tell: Callable[[str], None]) -> list[Row]:
    """Rows of Marina, of TorchServe's own handler, of the peers and of the handler in process, in turn, in each round.

    All servers are up at once, and all but one of them suspended; each is loaded once before anything counts. A peer
    that is not installed or does not start is told.
    """
    common = {**describe_run(), "quick": 1, "picture": PICTURE.name}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        scratch = Path(name)
        path = find_archive(MODEL, scratch, plan.variant, plan.runtime)
        archive, bodies = stack.enter_context(unpacked(path)), Bodies([PICTURE])
        point = find_best(archive, bodies, LIMIT_BATCHES, plan.trial_s)
        ours = stack.enter_context(marina(path.parent.resolve(), MODEL, PICTURE, []))
        servers = [(ours, archive.describe())]
        for peer in ("torchserve", *plan.peers):
            try:
                servers.append(stack.enter_context(started(peer, archive, scratch)))
            except (NotInstalledError, NotStartedError, TimeoutError, subprocess.SubprocessError, OSError) as error:
                tell(f"{peer} is left out: {error}")
        rows = []
        for number in range(plan.rounds + 1):
            tell(f"round {number} of {plan.rounds}" if number else "warm-up")
            head = {**common, "round": number}
            for server, about in servers:
                with suspended(other for other, _ in servers if other is not server):
                    row = head | about | measure(server, plan.seconds)
                rows += [row] if number else []
            if number:
                with suspended(server for server, _ in servers):
                    rows.append(head | archive.describe() | measure_point(archive, point, bodies, Window(plan.seconds)))
    return rows


@contextmanager
def started(peer: str, archive: Archive, scratch: Path) -> Iterator[tuple[MeasuredServer, Row]]:
    """A server to compare with, and what its rows say of the model that it serves."""
    folder = scratch / peer
    folder.mkdir()
    if peer == "torchserve":
        with torchserve(PICTURE, folder) as server:
            yield server, describe_torchserve()
        return
    (found,) = [each for each in PEERS if each.name == peer]
    with start_peer(found, settled(peer), Place(archive.folder, PICTURE, folder)) as server:
        yield server, archive.describe()


def settled(peer: str) -> Setting:
    """A peer's settings in its last whole run; where it had none, a worker a core with batches as Marina's."""
    rows = read_rows(peer_runs.RESULTS) if peer_runs.RESULTS.exists() else []
    found = [row for row in rows if row["server"] == peer]
    if not found:
        return Setting(workers=len(os.sched_getaffinity(0)), threads=1, batch_size=8, delay_ms=1)
    return Setting(*(int(found[-1][name]) for name in ("workers", "threads", "batch_size", "delay_ms")))
