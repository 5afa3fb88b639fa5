"""``marina serve``: archives to a running, watched, cleanly stopping service."""

import contextlib
import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from rich.console import Console

from marina.apart import call_apart
from marina.catalog import ServedArchive, find_archives
from marina.copies import Copy, keep_copies
from marina.errors import MarinaError
from marina.limits import allow_open_files
from marina.mms import Mms
from marina.ports import LOOPBACK, MOST, claim_ports
from marina.replicas import Replicas
from marina.run_folder import Ports, clear_left, run_folder
from marina.server import SERVERS, ServeOptions, Server

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
# With MMS, what the service before Marina was started with is heeded too: a variable and the key that it sets.
MMS_VARIABLES = {"BATCH_SIZE": "batchSize", "LINGER_MS": "maxBatchDelay", "WORKERS": "minWorkers"}
LEAST = {"batchSize": 1, "maxBatchDelay": 0, "minWorkers": 1}


class Stop(BaseException):
    """A signal that stops the server; no Exception, so that nothing on the way takes it for a failure."""


def serve(options: ServeOptions, console: Console) -> None:
    """Serves until it is told to stop, then leaves nothing behind. Raises MarinaError."""
    options = replace(options, python=absolute(options.python))
    # Locked as long as this process lives; only they are verified and loaded, whatever becomes of the store.
    copies = keep_copies(find_archives(options.store, options.models))
    archives, openapi = call_apart("marina.reading", "read_and_describe", [copy.path for copy in copies])
    if options.server == Mms.name:
        archives = [apply_variables(archive, os.environ) for archive in archives]
    clear_left()  # what is left of a killed server may still listen
    if not options.host:
        raise MarinaError("--host is empty; 127.0.0.1 is this machine alone, 0.0.0.0 all of its addresses")
    allow_open_files(sum(options.workers or archive.server["minWorkers"] for archive in archives))
    ports = choose_ports(options)
    os.umask(0o022)  # nginx's workers, another user's where root starts them, read what is public
    for number in stop_signals():
        signal.signal(number, raise_stop)
    try:
        with run_folder(ports.door) as run:
            serve_in(run, options, archives, copies, openapi, ports, console)
    except Stop:
        return  # it came before there was anything to stop


def absolute(program: str) -> str:
    """A program that is named by its path, from wherever it is started; another is looked for in PATH."""
    return os.path.abspath(program) if os.sep in program else program


def serve_in(
    run: Path,
    options: ServeOptions,
    archives: Sequence[ServedArchive],
    copies: Sequence[Copy],
    openapi: Mapping[str, Any],
    ports: Ports,
    console: Console,
) -> None:
    """Serves from that run folder until it is told to stop. Raises MarinaError."""
    server: Server | Replicas | None = None
    try:
        if options.replicas > 1:
            server = Replicas(options, archives, copies, ports.door, run, console)
        else:
            server = Server(options, archives, openapi, ports, run, console)
        server.start()
        server.watch()
    except Stop:
        with contextlib.suppress(OSError):  # the terminal may be gone
            console.print("Stopping: requests in flight are answered first.")
    finally:
        ignore_stop()
        if server:
            server.stop()


def stop_signals() -> list[signal.Signals]:
    """The signals that stop the server: all that a terminal or an administrator sends, but SIGHUP under nohup."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in STOP_SIGNALS if number != signal.SIGHUP or not ignored]


def raise_stop(number: int, frame: FrameType | None) -> NoReturn:
    ignore_stop()  # one is enough: a second would break into the clearing away
    raise Stop


def ignore_stop() -> None:
    # Not SIG_IGN: Python complains of a signal that came just before.
    for number in stop_signals():
        signal.signal(number, lambda number, frame: None)


def apply_variables(archive: ServedArchive, environment: Mapping[str, str]) -> ServedArchive:
    """The archive with the settings that the environment names instead of its own. Raises MarinaError."""
    server = dict(archive.server)
    for variable, key in MMS_VARIABLES.items():
        value = environment.get(variable, "")
        if value and (not re.fullmatch("[0-9]{1,6}", value) or int(value) < LEAST[key]):
            raise MarinaError(f"the variable {variable} must be a whole number, at least {LEAST[key]}")
        server[key] = int(value) if value else server[key]
    return replace(archive, server=server)


def choose_ports(options: ServeOptions) -> Ports:
    """Every port that the server will listen on. Raises MarinaError naming one that is busy."""
    asked = {
        "door": (options.port, options.host),
        "inference": (options.inference_port, LOOPBACK),
        "management": (options.management_port, LOOPBACK),
        "metrics": (options.metrics_port, LOOPBACK),
        # Nobody needs these two, and TorchServe can't do without.
        "grpc_inference": (0, LOOPBACK),
        "grpc_management": (0, LOOPBACK),
    }
    server = SERVERS[options.server]
    uses = ["door"] if options.door else []
    if options.replicas == 1:
        uses += server.ports_with_nginx if options.door else server.listens
    highest = MOST if options.door else server.highest_port
    claimed = claim_ports({use: asked[use] for use in uses}, highest)
    return Ports(**{"door": claimed.get("inference", 0), **claimed})
