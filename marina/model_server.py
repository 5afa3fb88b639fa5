"""A model server as a child process, on loopback: what TorchServe and MMS have in common."""

import json
import os
import re
import shutil
import signal
import site
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import psutil

from handlers.threads import SHARES_VARIABLE, available_cores, cgroup_memory
from marina.catalog import ServedArchive
from marina.copies import link_copies
from marina.errors import MarinaError
from marina.java import find_java
from marina.management import Management, NotFound
from marina.nginx import nginx_user
from marina.places import CONFIG
from marina.ports import LOOPBACK
from marina.processes import can_work, start_child, stop_child
from marina.run_folder import SERVER_FOLDER, SOCKET_FOLDER, Ports, make_folder, write_config
from marina.server_log import BoundedOutput, ServerLog

STOP_TIMEOUT_S = 20
POLL_S = 0.1
# The heap holds the requests that wait, not the models: a quarter of the memory, within these bounds.
HEAP_MB = (256, 320)
HEAP_SHARE = 4
SOCKETS = ("inference", "management", "metrics")
UPLOADS = (32, 256)
UPLOAD_SHARE = 8  # of the memory
LEAST_RESPONSE = 6553500  # TorchServe's and MMS's own default
BYTES_OF_AN_ENTITY = 128  # in JSON, with a long type and every digit of its places
# The server keeps a body up to five times (as received, as a request, as a message to the worker, in buffers).
COPIES_OF_A_BODY = 6
OWN_VARIABLES = ("TS_", "MMS_", "PYTHON")  # of the user's environment, which would change what the server does


