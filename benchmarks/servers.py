"""The servers that are measured, each started as its own users start it."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 90
WORKER = "model_service_worker.py"


@dataclass(frozen=True)
class MeasuredServer:
    """A server that answers, and what it runs with."""

    name: str
    settings: str
    url: str  # that inputs are posted to
    process: psutil.Process
    metrics_url: str = ""
    about: Mapping[str, object] = field(default_factory=dict)  # what its rows say of the model that it serves

    def counters(self) -> dict[str, float]:
        """The counters of its models so far, where it has any."""
        if not self.metrics_url:
            return {}
        lines = httpx.get(self.metrics_url, trust_env=False).text.splitlines()
        return {line.partition("{")[0]: float(line.rpartition(" ")[2]) for line in lines if line.startswith("Tokens")}

    def family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def suspend(self) -> None:
        """Stops all its processes where they are: some servers take a tenth of a core while nobody asks them."""
        for member in self.family():
            member.suspend()

    def resume(self) -> None:
        for member in self.family():
            member.resume()

    def workers_rss_mb(self) -> float:
        """The resident memory of its largest worker; of the whole process, where it has none."""
        alive = [member for member in self.family() if member.status() != psutil.STATUS_ZOMBIE]
        workers = [member for member in alive if WORKER in " ".join(member.cmdline())]
        return round(max(worker.memory_info().rss for worker in workers or alive) / 1e6, 1)

    def cpu_seconds(self) -> float:
        """User and system time of all its processes so far."""
        times = [member.cpu_times() for member in self.family()]
        return float(sum(time.user + time.system for time in times))

    def pss_mb(self) -> float:
        """The memory of all its processes, in which what some share counts once."""
        return round(sum(pss_bytes(member.pid) for member in self.family()) / 1e6, 1)

    def peak_pss_mb(self, seconds: float) -> float:
        """The most of that memory in so many seconds, looked at each second."""
        end = time.monotonic() + seconds
        peak = self.pss_mb()
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(1, left))
            peak = max(peak, self.pss_mb())
        return peak

    def check_cores(self, cores: set[int]) -> None:
        """Raises RuntimeError where one of its threads may run on other cores than these."""
        for member in self.family():
            for thread in member.threads():
                if os.sched_getaffinity(thread.id) != cores:
                    raise RuntimeError(f"A thread of {member.name()} may leave the cores {sorted(cores)}")


@contextmanager
def suspended(servers: Iterable[MeasuredServer]) -> Iterator[None]:
    """Lets the cores be another's while the block lasts."""
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.resume)
            server.suspend()
        yield


def pss_bytes(pid: int) -> int:
    """A process's proportional set size, from proc(5); 0 for one that has just ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str | Path], log: Path, folder: Path = ROOT, **options: object) -> Iterator[psutil.Process]:
    """A command in the background, its output in a file, until the block ends."""
    with log.open("w") as output:
        process = subprocess.Popen(  # type: ignore[call-overload]
            [str(part) for part in command], stdout=output, stderr=subprocess.STDOUT, cwd=folder, **options
        )
        family = psutil.Process(process.pid)
        try:
            yield family
        finally:
            children = family.children(recursive=True) if process.poll() is None else []
            process.terminate()
            process.wait(60)
            for child in children:
                if child.is_running():
                    child.terminate()


def wait_for_answer(url: str, sample: Path, log: Path) -> None:
    """Waits until a sample input is answered. Raises TimeoutError with the server's output."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            if httpx.post(url, **as_request(sample), timeout=30, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise TimeoutError(log.read_text())


def as_request(sample: Path) -> dict[str, Any]:
    """A picture as raw bytes, a text in JSON: what the peers take as well."""
    return {"json": {"text": sample.read_text()}} if sample.suffix == ".txt" else {"content": sample.read_bytes()}


@contextmanager
def marina(
    store: Path, model: str, sample: Path, options: list[str], core: int | None = None
) -> Iterator[MeasuredServer]:
    """`marina serve` with one archive of a store, through nginx; held to one core where that is given."""
    with marina_with(store, {model: sample}, options, core) as servers:
        yield servers[model]


