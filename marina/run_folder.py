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


@dataclass(frozen=True)
class Ports:
    """TCP ports; ``door`` is nginx's, the others are TorchServe's on loopback."""

    door: int
    inference: int
    management: int
    metrics: int
    grpc_inference: int
    grpc_management: int


@dataclass(frozen=True)
class RunState:
    """What other commands need to know of a running server."""

    ports: Ports
    models: dict[str, str]  # name -> version
    threads: dict[str, int]  # name -> threads of one worker


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
    (folder / "torchserve").mkdir(mode=0o700)
    return folder


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


def read_state(port: int) -> tuple[Path, RunState]:
    """The run folder and state of the server whose door has that port. Raises MarinaError if there is none."""
    folder = folder_of(port)
    if not (folder / STATE_FILE).is_file() or read_pid(folder) is None:
        raise MarinaError(f"no marina serve of this user runs on port {port}")
    check_owner(folder)
    document = json.loads((folder / STATE_FILE).read_text())
    return folder, RunState(Ports(**document["ports"]), document["models"], document["threads"])


def write_config(path: Path, template: Path, **values: Any) -> None:
    """Renders a configuration (jinja2) to a file that only this user can read; a value left out is an error."""
    text = jinja2.Template(template.read_text(), undefined=jinja2.StrictUndefined).render(**values)
    write_private(path, text)


def write_private(path: Path, text: str) -> None:
    """Writes a file that only this user can read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
