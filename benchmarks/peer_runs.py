"""ResNet18 behind Marina and each of its peers: the best settings of each, then all in turn, under ab and under locust.

Only one server runs at a time, and is started for each of its turns: not all of them are idle where nobody asks them.
A row is written as soon as it is measured, so that a run that was cut short can be resumed.
"""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import httpx
import psutil

from benchmarks.archives import STORE, Archive, find_archive, tell_quality, unpacked
from benchmarks.drivers import measure_with_ab, measure_with_locust
from benchmarks.peer_servers import (
    PEERS,
    TORCHSERVE,
    NotInstalledError,
    NotStartedError,
    Peer,
    Place,
    Setting,
    start_peer,
)
from benchmarks.resumable import Results
from benchmarks.rows import Row, describe_run
from benchmarks.servers import ROOT, MeasuredServer, marina

RESULTS = ROOT / "benchmarks/results/peers.csv"
MODEL = "resnet18"
PICTURE = "bee-on-daisy.jpg"  # 500 x 375, as the old system's
MARINA = Peer("marina", "torchserve")
DRIVERS = ("ab", "locust")
TOLERANCE = 1e-3  # of a probability, beside Marina's own answer with the same model file and decode code
OTHER_FILE_TOLERANCE = 0.05  # TorchServe's own handler has the model in float32, and decodes by itself
Answers = dict[str, dict[str, float]]  # by the picture's name: a probability a label