@contextmanager
def marina_with(
    store: Path, samples: Mapping[str, Path], options: list[str], core: int | None = None
) -> Iterator[dict[str, MeasuredServer]]:
    """One `marina serve` with several archives; by model, the same server with that model's address and settings.

    ``samples`` has an input for each model.
    """
    metrics = free_port()
    ports = [part for use in ("", "inference-", "management-") for part in (f"--{use}port", "0")]
    ports += ["--metrics-port", str(metrics)]
    command: list[str | Path] = [] if core is None else ["taskset", "--cpu-list", str(core)]
    command += [ROOT / ".venv/bin/marina", "serve", "--store", store, "--models", ",".join(samples), *ports, *options]
    with NamedTemporaryFile() as file, running(command, log := Path(file.name)) as process:
        while "\nCtrl-C stops it." not in (text := log.read_text()):
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                raise RuntimeError(text)
            time.sleep(0.2)
        (address,) = re.findall(r"^Marina serves on (\S+?),?(?: with .*)?$", text, re.MULTILINE)
        servers = {}
        for model, sample in samples.items():
            line = re.search(rf"^  {re.escape(model)} \S+: (.+)$", text, re.MULTILINE)
            settings = line[1].partition(", ")[2].partition(", also")[0] if line else ""
            url = f"{address}/predictions/{model}"
            wait_for_answer(url, sample, log)
            servers[model] = MeasuredServer("marina", settings, url, process, f"http://127.0.0.1:{metrics}/metrics")
        yield servers


@contextmanager
def fastapi(
    name: str, settings: str, app: str, route: str, sample: Path, environment: dict[str, str]
) -> Iterator[MeasuredServer]:
    """One of the peers under uvicorn, in the environment that has torch."""
    port = free_port()
    command = [ROOT / ".venv-train/bin/python", "-m", "uvicorn", f"benchmarks.peers.{app}.app:app"]
    command += ["--port", str(port), "--log-level", "warning"]
    with (
        NamedTemporaryFile() as file,
        running(command, log := Path(file.name), env={**os.environ, **environment}) as process,
    ):
        url = f"http://127.0.0.1:{port}{route}"
        wait_for_answer(url, sample, log)
        yield MeasuredServer(name, settings, url, process)


@contextmanager
def torchserve(
    picture: Path, scratch: Path, workers: int = 1, threads: int = 2, batch_size: int = 8, delay_ms: int = 1
) -> Iterator[MeasuredServer]:
    """TorchServe with its own image_classifier handler and the same weights in TorchScript."""
    python = ROOT / ".venv-train/bin/python"
    build = [python, "-m", "benchmarks.peers.torchserve.build", scratch, *map(str, (workers, batch_size, delay_ms))]
    subprocess.run(build, cwd=ROOT, check=True)
    inference = free_port()
    (scratch / "config.properties").write_text(
        f"inference_address=http://127.0.0.1:{inference}\n"
        f"management_address=http://127.0.0.1:{free_port()}\n"
        f"metrics_address=http://127.0.0.1:{free_port()}\n"
        f"grpc_inference_port={free_port()}\ngrpc_management_port={free_port()}\n"
        "disable_token_authorization=true\n"
    )
    command = [python, "-m", "ts.model_server", "--start", "--foreground", "--ncs", "--model-store", scratch]
    command += ["--models", "resnet18=resnet18.mar", "--ts-config", scratch / "config.properties"]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "TMPDIR": str(scratch), "HOME": str(scratch)}
    environment["OMP_NUM_THREADS"] = str(threads)
    # torchvision is mended before the worker imports it: see sitecustomize.py.
    environment["PYTHONPATH"] = f"{ROOT / 'benchmarks/peers/torchserve'}:{ROOT}"
    log = scratch / "torchserve.log"
    with running(command, log, scratch, env=environment) as process:
        url = f"http://127.0.0.1:{inference}/predictions/resnet18"
        wait_for_answer(url, picture, log)
        yield MeasuredServer(
            "torchserve image_classifier",
            f"torchscript, {workers} x {threads} threads, batches of up to {batch_size} gathered for {delay_ms} ms",
            url,
            process,
        )
