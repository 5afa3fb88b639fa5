"""One server: a model server and the door in front of it, started, watched and stopped together."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from handlers.threads import available_cores
from marina.catalog import ServedArchive, write_public
from marina.door import Door
from marina.errors import MarinaError
from marina.management import Silent, worker_count
from marina.mms import Mms
from marina.model_server import ModelServer
from marina.nginx import Access, bracket
from marina.processes import StoppedProcesses, can_work, family_of, reap_orphans
from marina.run_folder import Ports, RunState, write_private, write_state
from marina.server_log import BoundedOutput, open_relay
from marina.torchserve import TorchServe

WATCH_EVERY_S = 0.5
WATCH_TIMEOUT_S = 1  # of a question to the model server
SILENT_FOR_S = 5  # until a model server that does not answer is taken for not ready
# The server itself tries to bring a worker back for 300 s, with pauses that grow; a new server is quicker.
GIVE_UP_AFTER_S = 60
RESTART_PAUSE_S = 1
LONGEST_PAUSE_S = 30
UPLOAD_TIMEOUT_S = 60  # a body of the largest size at 2 Mbit/s
ANY_IPV4 = "0.0.0.0"  # noqa: S104 (bound only where the user asks for it)
EXAMPLES = {"image": "photo.jpg", "text": "text.txt"}  # what a user may have to send
HEADER_FILE = "authorization"
LAST_LINE = "Ctrl-C stops it."  # of what is said once everything answers
SERVERS: dict[str, type[ModelServer]] = {server.name: server for server in (TorchServe, Mms)}


@dataclass(frozen=True)
class ServeOptions:
    """What to serve and where; a port of 0 takes any free one."""

    store: Path
    models: Sequence[str]
    server: str  # a name in SERVERS
    python: str  # the interpreter that the server is installed for
    replicas: int
    host: str
    port: int
    inference_port: int
    management_port: int
    metrics_port: int
    workers: int | None  # of each model, instead of its minWorkers
    door: bool
    access: Access = field(default_factory=Access)
    upload_timeout_s: int = UPLOAD_TIMEOUT_S  # in which the whole body of a request has to arrive

    def address(self, port: int) -> str:
        """Where this machine itself reaches the door."""
        host = {ANY_IPV4: "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{bracket(host)}:{port}"


def describe_call(archives: Sequence[ServedArchive], address: str, header: str = "") -> str:
    """A command that asks the first model."""
    example = EXAMPLES.get(archives[0].handler["input"], "input")
    return f"Try: curl{header} -T {example} {address}/predictions/{archives[0].name}"


class Server:
    """The model server and its door."""

    def __init__(
        self,
        options: ServeOptions,
        archives: Sequence[ServedArchive],
        openapi: Mapping[str, Any],
        ports: Ports,
        run: Path,
        console: Console,
    ):
        self.options = options
        self.archives = archives
        self.openapi = openapi
        self.ports = ports
        self.run = run
        self.console = console
        self.output = BoundedOutput(sys.stderr)
        self.relay = open_relay(self.output)
        self.stopped_processes = StoppedProcesses()
        self.descriptions: dict[str, dict[str, Any]] = {}  # by model: what the server said last
        self.answered = 0.0  # when it did, on the monotonic clock
        workers = {archive.name: options.workers or archive.server["minWorkers"] for archive in archives}
        self.model_server = SERVERS[options.server](run, ports, archives, workers, options.python, options.door)
        self.start_timeout_s = max(archive.server["startupTimeout"] for archive in archives) + 30
        self.door = None
        if options.door:
            self.door = Door(
                run, options.host, ports, archives, self.model_server, options.access, options.upload_timeout_s
            )

    def start(self) -> None:
        self.console.print(f"Starting {', '.join(archive.name for archive in self.archives)} ...")
        write_public(self.archives, self.openapi, self.run / "public")
        self.start_model_server()
        if self.door:
            self.door.start(self.relay)
            self.door.wait_answering(self.address())
        self.announce()

    def start_model_server(self, without: bool = False) -> None:
        """Starts the server, ``without`` models that can't be loaded if there are others. Raises MarinaError."""
        self.descriptions = {}
        self.model_server.start(self.output)
        self.management = self.model_server.wait_ready(self.start_timeout_s, self.tend, without)
        authorization = self.model_server.authorization()
        write_private(self.run / HEADER_FILE, f"Authorization: {authorization}\n")
        write_state(self.run, self.state())
        if self.door:
            self.door.open(authorization, self.model_server.management_authorization())
            self.door.set_ready(len(self.ready_models()) == len(self.archives))

    def state(self) -> RunState:
        return RunState(
            server=self.options.server,
            process=self.model_server.process(),
            ports=self.ports,
            models={archive.name: archive.version for archive in self.archives},
            threads=self.model_server.thread_shares(),
            most_workers={archive.name: archive.server["maxWorkers"] for archive in self.archives},
            cores=available_cores(),
        )

    def address(self) -> str:
        return self.options.address(self.ports.door)

    def announce(self) -> None:
        """Says what is served, with what the server really applied, and how to call it."""
        self.console.print(f"Marina serves on {self.address()}" + self.behind())
        for archive in self.archives:
            applied = self.management.describe(archive.name)
            workers = self.model_server.workers[archive.name]
            threads = self.model_server.thread_shares()[archive.name]
            self.console.print(
                f"  {archive.name} {archive.version}: {archive.archive.title}, {archive.variant}, "
                f"{workers} x {threads} threads, "
                f"batches of up to {applied['batchSize']} gathered for {applied['maxBatchDelay']} ms"
                + (f", also at /{archive.archive.route}" if self.door and archive.archive.route else "")
            )
            for key in ("batchSize", "maxBatchDelay", "responseTimeout"):
                if applied.get(key, archive.server[key]) != archive.server[key]:
                    self.console.print(
                        f"  {self.model_server.title} applied {key} {applied[key]}, not {archive.server[key]}"
                    )
        header = "" if self.door or not self.model_server.authorization() else f" -H @{self.run / HEADER_FILE}"
        self.console.print(describe_call(self.archives, self.address(), header))
        self.console.print(LAST_LINE)

    def behind(self) -> str:
        return "" if self.options.server == TorchServe.name else f" with {self.model_server.title}"

    def watch(self) -> None:
        """Restarts what dies or is stopped, and keeps /ping honest, until a signal ends it."""
        pause_s = RESTART_PAUSE_S
        lost_since: dict[str, float] = {}  # by the name of a model
        while True:
            time.sleep(WATCH_EVERY_S)
            self.tend()
            ready = self.ready_models()
            if self.door:
                self.door.set_ready(len(ready) == len(self.archives))
            now = time.monotonic()
            lost_since = {each.name: lost_since.get(each.name, now) for each in self.archives if each.name not in ready}
            if not lost_since:
                pause_s = RESTART_PAUSE_S
                continue
            may_come_back = self.model_server.is_alive() and not self.model_server.is_lost()
            if may_come_back and (ready or now - min(lost_since.values()) < GIVE_UP_AFTER_S):
                # A new server would take the models away that it serves.
                lost_since |= {name: now for name, since in lost_since.items() if self.load_again(name, now - since)}
                continue
            self.console.print(f"{self.model_server.title} is lost; starting it again in {pause_s} s.")
            self.pause(pause_s)
            pause_s, lost_since = min(2 * pause_s, LONGEST_PAUSE_S), {}
            self.restart_model_server()

    def tend(self) -> None:
        """Keeps nginx alive, kills what is stopped, and reaps what was left to this process."""
        reap_orphans({part.child.pid for part in (self.model_server, self.door) if part and part.child})
        self.output.tell_left_out()
        running = [part.child for part in (self.model_server, self.door) if part and part.child and part.is_alive()]
        for name in self.stopped_processes.look(pid for child in running for pid in family_of(child.pid)):
            self.console.print(f"{name} was stopped, and is killed.")
        if self.door and self.door.child and not self.door.is_alive():
            self.console.print("nginx ended; starting it again.")
            self.door.stop()
            self.door.start(self.relay)

    def pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.tend()
            time.sleep(min(WATCH_EVERY_S, seconds))

    def load_again(self, name: str, lost_s: float) -> bool:
        """Has the server load a model again that was lost for long, while it serves others; whether it was asked to."""
        if lost_s < self.model_server.load_again_after_s:
            return False
        try:
            self.model_server.reload(self.management, name)
        except MarinaError as error:
            self.console.print(f"{name} can't be loaded again: {error}")
        return True

    def ready_models(self) -> set[str]:
        """The models that have a worker that can answer; remembers how many workers each was scaled to."""
        server = self.model_server
        if not server.is_alive() or server.is_lost() or not can_work(server.process()):
            return set()
        self.describe_models()
        return {name for name, found in self.descriptions.items() if server.can_answer(found)}

    def describe_models(self) -> None:
        """Asks the server what it serves; what it said last holds for a while, in which it does not answer."""
        for archive in self.archives:
            try:
                found = self.management.describe(archive.name, WATCH_TIMEOUT_S)
            except Silent:
                if time.monotonic() - self.answered > SILENT_FOR_S:
                    self.descriptions = {}
                return
            except MarinaError:
                self.descriptions.pop(archive.name, None)
                continue
            self.answered = time.monotonic()
            self.descriptions[archive.name] = found
            wanted = worker_count(found).wanted
            if wanted:
                self.model_server.workers[archive.name] = wanted

    def restart_model_server(self) -> None:
        if self.door:
            self.door.close()  # a new server wants a new token, and does not have its workers at once
        self.model_server.stop()
        try:
            self.start_model_server(without=True)
        except MarinaError as error:
            self.console.print(str(error))

    def stop(self) -> None:
        """The door first, so that what is in flight is answered; then the server."""
        if self.door:
            self.door.stop()
        self.model_server.stop()
