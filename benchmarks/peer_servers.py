"""The peers of ResNet18, each started as a good engineer would, and the points that its settings are searched over."""

import json
import random
import socket
import subprocess
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
import psutil

from benchmarks.dialects import FORM, PLAIN, RAW_TENSOR, Dialect
from benchmarks.servers import ROOT, MeasuredServer, running, torchserve

START_TIMEOUT_S = 90
MODULE = "benchmarks.peers.pictures.with_{}"
# Requests in a batch at most, and ms for which it is gathered; 1: each request by itself.
BATCHES = ((8, 1), (16, 5), (1, 0))
# BentoML gathers for no set time. It wants a latency, and refuses requests that it expects to take longer.
BENTOML_BATCHES = ((8, 30_000), (16, 30_000), (1, 30_000))
MOST_POINTS = 6


class NotInstalledError(Exception):
    """A peer without an environment; the message says how it is made."""


class NotStartedError(Exception):
    """A peer that does not answer; the message says why."""


@dataclass(frozen=True)
class Setting:
    """One point of a grid."""

    workers: int
    threads: int  # of each
    batch_size: int
    delay_ms: int

    def describe(self, delay: str) -> str:
        batches = f"batches of up to {self.batch_size} {delay.format(self.delay_ms)}"
        return f"{self.workers} x {self.threads} threads, {batches if self.batch_size > 1 else 'no batches'}"


@dataclass(frozen=True)
class Place:
    """What a server is started with: an unpacked archive, a picture, and a folder of its own."""

    archive: Path
    picture: Path
    scratch: Path

    @property
    def log(self) -> Path:
        return self.scratch / "log"


