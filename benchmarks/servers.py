"""The servers that are measured, each started as its own users start it."""

import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
    url: str  # that a picture is posted to
    process: psutil.Process

    def workers_rss_mb(self) -> float:
        """The resident memory of its largest worker."""
        workers = [child for child in self.process.children(recursive=True) if WORKER in " ".join(child.cmdline())]
        return max(worker.memory_info().rss for worker in workers) / 1e6


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
            children = family.children(recursive=True)
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            for child in children:
                if child.is_running():
                    child.terminate()


def wait_for_answer(url: str, picture: Path, log: Path) -> None:
    """Waits until a picture is answered. Raises TimeoutError with the server's output."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            if httpx.post(url, content=picture.read_bytes(), timeout=30, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise TimeoutError(log.read_text())


@contextmanager
def marina(picture: Path, scratch: Path, options: list[str]) -> Iterator[MeasuredServer]:
    """`marina serve` with the shipped archive, through nginx."""
    ports = [part for use in ("", "inference-", "management-", "metrics-") for part in (f"--{use}port", "0")]
    log = scratch / "marina.log"
    command = [ROOT / ".venv/bin/marina", "serve", "--models", "resnet18", *ports, *options]
    with running(command, log) as process:
        while not (found := re.search(r"^Marina serves on (\S+)\n  (.+)$", log.read_text(), re.MULTILINE)):
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                raise RuntimeError(log.read_text())
            time.sleep(0.2)
        url = f"{found[1]}/predictions/resnet18"
        wait_for_answer(url, picture, log)
        yield MeasuredServer("marina", found[2].partition(": ")[2].partition(", ")[2], url, process)


@contextmanager
def torchserve(picture: Path, scratch: Path) -> Iterator[MeasuredServer]:
    """TorchServe with its own image_classifier handler and the same weights in TorchScript."""
    python = ROOT / ".venv-train/bin/python"
    subprocess.run([python, "-m", "benchmarks.peers.torchserve.build", scratch], cwd=ROOT, check=True)
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
    # torchvision is mended before the worker imports it: see sitecustomize.py.
    environment["PYTHONPATH"] = f"{ROOT / 'benchmarks/peers/torchserve'}:{ROOT}"
    log = scratch / "torchserve.log"
    with running(command, log, scratch, env=environment) as process:
        url = f"http://127.0.0.1:{inference}/predictions/resnet18"
        wait_for_answer(url, picture, log)
        yield MeasuredServer(
            "torchserve image_classifier",
            "torchscript, 1 x 2 threads, batches of up to 8 gathered for 1 ms",
            url,
            process,
        )
