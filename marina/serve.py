"""``marina serve``: archives to a running, watched, cleanly stopping service."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import httpx
from rich.console import Console

from marina.catalog import ServedArchive, find_archives, read_served, write_public
from marina.door import Door, bracket
from marina.errors import MarinaError
from marina.openapi import write_openapi
from marina.ports import LOOPBACK, claim_ports
from marina.run_folder import Ports, RunState, create_run_folder, remove_run_folder, write_private, write_state
from marina.torchserve import TorchServe

WATCH_EVERY_S = 0.5
# TorchServe itself tries to bring a worker back for 300 s, with pauses that grow; a new server is quicker.
GIVE_UP_AFTER_S = 60
RESTART_PAUSE_S = 1
LONGEST_PAUSE_S = 30
ANY_IPV4 = "0.0.0.0"  # noqa: S104 (bound only where the user asks for it)
EXAMPLES = {"image": "photo.jpg", "text": "text.txt"}  # what a user may have to send
HEADER_FILE = "authorization"
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class ServeOptions:
    """What to serve and where; a port of 0 takes any free one."""

    store: Path
    models: Sequence[str]
    host: str
    port: int
    inference_port: int
    management_port: int
    metrics_port: int
    workers: int | None  # of each model, instead of its minWorkers
    door: bool


class Stop(BaseException):
    """SIGTERM or Ctrl-C; no Exception, so that nothing on the way takes it for a failure."""


def serve(options: ServeOptions, console: Console) -> None:
    """Serves until it is told to stop, then leaves nothing behind. Raises MarinaError."""
    archives = [read_served(path) for path in find_archives(options.store, options.models)]
    ports = choose_ports(options)
    os.umask(0o022)  # nginx's workers, another user's where root starts them, read what is public
    for number in STOP_SIGNALS:
        signal.signal(number, raise_stop)
    run: Path | None = None
    server: Server | None = None
    try:
        run = create_run_folder(ports.door)
        server = Server(options, archives, ports, run, console)
        server.start()
        server.watch()
    except Stop:
        console.print("Stopping: requests in flight are answered first.")
    finally:
        ignore_stop()
        if server:
            server.stop()
        if run:
            remove_run_folder(run)


def raise_stop(number: int, frame: FrameType | None) -> NoReturn:
    ignore_stop()  # one is enough: a second would break into the clearing away
    raise Stop


def ignore_stop() -> None:
    # Not SIG_IGN: Python complains of a signal that came just before.
    for number in STOP_SIGNALS:
        signal.signal(number, lambda number, frame: None)


def choose_ports(options: ServeOptions) -> Ports:
    """Every port that the server will listen on. Raises MarinaError naming one that is busy."""
    wanted = {
        "inference": (options.inference_port, LOOPBACK),
        "management": (options.management_port, LOOPBACK),
        "metrics": (options.metrics_port, LOOPBACK),
        # Nobody needs these two, and TorchServe can't do without.
        "grpc_inference": (0, LOOPBACK),
        "grpc_management": (0, LOOPBACK),
    }
    if options.door:
        wanted = {"door": (options.port, options.host), **wanted}
    claimed = claim_ports(wanted)
    return Ports(**{"door": claimed["inference"], **claimed})


class Server:
    """TorchServe and the door in front of it, started, watched and stopped together."""

    def __init__(
        self, options: ServeOptions, archives: Sequence[ServedArchive], ports: Ports, run: Path, console: Console
    ):
        self.options = options
        self.archives = archives
        self.ports = ports
        self.run = run
        self.console = console
        workers = {archive.name: options.workers or archive.server["minWorkers"] for archive in archives}
        self.torchserve = TorchServe(run, ports, archives, workers)
        self.start_timeout_s = max(archive.server["startupTimeout"] for archive in archives) + 30
        deadline_s = max(archive.server["responseTimeout"] for archive in archives)
        self.door = Door(run, options.host, ports, archives, deadline_s) if options.door else None

    def start(self) -> None:
        self.console.print(f"Starting {', '.join(archive.name for archive in self.archives)} ...")
        write_public(self.archives, self.run / "public")
        write_openapi(self.archives, self.run / "public")
        self.start_torchserve()
        if self.door:
            self.door.start(sys.stderr.fileno())
            self.wait_door()
        self.announce()

    def start_torchserve(self) -> None:
        self.torchserve.start(sys.stderr)
        self.management = self.torchserve.wait_ready(self.start_timeout_s)
        key = self.torchserve.inference_key()
        write_private(self.run / HEADER_FILE, f"Authorization: Bearer {key}\n")
        versions = {archive.name: archive.version for archive in self.archives}
        write_state(self.run, RunState(self.ports, versions, self.torchserve.thread_shares()))
        if self.door:
            self.door.configure(key)
            self.door.set_ready(True)

    def wait_door(self) -> None:
        """Waits until the door answers. Raises MarinaError where it does not."""
        for _ in range(100):
            if self.door is None or not self.door.is_alive():
                break
            try:
                httpx.get(f"{self.address()}/ping", trust_env=False).raise_for_status()
                return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise MarinaError("nginx does not answer; its output is above")

    def address(self) -> str:
        """Where this machine itself reaches the door."""
        host = {ANY_IPV4: "127.0.0.1", "::": "::1"}.get(self.options.host, self.options.host)
        return f"http://{bracket(host)}:{self.ports.door}"

    def announce(self) -> None:
        """Says what is served, with what the server really applied, and how to call it."""
        self.console.print(f"Marina serves on {self.address()}")
        for archive in self.archives:
            applied = self.management.describe(archive.name)
            workers = self.torchserve.workers[archive.name]
            threads = self.torchserve.thread_shares()[archive.name]
            self.console.print(
                f"  {archive.name} {archive.version}: {archive.archive.title}, {archive.variant}, "
                f"{workers} x {threads} threads, "
                f"batches of up to {applied['batchSize']} gathered for {applied['maxBatchDelay']} ms"
                + (f", also at /{archive.archive.route}" if self.door and archive.archive.route else "")
            )
            for key in ("batchSize", "maxBatchDelay", "responseTimeout"):
                if applied[key] != archive.server[key]:
                    self.console.print(f"  TorchServe applied {key} {applied[key]}, not {archive.server[key]}")
        header = "" if self.door else f" -H @{self.run / HEADER_FILE}"
        first = self.archives[0]
        example = EXAMPLES.get(first.handler["input"], "input")
        self.console.print(f"Try: curl{header} -T {example} {self.address()}/predictions/{first.name}")
        self.console.print("Ctrl-C stops it.")

    def watch(self) -> None:
        """Restarts what dies and keeps /ping honest, until a signal ends it."""
        pause_s = RESTART_PAUSE_S
        lost_since: float | None = None
        while True:
            time.sleep(WATCH_EVERY_S)
            ready = self.torchserve.is_alive() and self.every_model_is_ready()
            if self.door:
                self.door.set_ready(ready)
                if not self.door.is_alive():
                    self.console.print("nginx ended; starting it again.")
                    self.door.stop()
                    self.door.start(sys.stderr.fileno())
            if ready:
                pause_s, lost_since = RESTART_PAUSE_S, None
                continue
            lost_since = lost_since or time.monotonic()
            if self.torchserve.is_alive() and time.monotonic() - lost_since < GIVE_UP_AFTER_S:
                continue
            self.console.print(f"TorchServe is lost; starting it again in {pause_s} s.")
            time.sleep(pause_s)
            pause_s, lost_since = min(2 * pause_s, LONGEST_PAUSE_S), None
            self.restart_torchserve()

    def every_model_is_ready(self) -> bool:
        """Whether each model has a worker that can answer; remembers how many workers each was scaled to."""
        counts = {archive.name: self.management.count_workers(archive.name) for archive in self.archives}
        self.torchserve.workers.update({name: count.wanted for name, count in counts.items() if count.wanted})
        return all(count.ready for count in counts.values())

    def restart_torchserve(self) -> None:
        self.torchserve.stop()
        try:
            self.start_torchserve()
        except MarinaError as error:
            self.console.print(str(error))

    def stop(self) -> None:
        """The door first, so that what is in flight is answered; then the server."""
        if self.door:
            self.door.stop()
        self.torchserve.stop()
