"""TorchServe as a child process: its configuration, its environment, its keys."""

import importlib.util
import json
import os
import shutil
import signal
import site
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import psutil

from handlers.threads import SHARES_VARIABLE, available_cores, cgroup_memory
from marina.catalog import ServedArchive
from marina.errors import MarinaError
from marina.java import find_java
from marina.management import KEY_FILE, Management, connect, read_keys
from marina.places import CONFIG, TORCH_STANDIN
from marina.processes import start_child, stop_child
from marina.run_folder import Ports, write_config

PROPERTIES = "torchserve.properties"
METRICS = "metrics.yaml"
STOP_TIMEOUT_S = 20
# How lines begin that look like faults and are none: Java's own warnings about TorchServe's libraries, a GPU that is
# not there, and a start that is told before there are workers. TorchServe's own lines begin with the date.
NOISE = ("WARNING: ", "nvidia-smi not available", "Model server started", "\n")
# The heap holds the requests that wait, not the models: a quarter of the memory, within these bounds.
HEAP_MB = (256, 2048)
HEAP_SHARE = 4
LEAST_RESPONSE = 6553500  # TorchServe's own default
BYTES_OF_AN_ENTITY = 128  # in JSON, with a long type and every digit of its places
# The server keeps a body about three times (as received, as a request, as a message to the worker), and something else.
COPIES_OF_A_BODY = 4


class TorchServe:
    """One TorchServe on loopback, serving the archives with the given number of workers each."""

    model_api = False  # whether models can be registered while it runs

    def __init__(self, run: Path, ports: Ports, archives: Sequence[ServedArchive], workers: dict[str, int]):
        self.folder = run / "torchserve"
        self.temporary = run / "tmp"
        self.ports = ports
        self.archives = archives
        self.workers = workers
        self.child: subprocess.Popen[str] | None = None

    def start(self, output: IO[str]) -> None:
        """Starts the server and passes on what it says that matters; ``wait_ready`` tells when it is there."""
        (self.folder / KEY_FILE).unlink(missing_ok=True)
        shutil.rmtree(self.temporary, ignore_errors=True)  # archives that a server before this one unpacked
        self.temporary.mkdir(mode=0o700)
        write_config(
            self.folder / PROPERTIES,
            CONFIG / f"{PROPERTIES}.j2",
            ports=self.ports,
            model_api=str(self.model_api).lower(),
            model_store=self.archives[0].path.parent,
            archives=[archive.path.name for archive in self.archives],
            max_request_bytes=max_request_bytes(self.archives),
            max_response_bytes=max_response_bytes(self.archives),
            metrics_config=CONFIG / METRICS,
        )
        self.child = start_child(self.command(), self.folder, self.environment(), subprocess.PIPE)
        threading.Thread(target=pass_on, args=(self.child.stdout, output), daemon=True).start()

    def command(self) -> list[str | Path]:
        package = importlib.util.find_spec("ts")
        if package is None or package.origin is None:
            raise MarinaError("torchserve is not installed: see requirements/serve.txt")
        home = Path(package.origin).parent.parent
        return [
            find_java(),
            f"-Dmodel_server_home={home}",
            f"-Dlog4j.configurationFile={(CONFIG / 'log4j2.xml').as_uri()}",
            f"-Djava.io.tmpdir={self.temporary}",
            f"-Xmx{heap_mb()}m",
            # Java's second compiler takes half a millisecond a request for minutes, and does not earn it back here.
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-XX:MinHeapFreeRatio=20",
            "-XX:MaxHeapFreeRatio=30",  # what a wave of large requests took is given back
            "-XX:+ExitOnOutOfMemoryError",  # a server that is out of memory answers nobody; it is started again
            "-cp",
            f".:{home / 'ts' / 'frontend'}/*",
            "org.pytorch.serve.ModelServer",
            "--python",
            sys.executable,
            "-f",
            self.folder / PROPERTIES,
            "-s",
            self.archives[0].path.parent,
            "-ncs",
        ]

    def environment(self) -> dict[str, str]:
        """The server's and so its workers' environment: threads that fit, no checkout on the path."""
        shares = self.thread_shares()
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("TS_", "PYTHON"))}
        environment |= {
            SHARES_VARIABLE: json.dumps(shares),
            "OMP_NUM_THREADS": str(max(shares.values())),
            "TMPDIR": str(self.temporary),
            "LOG_LOCATION": str(self.temporary),
            "METRICS_LOCATION": str(self.temporary),
            "TS_DECODE_INPUT_REQUEST": "false",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            # Two arenas instead of eight a core: tens of MB less a worker, no slower where it was tried.
            "MALLOC_ARENA_MAX": "2",
        }
        if importlib.util.find_spec("torch") is None:
            environment["PYTHONPATH"] = str(TORCH_STANDIN)
        if not site.ENABLE_USER_SITE:
            environment["PYTHONNOUSERSITE"] = "1"
        return environment

    def thread_shares(self) -> dict[str, int]:
        """Threads of one worker of each model: as its settings say, or the cores divided among its workers."""
        said = {archive.name: archive.handler.get("threads", 0) for archive in self.archives}
        return {name: said[name] or max(1, available_cores() // count) for name, count in self.workers.items()}

    def wait_ready(self, timeout_s: float) -> Management:
        """Waits until every model has all its workers READY. Raises MarinaError where the server gives up."""
        deadline = time.monotonic() + timeout_s
        management: Management | None = None
        while time.monotonic() < deadline:
            if not self.is_alive():
                raise MarinaError("TorchServe ended while it started; its output is above")
            management = management or self.connect()
            if management and all(management.count_workers(archive.name).ready for archive in self.archives):
                # TorchServe starts the number in the archive's model-config.yaml, whatever its own settings say.
                for name, count in self.workers.items():
                    management.scale(name, count, timeout_s)
                return management
            time.sleep(0.1)
        raise MarinaError(f"TorchServe was not ready within {timeout_s:.0f} s; its output is above")

    def connect(self) -> Management | None:
        """The management API, once the server has written its keys."""
        try:
            return connect(self.folder, self.ports)
        except (OSError, ValueError, KeyError):
            return None

    def inference_key(self) -> str:
        return read_keys(self.folder)["inference"]

    def is_alive(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def stop(self) -> None:
        if self.child is not None:
            stop_child(self.child, signal.SIGTERM, STOP_TIMEOUT_S)


def pass_on(lines: IO[str], output: IO[str]) -> None:
    """Copies the server's lines until it ends, without the noise."""
    for line in lines:
        if not line.startswith(NOISE):
            output.write(line)
            output.flush()
    lines.close()


def max_request_bytes(archives: Sequence[ServedArchive]) -> int:
    """The largest body of any model: its input as base64, four letters for three bytes, and a little JSON."""
    return max(int(archive.handler.get("max_bytes", 0)) for archive in archives) * 4 // 3 + 65_536


def max_response_bytes(archives: Sequence[ServedArchive]) -> int:
    """The longest answer of any model: a text in which every character is an entity of its own."""
    return max(LEAST_RESPONSE, *(BYTES_OF_AN_ENTITY * int(archive.handler.get("max_chars", 0)) for archive in archives))


def heap_mb() -> int:
    """Java's largest heap in MB."""
    least, most = HEAP_MB
    total = psutil.virtual_memory().total
    return max(least, min(most, min(total, cgroup_memory() or total) // HEAP_SHARE // 1024**2))


def most_large_bodies(archives: Sequence[ServedArchive]) -> int:
    """How many of the largest bodies the server's heap holds at once."""
    return max(1, heap_mb() * 1024**2 // (COPIES_OF_A_BODY * max_request_bytes(archives)))