@dataclass(frozen=True)
class Plan:
    """Who is measured with what, and how long."""

    only: tuple[str, ...] = ()  # peers by name; all where it is empty
    rounds: int = 3
    seconds: float = 20  # of each driver in each round
    requests: int | None = None  # of ab, in place of those seconds
    grid_seconds: float = 6  # for each point of a peer's grid
    options: tuple[str, ...] = ()  # more, for marina serve
    store: Path = STORE  # where the archive is; it is built where a variant or a runtime is named
    variant: str | None = None
    runtime: str | None = None
    resume: bool = False

    def peers(self) -> list[Peer]:
        """Raises ValueError where there is none of a name."""
        known = {peer.name.split()[0]: peer for peer in PEERS}
        if unknown := set(self.only) - set(known):
            raise ValueError(f"no peer is called {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
        return [peer for name, peer in known.items() if not self.only or name in self.only]

    def find_archive(self, scratch: Path) -> Path:
        path = self.store / f"{MODEL}.mar"
        is_named = self.variant is not None or self.runtime is not None or not path.exists()
        return find_archive(MODEL, scratch, self.variant, self.runtime) if is_named else path


class WrongAnswerError(Exception):
    """A server that answers something else than Marina does is not measured."""


# What keeps one peer from being measured, and nobody else.
LEFT_OUT = (
    NotInstalledError,
    NotStartedError,
    WrongAnswerError,
    httpx.HTTPError,
    subprocess.SubprocessError,
    psutil.Error,
)


def measure_peers(plan: Plan, path: Path, tell: Callable[[str], None]) -> list[dict[str, str]]:
    """The rows of this run's rounds, which are in the file; ``tell`` gets each step, and why a peer is left out.

    Raises ValueError where a peer's name is unknown, or the last run cannot be resumed.
    """
    peers = plan.peers()
    with tempfile.TemporaryDirectory() as name, unpacked(plan.find_archive(Path(name))) as archive:
        digest = hashlib.sha256(archive.path.read_bytes()).hexdigest()[:16]
        common = describe_run() | archive.describe() | {"archive_sha256": digest, "picture": PICTURE}
        bench = Bench(plan, archive, Results(path, common, plan.resume), tell)
        bench.learn_answers()
        chosen = [(peer, bench.attempt(peer, partial(bench.search, peer))) for peer in peers]
        for number in range(1, plan.rounds + 1):
            bench.take_turn(number, MARINA)
            for peer, setting in chosen:
                bench.attempt(peer, partial(bench.take_turn, number, peer, setting))
    return bench.results.of_this_run("round")


class Bench:
    """What the turns of a run have in common."""

    def __init__(self, plan: Plan, archive: Archive, results: Results, tell: Callable[[str], None]) -> None:
        self.plan, self.archive, self.results, self.tell = plan, archive, results, tell
        self.picture = archive.folder / "samples" / PICTURE
        self.expected: Answers = {}
        self.left_out: set[str] = set()

    def attempt(self, peer: Peer, step: Callable[[], Setting | None]) -> Setting | None:
        """What the step gives. Where the peer cannot take part, the reason is told, and it is left out from then on."""
        if peer.name in self.left_out:
            return None
        try:
            return step()
        except LEFT_OUT as error:
            self.tell(f"{peer.name} is left out: {error or type(error).__name__}")
            self.left_out.add(peer.name)
            return None

    @contextmanager
    def start(self, peer: Peer, setting: Setting | None, scratch: Path) -> Iterator[MeasuredServer]:
        """Marina has the settings of its archive; each peer those that are given."""
        if setting is None:
            path = self.archive.path.resolve()
            with marina(path.parent, path.stem, self.picture, list(self.plan.options)) as server:
                yield server
        else:
            with start_peer(peer, setting, Place(self.archive.folder, self.picture, scratch)) as server:
                yield server

    def ask_samples(self, server: MeasuredServer, peer: Peer) -> Answers:
        return {path.name: peer.dialect.ask(server.url, path) for path in self.archive.samples}

    def learn_answers(self) -> None:
        """What Marina answers to the archive's own pictures, which is expected of everyone."""
        with tempfile.TemporaryDirectory() as name, self.start(MARINA, None, Path(name)) as server:
            self.expected = self.ask_samples(server, MARINA)

    def check_answers(self, server: MeasuredServer, peer: Peer) -> float:
        """How far its answers are from Marina's, at most. Raises WrongAnswerError where that is too far."""
        difference = compare_answers(self.ask_samples(server, peer), self.expected)
        if difference > (OTHER_FILE_TOLERANCE if peer == TORCHSERVE else TOLERANCE):
            raise WrongAnswerError(f"its probabilities differ by {difference:.4f} from Marina's")
        return round(difference, 6)

    def search(self, peer: Peer) -> Setting:
        """The point of a peer's grid with the most requests/s under ab, all of them answered.

        Raises NotStartedError where there is none.
        """
        points = peer.grid(len(os.sched_getaffinity(0)))
        measured = [point_of(row) for row in self.results.of_this_run("grid", peer.name)]
        for point in points:
            if point not in measured:
                try:
                    self.measure("grid", "", peer, point, ("ab",))
                except NotStartedError as error:
                    self.tell(f"{peer.name}, {point.describe(peer.delay)}: {error}")
        best = choose([row for row in self.results.of_this_run("grid", peer.name) if point_of(row) in points])
        self.tell(f"{peer.name}: {best.describe(peer.delay)} are its best settings")
        return best

    def take_turn(self, number: int, peer: Peer, setting: Setting | None = None) -> None:
        """What of one round this run does not have yet."""
        rows = self.results.of_this_run("round", peer.name)
        measured = {row["driver"] for row in rows if row["round"] == str(number)}
        if drivers := tuple(driver for driver in DRIVERS if driver not in measured):
            self.measure("round", number, peer, setting, drivers)

    def measure(self, kind: str, number: object, peer: Peer, setting: Setting | None, drivers: tuple[str, ...]) -> None:
        """Starts a server, checks what it answers, and writes a row for each driver."""
        with tempfile.TemporaryDirectory() as name, self.start(peer, setting, Path(name)) as server:
            difference = self.check_answers(server, peer)
            body = Path(name) / "body" / PICTURE
            body.parent.mkdir()
            body.write_bytes(peer.dialect.wrap(self.picture.read_bytes()))
            for driver in drivers:
                row = self.describe(server, peer, setting) | {"round": number, "driver": driver}
                if driver == "locust":
                    row |= measure_with_locust(server, peer.dialect, body, self.plan.seconds)
                elif kind == "grid":
                    row |= measure_with_ab(server, peer.dialect, body, self.plan.grid_seconds)
                else:
                    row |= measure_with_ab(server, peer.dialect, body, self.plan.seconds, self.plan.requests)
                row |= {"worker_rss_mb": server.workers_rss_mb(), "largest_difference": difference}
                self.results.add(kind, row)
                told = ("round", "driver", "server", "settings", "requests_per_s", "p99_ms", "failed")
                self.tell(" · ".join(f"{name} {row[name]}" for name in told if row[name] != ""))

    def describe(self, server: MeasuredServer, peer: Peer, setting: Setting | None) -> Row:
        """Who is measured; TorchServe's own handler has a model file of its own."""
        row: Row = {"server": server.name, "server_version": peer.version(), "settings": server.settings}
        row |= asdict(setting) if setting else {}
        if peer == TORCHSERVE:
            quality = tell_quality(self.archive.provenance["quality"].get("float32", {}))
            row |= {"variant": "float32", "runtime": "torchscript", "quality": quality, "quality_drop": ""}
            row |= {"archive_bytes": "", "archive_sha256": ""}
        return row


def point_of(row: dict[str, str]) -> Setting:
    return Setting(*(int(row[name]) for name in ("workers", "threads", "batch_size", "delay_ms")))


def choose(rows: Sequence[dict[str, str]]) -> Setting:
    """The fastest point that failed nobody. Raises NotStartedError where all did."""
    good = [row for row in rows if int(row["failed"]) == 0]
    if not good:
        raise NotStartedError("it answers every request with none of its settings")
    return point_of(max(good, key=lambda row: float(row["requests_per_s"])))


def compare_answers(found: Answers, expected: Answers) -> float:
    """The largest difference of a probability; 1 where a picture or a label is missing."""
    if found.keys() != expected.keys() or any(found[name].keys() != expected[name].keys() for name in expected):
        return 1.0
    return max(abs(found[name][label] - value) for name, each in expected.items() for label, value in each.items())
