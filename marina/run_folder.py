"""The one folder that a running server writes to: configuration, keys, temporary files. Gone when it stops.

It is ``marina-<user id>/<port>`` in a folder for temporary files that is the same for every shell of the user: TMPDIR
comes last. A login's XDG_RUNTIME_DIR is no place for it: a server goes on after the logout, which removes that folder,
and it is memory, while the server unpacks archives here. Whoever serves holds a lock on the folder, so a folder without
one is left from a server that was killed.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2

from marina.errors import MarinaError
from marina.places import ROOT
from marina.processes import kill_left

STATE_FILE = "state.json"
FRONT_FILE = "front.json"  # in the place of state.json, where the server is a front of others
OWNER_FILE = "owner.pid"
SERVER_FOLDER = "server"  # the model server's own files: its configuration, its keys
SOCKET_FOLDER = "sockets"  # what the model server listens on, for nginx
PLACES = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 (nobody else can write to what is made there, see own_parents)
# A path that needs no quoting in nginx's configuration, and leaves room for a socket's name: it has 107 bytes at most.
PLAIN_PLACE = re.compile(r"/[A-Za-z0-9_./-]{0,47}")
# Runs from a shell that waits for its input to end: nothing of it takes memory before that.
KEEPER = 'read -r line || exec "$@"'
CLEAR_LEFT = "import sys; sys.path.insert(0, sys.argv[1]); from marina.run_folder import clear_left; clear_left()"


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
    """Where the server on that port keeps its run folder; where it would, if there is none."""
    folders = [parent / str(port) for parent in own_parents()]
    return next((folder for folder in folders if folder.is_dir()), PLACES[0] / parent_name() / str(port))


@contextmanager
def run_folder(port: int) -> Iterator[Path]:
    """An empty run folder that only this user can write to, removed with the block; also if this process is killed.

    Raises MarinaError if a server runs on the port, or if there is no place for the folder.
    """
    with ExitStack() as stack:
        stack.enter_context(keep_clear())
        clear_left()
        folder, lock = create_run_folder(port)
        stack.callback(os.close, lock)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


@contextmanager
def keep_clear() -> Iterator[None]:
    """While the block lasts, a process waits for this one to be killed, and then clears away what it leaves."""
    command = ["/bin/sh", "-c", KEEPER, "marina-keeper", sys.executable, "-c", CLEAR_LEFT, str(ROOT)]
    try:
        keeper = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
    except FileNotFoundError:  # no shell: the next start clears away
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(BrokenPipeError):
            keeper.communicate(b"done\n")


def create_run_folder(port: int) -> tuple[Path, int]:
    """A new run folder and the lock on it, a file descriptor. Raises MarinaError."""
    parent = make_parent()
    folder = parent / str(port)
    with locked(parent):
        if is_locked(folder):
            raise MarinaError(f"port {port} is in use: a marina serve runs on it (process {read_owner(folder)})")
        if folder.exists():
            raise MarinaError(f"{folder} is left from another server, and can't be removed")
        # Searchable by others, so that nginx's workers, which are another user's if root starts them, reach public/.
        make_folder(folder, 0o711)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    write_private(folder / OWNER_FILE, str(os.getpid()))
    make_folder(folder / "public", 0o755)
    make_folder(folder / SERVER_FOLDER, 0o700)
    return folder, lock


def clear_left() -> None:
    """Ends what servers of this user that were killed have left running, and removes their folders."""
    for parent in own_parents():
        with locked(parent):
            for folder in parent.iterdir():
                if folder.name.isdecimal() and not is_locked(folder):
                    kill_left(folder)
                    shutil.rmtree(folder, ignore_errors=True)


def parent_name() -> str:
    return f"marina-{os.getuid()}"


def own_parents() -> list[Path]:
    """The folders that hold run folders of this user; in a common place, anybody may make one of that name."""
    found = [path for place in places() for path in sorted(place.glob(f"{parent_name()}*"))]
    return [path for path in found if is_parent(path)]


def is_parent(path: Path) -> bool:
    """Whether it is a folder of run folders that is this user's, and that nobody else can write to."""
    if not re.fullmatch(rf"{parent_name()}(-\w{{8}})?", path.name):
        return False
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def places() -> list[Path]:
    """Where a folder of run folders may be, the best place first."""
    found = list(PLACES)
    with contextlib.suppress(FileNotFoundError):  # nothing can be written anywhere
        found.append(Path(tempfile.gettempdir()))
    with contextlib.suppress(RuntimeError):  # a user without a home
        found.append(Path.home() / ".cache")
    return list(dict.fromkeys(found))


