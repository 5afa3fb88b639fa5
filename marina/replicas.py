"""``marina serve --replicas N``: several servers on one machine behind one nginx, as compose has them on several.

Each replica is a `marina serve` of its own, with its own door, watched by itself; here they are only started, started
again when they are gone, and restarted one after another when that is asked.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import IO

import httpx
import psutil
from rich.console import Console

from handlers.threads import CORES_VARIABLE, available_cores
from marina.catalog import ServedArchive, find_archives
from marina.copies import Copy, keep_copies, link_copies
from marina.errors import MarinaError
from marina.model_server import answer_buffers, max_request_bytes, most_bytes, most_uploads
from marina.nginx import MODULES, Access, Nginx, bracket, common_values
from marina.places import NGINX, ROOT
from marina.ports import LOOPBACK, claim_ports
from marina.processes import StoppedProcesses, children_of, reap_orphans, start_child, stop_child
from marina.run_folder import FrontState, is_front, read_front, read_owner, read_state, render, write_front
from marina.server import LAST_LINE, UPLOAD_TIMEOUT_S, ServeOptions, describe_call
from marina.server_log import BoundedOutput, open_relay

WATCH_EVERY_S = 0.5
SETTLE_S = 2  # until nginx, which leaves a replica out for a second, asks the one that came back
START_TIMEOUT_S = 60  # of what is started beside the models
IMAGE_LUA = Path("/srv/marina/deploy/nginx/lua")  # as Dockerfile.cpu lays it
STOP_TIMEOUT_S = 30  # of a replica's own processes, beside its deadline


class Front(Nginx):
    """nginx in front of replicas: spreads requests, and asks another replica where one fails."""

    template = "replicas.conf.j2"

    def configure(
        self,
        listen: str,
        addresses: Sequence[str],
        max_request_bytes: int,
        most_bytes: int,
        most_uploads: int,
        answer_buffers: int,
    ) -> None:
        """Writes the configuration. ``addresses`` are host:port."""
        self.write(
            listen=listen,
            addresses=addresses,
            max_request_bytes=max_request_bytes,
            most_bytes=most_bytes,
            most_uploads=most_uploads,
            answer_buffers=answer_buffers,
            resolver="",
        )


def render_compose() -> str:
    """The configuration of the load balancer in compose.yaml, which Docker resolves the replicas for."""
    values = json.loads((NGINX.parent / "compose" / "front.json").read_text())
    modules = [f"/usr/lib/nginx/modules/{name}" for name in MODULES]
    common = common_values(Path("/tmp"), Access(is_exposed=True), UPLOAD_TIMEOUT_S, 16384, modules, IMAGE_LUA)  # noqa: S108
    return render(NGINX / Front.template, **common, user="", **values)


def serve_command(options: ServeOptions, store: Path) -> list[str]:
    """The `marina serve` of a replica, of the archives in ``store``, without its port."""
    command = [
        sys.executable,
        "-m",
        "marina",
        "serve",
        "--server",
        options.server,
        "--server-python",
        options.python,
        "--store",
        str(store),
    ]
    command += [word for name in options.models for word in ("--models", name)]
    command += ["--workers", str(options.workers)] if options.workers else []
    return command + [word for use in ("inference", "management", "metrics") for word in (f"--{use}-port", "0")]


class Replica:
    """One `marina serve` behind the front."""

    def __init__(self, number: int, command: Sequence[str], port: int, cores: int, run: Path):
        self.number = number
        self.run = run  # the front's
        self.command = command
        self.port = port
        self.cores = cores
        self.child: subprocess.Popen[str] | None = None
        self.told: list[str] = []  # what it said while it started

    def start(self, output: BoundedOutput) -> None:
        environment = os.environ | {CORES_VARIABLE: str(self.cores)}
        self.told = []
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [*self.command, "--port", str(self.port)]
        self.child = start_child(command, self.run, environment, subprocess.PIPE, run=self.run)
        threading.Thread(target=self.pass_on, args=(self.child.stdout, output), daemon=True).start()

    def pass_on(self, lines: IO[str], output: BoundedOutput) -> None:
        """Copies its lines, once it serves; what it says of that, whoever started it tells."""
        serves = False
        for line in lines:
            if not serves:
                self.told.append(line)
                serves = line.startswith(LAST_LINE)
            else:
                output.write(f"replica {self.number}: {line}")
        if not serves:
            for line in self.told:
                output.write(line)
        lines.close()

    def is_alive(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def is_ready(self) -> bool:
        """Whether it answers for every model."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/ping", timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def ask_to_stop(self) -> None:
        if self.child is not None and self.is_alive():
            self.child.send_signal(signal.SIGTERM)

    def stop(self, timeout_s: float) -> None:
        """Lets it answer what is in flight, for so long."""
        if self.child is not None:
            stop_child(self.child, signal.SIGTERM, timeout_s)


