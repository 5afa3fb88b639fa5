"""A Marina that is attacked: started as its users start it, in a folder that holds everything it writes."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from benchmarks.servers import ROOT, WORKER, pss_bytes
from marina.bodies import Body, content_type

START_TIMEOUT_S = 150
PORTS = [part for use in ("", "inference-", "management-", "metrics-") for part in (f"--{use}port", "0")]
# place: options of marina serve
PLACES: Mapping[str, Sequence[str]] = {
    "torchserve": (),
    "mms": ("--server", "mms"),
    "replicas": ("--replicas", "2"),
}
IN_PROCESS = "in process"
MODELS = ("resnet18", "handwriting", "ner", "readability")
TASKS = {"resnet18": "image", "handwriting": "image", "ner": "text", "readability": "text"}
STORE = ROOT / "model_store"


@dataclass
class Target:
    """A `marina serve` that answers, everything that it started, and everything that it writes."""

    place: str
    url: str
    process: psutil.Process
    scratch: Path  # its temporary folders, its caches, its output
    log: Path
    expected: dict[str, bytes] = field(default_factory=dict)  # model -> the answer to its good request

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def family(self) -> list[psutil.Process]:
        """Its living processes."""
        found = [self.process]
        try:
            found += self.process.children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [each for each in found if is_alive(each)]

    def workers(self) -> dict[int, psutil.Process]:
        """The processes that models run in; of MMS also those that they are forked from."""
        return {each.pid: each for each in self.family() if WORKER in " ".join(command_line(each))}

    def java(self) -> list[psutil.Process]:
        return [each for each in self.family() if Path((command_line(each) or [""])[0]).name == "java"]

    def workers_rss_mb(self) -> dict[int, float]:
        return {pid: rss_mb(worker) for pid, worker in self.workers().items()}

    def pss_mb(self) -> float:
        """The memory of all its processes, in which what some share counts once."""
        return sum(pss_bytes(each.pid) for each in self.family()) / 1e6

    def files(self) -> list[Path]:
        """Everything that it has written and not removed."""
        return [path for path in self.scratch.rglob("*") if path.is_file() and not path.is_symlink()]

    def written_mb(self) -> float:
        """The size of all that: logs, the run folder, temporary files."""
        return sum(size_of(path) for path in self.files()) / 1e6

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ping", timeout=5, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def is_whole(self) -> bool:
        """Whether every model has all its workers, at each replica, as `marina status` tells."""
        done = subprocess.run(
            marina_command("status", "--port", self.port),
            capture_output=True,
            text=True,
            env=environment_in(self.scratch) | {"COLUMNS": "200"},
            cwd=ROOT,
        )
        counts = re.findall(r"\b(\d+) of (\d+)\b", done.stdout)
        return done.returncode == 0 and bool(counts) and all(ready == wanted for ready, wanted in counts)

    def wait_ready(self, timeout_s: float) -> float:
        """Seconds until /ping says 200. Raises TimeoutError with the end of the server's output."""
        began = time.monotonic()
        while time.monotonic() - began < timeout_s:
            if self.is_ready():
                return time.monotonic() - began
            time.sleep(0.1)
        raise TimeoutError(self.log.read_text(errors="replace")[-2000:])


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def command_line(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def rss_mb(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / 1e6
    except psutil.Error:
        return 0.0


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def sample_of(model: str) -> Body:
    """A good request of a shipped model."""
    path = sorted((ROOT / "models" / model / "samples").iterdir())[0]
    return Body(path.read_bytes(), content_type(path.name))


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder with a short name, for a Unix socket's path has few characters."""
    folder = Path(tempfile.mkdtemp(prefix="attack-"))
    folder.chmod(0o711)  # nginx's workers, another user's where root starts them, look into the run folder
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def environment_in(scratch: Path) -> dict[str, str]:
    """The user's environment with every folder that a program may write to inside of that one."""
    environment = dict(os.environ)
    for variable, name, mode in (
        ("TMPDIR", "t", 0o711),
        ("XDG_RUNTIME_DIR", "r", 0o700),
        ("XDG_CACHE_HOME", "c", 0o700),
    ):
        (scratch / name).mkdir(mode=mode, exist_ok=True)
        environment[variable] = str(scratch / name)
    return environment


def marina_command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "marina", *map(str, arguments)]


@contextmanager
def attacked(
    place: str, store: Path = STORE, models: Sequence[str] = MODELS, options: Sequence[str] = ()
) -> Iterator[Target]:
    """`marina serve` at a place of ``PLACES``, with the answers to its good requests known, until the block ends."""
    with scratch_folder() as scratch:
        log = scratch / "output.log"
        command = marina_command(
            "serve", "--store", store, "--models", ",".join(models), *PORTS, *PLACES[place], *options
        )
        with log.open("wb") as output:
            child = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=environment_in(scratch), cwd=ROOT
            )
        try:
            target = Target(place, wait_for_address(child, log), psutil.Process(child.pid), scratch, log)
            for model in models:
                target.expected[model] = ask_good(target, model)
            yield target
        finally:
            stop(child)


def wait_for_address(child: subprocess.Popen[bytes], log: Path) -> str:
    """Raises RuntimeError with the output of a server that does not start."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and child.poll() is None:
        text = log.read_text(errors="replace")
        found = re.search(r"^Marina serves on (\S+?),?(?: with .*)?$", text, re.MULTILINE)
        if found and "\nCtrl-C" in text:
            return found[1]
        time.sleep(0.1)
    raise RuntimeError("the server did not start:\n" + log.read_text(errors="replace"))


def ask_good(target: Target, model: str) -> bytes:
    """The answer to a model's good request. Raises httpx.HTTPError."""
    body = sample_of(model)
    response = httpx.post(
        f"{target.url}/predictions/{model}",
        content=body.content,
        headers={"Content-Type": body.content_type},
        timeout=60,
        trust_env=False,
    )
    response.raise_for_status()
    return response.content


def stop(child: subprocess.Popen[bytes]) -> None:
    """Ends the server as a user does; what it leaves behind is ended too."""
    family = psutil.Process(child.pid).children(recursive=True) if child.poll() is None else []
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    try:
        child.wait(90)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    for member in family:
        if member.is_running() and is_alive(member):
            member.kill()


class PeakMemory:
    """The most memory that a target's processes have while a block lasts, looked at many times a second.

    At ``most_mb`` the largest worker is killed, so that a target that does not hold takes no machine with it.
    """

    EVERY_S = 0.05

    def __init__(self, target: Target, most_mb: float) -> None:
        self.target = target
        self.most_mb = most_mb
        self.peak_mb = 0.0
        self.is_over = False
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self) -> None:
        while not self.stopped.is_set():
            now_mb = self.target.pss_mb()
            self.peak_mb = max(self.peak_mb, now_mb)
            if now_mb > self.most_mb:
                self.is_over = True
                max(self.target.workers().values(), key=rss_mb, default=self.target.process).kill()
            self.stopped.wait(self.EVERY_S)

    def __enter__(self) -> "PeakMemory":
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopped.set()
        self.thread.join()