def make_parent() -> Path:
    """The folder of this user's run folders. Raises MarinaError, with what is wrong with each place."""
    reasons = []
    for place in sorted(places(), key=lets_others_rename):
        try:
            check_place(place)
            parent = next((path for path in own_parents() if path.parent == place), None) or make_private(place)
            check_sockets(parent)
            return parent
        except OSError as error:
            reasons.append(f"{place}: {error.strerror or error}")
    raise MarinaError(f"there is no place for the server's files ({'; '.join(reasons)})")


def check_place(place: Path) -> None:
    """Raises OSError, saying why, if run folders can't be in that folder."""
    place.stat()
    if not PLAIN_PLACE.fullmatch(str(place)):
        raise OSError("its path is too long for a socket, or has characters that nginx's configuration can't have")
    if os.geteuid() == 0 and not all(path.stat().st_mode & 0o001 for path in (place, *place.parents)):
        raise OSError("nginx's workers, which are not root's, can't enter it")


def lets_others_rename(place: Path) -> bool:
    """Whether anybody can rename what is in a folder: a volume of Kubernetes is such, but has one user alone."""
    try:
        mode = place.stat().st_mode
    except OSError:
        return False
    return bool(mode & 0o002 and not mode & stat.S_ISVTX)


def make_private(place: Path) -> Path:
    """A new folder there, of the usual name or, if someone else has taken that, of one that nobody could know."""
    folder = place / parent_name()
    try:
        make_folder(folder, 0o711)
    except FileExistsError:
        folder = Path(tempfile.mkdtemp(prefix=f"{parent_name()}-", dir=place))
        folder.chmod(0o711)
    return folder


def make_folder(folder: Path, mode: int, owner: int | None = None) -> None:
    """Makes a folder with that mode, whatever the umask is; for another user, if ``owner`` is one's id."""
    folder.mkdir(mode=0o700)
    folder.chmod(mode)
    if owner is not None:
        os.chown(folder, owner, -1)


def check_sockets(parent: Path) -> None:
    """Raises OSError if the file system has no sockets."""
    with tempfile.TemporaryDirectory(dir=parent, prefix="try-") as folder, socket.socket(socket.AF_UNIX) as probe:
        probe.bind(f"{folder}/socket")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else makes or clears away run folders in that folder while the block lasts."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def is_locked(folder: Path) -> bool:
    """Whether somebody serves with that run folder."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def read_owner(folder: Path) -> int | None:
    """The process that serves with a run folder, if it still runs."""
    try:
        return int((folder / OWNER_FILE).read_text()) if is_locked(folder) else None
    except (OSError, ValueError):
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
    if not (folder / file).is_file() or not is_locked(folder):
        raise MarinaError(f"no marina serve of this user runs on port {port}")
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
        finalize=escape_property if ".properties" in template.suffixes else None,
    )
    return environment.get_template(template.name).render(**values)


def escape_property(value: Any) -> Any:
    """Text as it must be in a file that Java reads as properties: Latin-1, where a backslash begins an escape."""
    if not isinstance(value, str | Path):
        return value
    text = str(value).replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    text = re.sub(r"^[ \t\f]", lambda found: f"\\u{ord(found[0]):04x}", text)
    units = text.encode("utf-16-be", "surrogatepass")
    codes = [int.from_bytes(units[place : place + 2]) for place in range(0, len(units), 2)]
    return "".join(chr(code) if code < 0x7F else f"\\u{code:04x}" for code in codes)


def write_private(path: Path, text: str) -> None:
    """Writes a file that only this user can read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