class Replicas:
    """The replicas and the front."""

    def __init__(
        self,
        options: ServeOptions,
        archives: Sequence[ServedArchive],
        copies: Sequence[Copy],
        port: int,
        run: Path,
        console: Console,
    ):
        self.options = options
        self.archives = archives
        self.run = run
        self.console = console
        self.output = BoundedOutput(sys.stderr)
        self.relay = open_relay(self.output)
        self.stopped_processes = StoppedProcesses()
        self.address = options.address(port)
        self.listen = f"{bracket(options.host)}:{port}"
        self.deadline_s = max(int(archive.server["responseTimeout"]) for archive in archives)
        self.start_timeout_s = max(int(archive.server["startupTimeout"]) for archive in archives) + START_TIMEOUT_S
        self.ports = list(claim_ports({f"replica {n}": (0, LOOPBACK) for n in range(options.replicas)}).values())
        # What the replicas serve, also one that is started again: it changes with a restart.
        self.store = run / "served"
        self.copies = copies
        command, cores = serve_command(options, self.store), max(1, available_cores() // options.replicas)
        self.replicas = [Replica(number, command, each, cores, run) for number, each in enumerate(self.ports, 1)]
        self.front = Front(run, self.deadline_s, options.access, options.upload_timeout_s)
        self.state = FrontState(self.ports)
        self.is_asked_to_restart = False
        self.has_terminal = has_terminal()
        self.outlives_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # as under nohup

    def start(self) -> None:
        """Starts everything, and says what is served. Raises MarinaError."""
        names = ", ".join(archive.name for archive in self.archives)
        self.console.print(f"Starting {len(self.replicas)} replicas of {names} ...")
        self.front.configure(
            self.listen,
            [f"{LOOPBACK}:{port}" for port in self.ports],
            max_request_bytes(self.archives),
            most_bytes() * len(self.replicas),
            most_uploads(self.archives),
            answer_buffers(self.archives),
        )
        self.fill_store()
        for replica in self.replicas:
            replica.start(self.output)
        for replica in self.replicas:
            self.wait_ready(replica)
        self.front.start(self.relay)
        self.front.wait_answering(self.address)
        signal.signal(signal.SIGHUP, self.ask_to_restart)
        write_front(self.run, self.state)
        self.announce()

    def fill_store(self) -> None:
        link_copies(self.store, {copy.path.name: (copy.path, copy.sha256) for copy in self.copies})

    def change_copies(self, copies: Sequence[Copy]) -> None:
        """Lets the replicas that start from now on serve these, once they are verified. Raises MarinaError."""
        command = [sys.executable, "-m", "marina", "verify", *(str(copy.path) for copy in copies)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MarinaError(done.stderr.strip().removeprefix("marina: "))
        self.copies = copies
        self.fill_store()

    def announce(self) -> None:
        first = self.replicas[0]
        self.console.print(
            f"Marina serves on {self.address}, with {len(self.replicas)} replicas, cores of each: {first.cores}"
        )
        self.console.print("".join(line for line in first.told if line.startswith("  ")), end="", markup=False)
        self.console.print(describe_call(self.archives, self.address))
        self.console.print(LAST_LINE)

    def ask_to_restart(self, number: int, frame: FrameType | None) -> None:
        """Takes SIGHUP: someone asks for a restart, unless it comes because the terminal was closed."""
        if self.has_terminal and not has_terminal():
            self.has_terminal = False
            if not self.outlives_terminal:
                os.kill(os.getpid(), signal.SIGTERM)
            return
        self.is_asked_to_restart = True

    def watch(self) -> None:
        """Starts again what ends or is stopped, and restarts all when it is asked to, until a signal ends it."""
        while True:
            time.sleep(WATCH_EVERY_S)
            self.revive()
            if self.is_asked_to_restart:
                self.is_asked_to_restart = False
                self.restart_all()

    def revive(self, but: Replica | None = None) -> None:
        """Starts again what has ended or is stopped, ``but`` for one whose end somebody waits for."""
        running = {child.pid for child in (self.front.child, *(each.child for each in self.replicas)) if child}
        reap_orphans(running)
        self.output.tell_left_out()
        for name in self.stopped_processes.look(running | set(children_of(self.front.process()))):
            self.console.print(f"{name} was stopped, and is killed.")
        for replica in self.replicas:
            if replica is not but and not replica.is_alive():
                self.console.print(f"replica {replica.number} ended; starting it again.")
                replica.stop(0)
                replica.start(self.output)
        if not self.front.is_alive():
            self.console.print("nginx ended; starting it again.")
            self.front.stop()
            self.front.start(self.relay)

    def restart_all(self) -> None:
        """One replica after another, each when the one before it is ready, with what the store holds now.

        Stops where one does not come back; what is started after that serves what was served before.
        """
        tries, restarts, before = self.state.tries + 1, self.state.restarts + 1, self.copies
        try:
            self.change_copies(keep_copies(find_archives(self.options.store, self.options.models)))
            for replica in self.replicas:
                self.console.print(f"Restarting replica {replica.number} of {len(self.replicas)}")
                replica.stop(self.deadline_s + STOP_TIMEOUT_S)
                replica.start(self.output)
                self.wait_ready(replica)
                time.sleep(SETTLE_S)
        except MarinaError as error:
            self.console.print(f"{error}; the others are left as they are")
            restarts -= 1
            self.copies = before
            self.fill_store()
        else:
            for copy in before:
                copy.release()
        self.state = replace(self.state, tries=tries, restarts=restarts)
        write_front(self.run, self.state)

    def wait_ready(self, replica: Replica) -> None:
        """Waits until a replica answers for every model; keeps the others alive meanwhile. Raises MarinaError."""
        deadline = time.monotonic() + self.start_timeout_s
        while not replica.is_ready():
            if not replica.is_alive():
                raise MarinaError(f"replica {replica.number} ended while it started; its output is above")
            if time.monotonic() > deadline:
                raise MarinaError(f"replica {replica.number} was not ready in {self.start_timeout_s:.0f} s")
            if self.front.is_alive():
                self.revive(replica)
            time.sleep(0.1)

    def stop(self) -> None:
        """The front first, so that what is in flight is answered; then the replicas, all at once."""
        self.front.stop()
        for replica in self.replicas:
            replica.ask_to_stop()
        for replica in self.replicas:
            replica.stop(self.deadline_s + STOP_TIMEOUT_S)


def has_terminal() -> bool:
    """Whether a terminal controls this process."""
    return psutil.Process().terminal() is not None


def restart_replicas(port: int, timeout_s: float) -> None:
    """Asks the server behind that port to restart its replicas, and waits for it. Raises MarinaError."""
    if not is_front(port):
        read_state(port)
        raise MarinaError("one server alone can't be restarted without a gap: serve it with --replicas 2")
    folder, before = read_front(port)
    owner = read_owner(folder)
    if owner is None:
        raise MarinaError(f"no marina serve of this user runs on port {port}")
    os.kill(owner, signal.SIGHUP)
    deadline = time.monotonic() + timeout_s
    while (after := read_front(port)[1]).tries == before.tries:
        if time.monotonic() > deadline:
            raise MarinaError(f"the replicas were not restarted within {timeout_s:.0f} s")
        time.sleep(0.2)
    if after.restarts == before.restarts:
        raise MarinaError("a replica did not come back; `marina serve` says why, and tries on")
