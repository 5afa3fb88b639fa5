"""The one folder that a running server writes to: configuration, keys, temporary files. Gone when it stops."""

import json
import os
import shutil
import stat
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2
import psutil

from marina.errors import MarinaError

STATE_FILE = "state.json"
FRONT_FILE = "front.json"  # in the place of state.json, where the server is a front of others
SERVER_FOLDER = "server"  # the model server's own files: its configuration, its keys
SOCKET_FOLDER = "sockets"  # what the model server listens on, for nginx


@dataclass(frozen=True)
class Ports:
    """TCP ports, as far as there are any: ``door``, ``management`` and ``metrics`` are nginx's, where it runs.

    The model server then listens on Unix sockets instead, but for its two for gRPC.
    """

    door: int
    inference: int = 0
    management: int = 0
    metrics: int = 0
    grpc_inference: int = 0
    grpc_management: int = 0


@dataclass(frozen=True)
class RunState:
    """What other commands need to know of a running server."""

    server: str  # torchserve or mms
    process: int  # the server's own; its workers are that one's children
    ports: Ports
    models: dict[str, str]  # name -> version
    threads: dict[str, int]  # name -> threads of one worker
    most_workers: dict[str, int]  # name -> its maxWorkers
    cores: int  # that it divided among the workers


@dataclass(frozen=True)
class FrontState:
    """What other commands need to know of the front of replicas."""

    replicas: list[int]  # their doors' ports, on loopback
    tries: int = 0  # how often they were to be restarted because someone asked for it
    restarts: int = 0  # how often all of them came back


def folder_of(port: int) -> Path:
    """Where the server on that port keeps its run folder."""
    return Path(tempfile.gettempdir()) / f"marina-{os.getuid()}-{port}"


def create_run_folder(port: int) -> Path:
    """An empty run folder that only this user can write to; what a killed server left there is cleared away."""
    folder = folder_of(port)
    if folder.is_symlink() or folder.exists():
        check_owner(folder)
        running = read_pid(folder)
        if running is not None:
            raise MarinaError(f"port {port} is in use: a marina serve runs on it (process {running})")
        shutil.rmtree(folder)
    # Searchable by others, so that nginx's workers, where root starts them as another user, reach public/.
    folder.mkdir(mode=0o711)
    write_private(folder / "owner.pid", str(os.getpid()))
    (folder / "public").mkdir()
    (folder / SERVER_FOLDER).mkdir(mode=0o700)
    return folder


def private_folder(path: Path, owner: int | None = None) -> Path:
    """A new folder that one user alone can enter: this one, or ``owner`` (a user id)."""
    path.mkdir(mode=0o700)
    if owner is not None:
        os.chown(path, owner, -1)
    return path


def remove_run_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def check_owner(folder: Path) -> None:
    """Refuses a folder that someone else has laid in the common temporary folder. Raises MarinaError."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise MarinaError(f"{folder} is not this user's own folder; remove it")


def read_pid(folder: Path) -> int | None:
    """The process that owns a run folder, if it still runs."""
    try:
        pid = int((folder / "owner.pid").read_text())
        return pid if "marina" in " ".join(psutil.Process(pid).cmdline()) else None
    except (OSError, ValueError, psutil.Error):
        return None


def write_state(folder: Path, state: RunState) -> None:
    write_private(folder / STATE_FILE, json.dumps(asdict(state)))


def write_front(folder: Path, state: FrontState) -> None:
    write_private(folder / FRONT_FILE, json.dumps(asdict(state)))


def read_state(port: int) -> tuple[Path, RunState]:
    """The run folder and state of the server whose door has that port. Raises MarinaError if there is none."""
    folder = running_folder(port, STATE_FILE)
    document = json.loads((folder / STATE_FILE).read_text())
    return folder, RunState(**{**document, "ports": Ports(**document["ports"])})


def read_front(port: int) -> tuple[Path, FrontState]:
    """The same of the front of replicas that has that port. Raises MarinaError if there is none."""
    folder = running_folder(port, FRONT_FILE)
    return folder, FrontState(**json.loads((folder / FRONT_FILE).read_text()))


def read_states(port: int) -> list[tuple[Path, RunState]]:
    """Every server behind that port: one, or the replicas behind a front. Raises MarinaError if there is none."""
    if is_front(port):
        return [read_state(replica) for replica in read_front(port)[1].replicas]
    return [read_state(port)]


def is_front(port: int) -> bool:
    """Whether it is a front of replicas that has, or had, that port."""
    return (folder_of(port) / FRONT_FILE).is_file()


def running_folder(port: int, file: str) -> Path:
    """The run folder of a server that runs and has written that file. Raises MarinaError if there is none."""
    folder = folder_of(port)
    if not (folder / file).is_file() or read_pid(folder) is None:
        raise MarinaError(f"no marina serve of this user runs on port {port}")
    check_owner(folder)
    return folder


def write_config(path: Path, template: Path, **values: Any) -> None:
    """Renders a configuration (jinja2) to a file that only this user can read; a value left out is an error."""
    write_private(path, render(template, **values))


def render(template: Path, **values: Any) -> str:
    """A template's text; it may include others of its folder."""
    environment = jinja2.Environment(  # noqa: S701 (no markup)
        loader=jinja2.FileSystemLoader(template.parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template.name).render(**values)


def write_private(path: Path, text: str) -> None:
    """Writes a file that only this user can read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