@dataclass(frozen=True)
class Peer:
    """One server with the same model file and decode code; TorchServe has its own of both."""

    name: str
    package: str  # whose version is told
    command: tuple[str, ...] = ()  # of Python; else its module
    environment: Mapping[str, str] = field(default_factory=dict)
    route: str = "/predictions/resnet18"
    dialect: Dialect = PLAIN
    batches: tuple[tuple[int, int], ...] = BATCHES
    delay: str = "gathered for {} ms"  # what it is called

    def grid(self, cores: int) -> list[Setting]:
        """One worker with all cores, one a core, and one for each two; each with as many batches as fit."""
        splits = dict.fromkeys([(cores, 1), (1, cores), (max(1, cores // 2), min(2, cores))])
        batches = self.batches[: MOST_POINTS // len(splits)]
        return [Setting(*split, *batch) for split in splits for batch in batches]

    def version(self) -> str:
        """As its lock file says."""
        lock = ROOT / f"requirements/peers/{self.name}.txt"
        lines = (lock if lock.exists() else ROOT / "requirements/train.txt").read_text().splitlines()
        return next(line for line in lines if line.startswith(f"{self.package}==")).rstrip(" \\").replace("==", " ")


TORCHSERVE = Peer("torchserve image_classifier", "torchserve", batches=((8, 1), (16, 5)))
MMS = Peer(
    "mms",
    "multi-model-server",
    ("-m", "mms.model_server", "--start", "--foreground", "--mms-config", "config.properties", "--model-store", "."),
)
PEERS = (
    Peer("fastapi", "fastapi"),
    Peer("litserve", "litserve"),
    Peer(
        "bentoml",
        "bentoml",
        ("-m", "bentoml", "serve", MODULE.format("bentoml") + ":ResNet18", "--host", "127.0.0.1", "--port", "{port}"),
        {"BENTOML_DO_NOT_TRACK": "True"},
        dialect=FORM,
        batches=BENTOML_BATCHES,
        delay="answered within {} ms",
    ),
    Peer("ray", "ray", environment={"RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}),
    Peer("pytriton", "nvidia-pytriton", route="/v2/models/resnet18/infer", dialect=RAW_TENSOR),
    MMS,
    TORCHSERVE,
)


@contextmanager
def start_peer(peer: Peer, setting: Setting, place: Place) -> Iterator[MeasuredServer]:
    """A peer that answers, until the block ends. Raises NotInstalledError and NotStartedError."""
    name = ".venv-train" if peer == TORCHSERVE else f".venv-peers/{peer.name}"
    python = ROOT / name / "bin/python"
    if not python.exists():
        raise NotInstalledError(f"it is not installed: make {name}/installed")
    if peer == TORCHSERVE:
        try:
            with torchserve(place.picture, place.scratch, **asdict(setting)) as server:
                yield server
        except TimeoutError as error:
            raise NotStartedError(f"it does not answer:\n{str(error)[-2000:]}") from error
        return
    port, management = free_low_port(), free_low_port()
    environment = describe_place(setting, place, port) | dict(peer.environment)
    if peer == MMS:
        environment |= find_java()
        write_mms_files(place.scratch, port, management)
    command = peer.command or ("-m", MODULE.format(peer.name))
    with running(
        [python, *(word.format(port=port) for word in command)], place.log, place.scratch, env=environment
    ) as process:
        server = MeasuredServer(
            peer.name, setting.describe(peer.delay), f"http://127.0.0.1:{port}{peer.route}", process
        )
        if peer == MMS:
            register_with_mms(setting, f"http://127.0.0.1:{management}/models", server, place.log)
        wait_until_it_answers(server, peer.dialect, place)
        yield server


def describe_place(setting: Setting, place: Place, port: int) -> dict[str, str]:
    """The variables that the peers read (see peers/pictures/model.py), and the path, the archive's handlers first."""
    return {
        **{name.upper(): str(value) for name, value in asdict(setting).items()},
        "ARCHIVE": str(place.archive),
        "PORT": str(port),
        "GRPC_PORT": str(free_low_port()),
        "PYTHONPATH": f"{place.archive}:{ROOT}",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(place.scratch),
        "TMPDIR": str(place.scratch),
    }


def wait_until_it_answers(server: MeasuredServer, dialect: Dialect, place: Place) -> None:
    """Raises NotStartedError with the end of the server's output."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and server.process.status() != psutil.STATUS_ZOMBIE:
        try:
            dialect.ask(server.url, place.picture)
        except (httpx.HTTPError, ValueError):
            time.sleep(0.5)
        else:
            return
    raise NotStartedError(f"it does not answer:\n{place.log.read_text()[-2000:]}")


def free_low_port() -> int:
    """Below those that the system gives to whoever asks for any, as Ray's processes do; MMS takes no others."""
    while True:
        port = random.randrange(20_000, 2**15)  # noqa: S311 (no secret)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


def find_java() -> dict[str, str]:
    """The Java that runs TorchServe, where one is found."""
    command = [str(ROOT / ".venv/bin/python"), "-m", "marina.java"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return {"JAVA_HOME": str(Path(found.stdout.strip()).parents[1])} if found.returncode == 0 else {}


def write_mms_files(folder: Path, port: int, management: int) -> None:
    """An archive of the handler alone, and the server's properties."""
    manifest = {"runtime": "python", "model": {"modelName": "resnet18", "handler": "with_mms.py:handle"}}
    with zipfile.ZipFile(folder / "resnet18.mar", "w") as file:
        file.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest))
        file.write(ROOT / "benchmarks/peers/pictures/with_mms.py", "with_mms.py")
    (folder / "config.properties").write_text(
        f"inference_address=http://127.0.0.1:{port}\n"
        f"management_address=http://127.0.0.1:{management}\n"
        "async_logging=true\n"
    )


def register_with_mms(setting: Setting, url: str, server: MeasuredServer, log: Path) -> None:
    """Loads the archive over the management API, which alone takes a batch's size. Raises NotStartedError."""
    query: dict[str, str | int] = {
        "url": "resnet18.mar",
        "batch_size": setting.batch_size,
        "max_batch_delay": setting.delay_ms,
        "initial_workers": setting.workers,
        "synchronous": "true",
    }
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and server.process.status() != psutil.STATUS_ZOMBIE:
        try:
            answer = httpx.post(url, params=query, timeout=START_TIMEOUT_S, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.5)
        else:
            if answer.is_success:
                return
            raise NotStartedError(f"it does not take its model:\n{answer.text}")
    raise NotStartedError(f"it does not start:\n{log.read_text()[-2000:]}")