class ModelServer:
    """One server on loopback, serving the archives with the given number of workers each."""

    name: ClassVar[str]  # as `marina serve --server` takes it
    title: ClassVar[str]
    package: ClassVar[str]  # of Python, in which its jar lies too
    requirements: ClassVar[str]  # the lock file that installs it
    main: ClassVar[str]  # its Java class
    options: ClassVar[Sequence[str]] = ()  # more of its command line
    properties: ClassVar[str]  # its configuration, rendered from config/<properties>.j2
    takes_versions: ClassVar[bool]  # whether an address may name a model's version
    load_again_after_s: ClassVar[int] = 60  # if a model is lost for so long while others are served
    listens: ClassVar[Sequence[str]]  # its TCP ports without nginx, as marina.run_folder.Ports names them
    ports_with_nginx: ClassVar[Sequence[str]]  # those that it or nginx has otherwise, beside the door
    highest_port: ClassVar[int] = 65535

    def __init__(
        self,
        run: Path,
        ports: Ports,
        archives: Sequence[ServedArchive],
        workers: dict[str, int],
        python: str = sys.executable,
        behind_nginx: bool = True,
    ):
        self.python = python  # of the environment that the server is installed in, and its workers run in
        self.run = run
        self.folder = run / SERVER_FOLDER
        self.sockets: Path | None = None  # nginx reaches the server there
        if behind_nginx:
            self.sockets = run / SOCKET_FOLDER
            make_folder(self.sockets, 0o700, nginx_user())
        self.temporary = run / "tmp"
        self.store = run / "served"  # what it may load: the verified copies, and nothing else
        self.ports = ports
        self.archives = archives
        self.workers = workers
        self.child: subprocess.Popen[str] | None = None

    def start(self, output: BoundedOutput) -> None:
        """Starts the server and passes on what it says that matters; ``wait_ready`` tells when it is there."""
        self.forget()
        self.log = ServerLog(output)
        self.refused: dict[str, str] = {}  # by model: what the server said
        shutil.rmtree(self.temporary, ignore_errors=True)  # archives that a server before this one unpacked
        self.temporary.mkdir(mode=0o700)
        self.fill_store()
        write_config(
            self.folder / self.properties,
            CONFIG / f"{self.properties}.j2",
            ports=self.ports,
            addresses={use: self.address(use) for use in SOCKETS},
            folder=self.folder,
            model_store=self.store,
            model_store_pattern=re.escape(str(self.store)),
            archives=[archive.path.name for archive in self.archives],
            max_request_bytes=max_request_bytes(self.archives),
            max_response_bytes=max_response_bytes(self.archives),
            response_timeout_s=max(int(archive.server["responseTimeout"]) for archive in self.archives),
            **self.more_properties(),
        )
        self.child = start_child(self.command(), self.folder, self.environment(), subprocess.PIPE, run=self.run)
        threading.Thread(target=self.log.follow, args=(self.child.stdout,), daemon=True).start()

    def address(self, use: str) -> str:
        """Where the server listens for "inference", "management" or "metrics", as its own configuration says it."""
        if self.sockets is None:
            return f"http://{LOOPBACK}:{getattr(self.ports, use)}"
        return f"unix:{self.sockets / use}.sock"

    def share_sockets(self) -> None:
        """Lets nginx's user write to the sockets; who may enter their folder is decided by the folder."""
        if self.sockets is not None:
            for socket in self.sockets.iterdir():
                socket.chmod(0o666)

    def fill_store(self) -> None:
        """Makes the folder that the server loads from, of archives that are still what was verified.

        Raises MarinaError.
        """
        link_copies(self.store, {f"{archive.name}.mar": (archive.path, archive.sha256) for archive in self.archives})

    def forget(self) -> None:
        """Removes what a server before this one left in the folder, and would be taken for this one's."""

    def more_properties(self) -> dict[str, object]:
        """What the configuration needs beside what both servers do."""
        return {}

    def connect(self) -> Management | None:
        """The management API, once the server has it."""
        raise NotImplementedError

    def authorization(self) -> str:
        """The header's value that the server wants with a prediction; nothing where it wants none."""
        return ""

    def management_authorization(self) -> str:
        """The same for management over nginx; nothing where there is none."""
        return ""

    def register(self, management: Management, timeout_s: float) -> None:
        """Hands the server the models that its configuration could not name; ``refused`` tells which it refused."""

    def reload(self, management: Management, name: str) -> None:
        """Has the server load a model anew whose workers are lost; does not wait for it. Raises MarinaError."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """The server's and so its workers' environment: threads that fit, no checkout on the path."""
        shares = self.thread_shares()
        environment = {key: value for key, value in os.environ.items() if not key.startswith(OWN_VARIABLES)}
        environment |= {
            SHARES_VARIABLE: json.dumps(shares),
            "OMP_NUM_THREADS": str(max(shares.values())),
            "TMPDIR": str(self.temporary),
            "LOG_LOCATION": str(self.temporary),
            "METRICS_LOCATION": str(self.temporary),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            # Two arenas instead of eight a core: tens of MB less a worker, no slower where it was tried.
            "MALLOC_ARENA_MAX": "2",
            # Java reads paths in the locale's encoding, and translates its warnings.
            "LC_ALL": "C.UTF-8",
        }
        if not site.ENABLE_USER_SITE:
            environment["PYTHONNOUSERSITE"] = "1"
        return environment

    def command(self) -> list[str | Path]:
        """Raises MarinaError where the server, or a Java for it, is not installed."""
        package = find_package(self.python, self.package)
        if package is None:
            raise MarinaError(f"{self.title} is not installed for {self.python}: see requirements/{self.requirements}")
        return [
            find_java(),
            f"-Dlog4j.configurationFile={(CONFIG / 'log4j2.xml').as_uri()}",
            f"-Dlog4j.configuration={(CONFIG / 'log4j.properties').as_uri()}",
            f"-Djava.io.tmpdir={self.temporary}",
            f"-Dmodel_server_home={package.parent}",
            f"-Xmx{heap_mb()}m",
            # Java's second compiler takes half a millisecond a request for minutes, and does not earn it back here.
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-XX:MinHeapFreeRatio=20",
            "-XX:MaxHeapFreeRatio=30",  # what a wave of large requests took is given back
            "-XX:+ExitOnOutOfMemoryError",  # a server that is out of memory answers nobody; it is started again
            "-cp",
            f".:{package / 'frontend'}/*",
            self.main,
            "--python",
            self.python,
            "-f",
            self.folder / self.properties,
            "-s",
            self.store,
            *self.options,
        ]

    def thread_shares(self) -> dict[str, int]:
        """Threads of one worker of each model: as its settings say, or the cores divided among its workers."""
        said = {archive.name: archive.handler.get("threads", 0) for archive in self.archives}
        return {name: said[name] or max(1, available_cores() // count) for name, count in self.workers.items()}

    def wait_ready(
        self, timeout_s: float, meanwhile: Callable[[], None] = lambda: None, without: bool = False
    ) -> Management:
        """Waits until every model has all its workers READY, and calls ``meanwhile`` again and again.

        Raises MarinaError if the server gives up, or a model can't be loaded; if the server can go on ``without`` some
        models, only if none can be. ``log`` tells which could not.
        """
        deadline = time.monotonic() + timeout_s
        management = self.wait_answering(deadline, meanwhile)
        self.register(management, timeout_s)
        waiting, scaled, failed = set(self.workers), set[str](), dict[str, str]()
        while True:
            for name in sorted(waiting):
                if self.is_complete(management, name, scaled):
                    waiting.remove(name)
                elif reason := self.why_not(management, name):
                    failed[name] = f"{name} can't be loaded: {reason}"
                    waiting.remove(name)
                    if not without or len(failed) == len(self.workers):
                        raise MarinaError("; ".join(failed.values()))
                    self.log.output.write(f"{failed[name]}; the others are served, and it is tried again\n")
            if not waiting:
                self.share_sockets()
                return management
            self.check_starting(deadline)
            meanwhile()
            time.sleep(POLL_S)

    def wait_answering(self, deadline: float, meanwhile: Callable[[], None]) -> Management:
        """The management API, once it answers. Raises MarinaError."""
        while True:
            self.check_starting(deadline)
            management = self.connect()
            if management and management.answers():
                return management
            if management:
                management.client.close()
            meanwhile()
            time.sleep(POLL_S)

    def check_starting(self, deadline: float) -> None:
        """Raises MarinaError if the server has ended, or is too late."""
        if not self.is_alive():
            raise MarinaError(f"{self.title} ended while it started; its output is above")
        if time.monotonic() > deadline:
            raise MarinaError(f"{self.title} was not ready in time; its output is above")

    def is_complete(self, management: Management, name: str, scaled: set[str]) -> bool:
        """Whether a model has all its workers; asks for them when it has one."""
        ready = management.count_workers(name).ready
        if ready and name not in scaled:
            # TorchServe starts the number in the archive's model-config.yaml, whatever its own settings say.
            management.scale(name, self.workers[name])
            scaled.add(name)
        return name in scaled and ready == self.workers[name]

    def why_not(self, management: Management, name: str) -> str:
        """Why a model can't be loaded; nothing as long as it may be."""
        if self.log.has_failed(name):
            reason = self.log.reason(name) or "its worker ended without a word"
            self.log.output.write(self.log.traceback(name))
            return reason
        if name in self.refused:
            # The server answers before its worker's last words are read.
            return self.log.reason(name) or self.refused[name]
        try:
            management.describe(name)
        except NotFound:
            return f"{self.title} could not read its archive"
        except MarinaError:
            return ""  # it may be busy
        return ""

    def process(self) -> int:
        """The server's process id; its workers are that one's children. 0 before it is started."""
        return self.child.pid if self.child else 0

    def is_alive(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def can_answer(self, description: Mapping[str, Any]) -> bool:
        """Whether a model, as the server describes it, has a worker that can answer: one that is stopped can't."""
        ready = [worker for worker in description["workers"] if worker["status"] == "READY"]
        return any("pid" not in worker or can_work(int(worker["pid"])) for worker in ready)

    def is_lost(self) -> bool:
        """Whether it lives, but can't come back to answering by itself."""
        return False

    def stop(self) -> None:
        if self.child is not None:
            stop_child(self.child, signal.SIGTERM, STOP_TIMEOUT_S)


def find_package(python: str, name: str) -> Path | None:
    """The folder of a package as that interpreter finds it; imports nothing. Raises MarinaError if that is none."""
    code = f"import importlib.util; found = importlib.util.find_spec({name!r}); print(found.origin if found else '')"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError as error:
        raise MarinaError(f"{python} can't be run: {error.strerror}") from error
    return Path(done.stdout.strip()).parent if done.stdout.strip() else None


def max_request_bytes(archives: Sequence[ServedArchive]) -> int:
    """The largest body of any model: its input as base64, four letters for three bytes, and a little JSON."""
    return max(int(archive.handler.get("max_bytes", 0)) for archive in archives) * 4 // 3 + 65_536


def max_response_bytes(archives: Sequence[ServedArchive]) -> int:
    """The longest answer of any model: a text in which every character is an entity of its own."""
    return max(LEAST_RESPONSE, *(BYTES_OF_AN_ENTITY * int(archive.handler.get("max_chars", 0)) for archive in archives))


def answer_buffers(archives: Sequence[ServedArchive]) -> int:
    """How many buffers of 64 KB nginx needs for the longest answer; it takes them when they are needed."""
    return max_response_bytes(archives) // 65_536 + 2


def total_memory() -> int:
    """The bytes of memory that this machine, or its cgroup, has."""
    total = psutil.virtual_memory().total
    return min(total, cgroup_memory() or total)


def heap_mb() -> int:
    """Java's largest heap in MB."""
    least, most = HEAP_MB
    return max(least, min(most, total_memory() // HEAP_SHARE // 1024**2))


def most_bytes() -> int:
    """How many bytes of bodies the server's heap holds at once."""
    return heap_mb() * 1024**2 // COPIES_OF_A_BODY


def most_uploads(archives: Sequence[ServedArchive]) -> int:
    """How many large bodies may arrive at once, over all clients: they are in files, which may be in memory (tmpfs)."""
    least, most = UPLOADS
    return max(least, min(most, total_memory() // UPLOAD_SHARE // max_request_bytes(archives)))
