"""Child processes that never outlive the tool."""

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

PR_SET_PDEATHSIG = 1  # linux/prctl.h
SESSIONS_FILE = "sessions"  # in a run folder: the sessions of the processes that were started for it, one per line
# A process is stopped by a signal (SIGSTOP, SIGTSTP) or by a debugger (ptrace).
STOPPED = (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
STOPPED_FOR_S = 1.5  # until a stopped process is killed
KILL_TIMEOUT_S = 5


def start_child(
    command: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str],
    output: int | IO[str],
    source: int = subprocess.DEVNULL,
    errors: int | IO[str] = subprocess.STDOUT,
    run: Path | None = None,
) -> subprocess.Popen[str]:
    """Starts a command that a Ctrl-C in the terminal does not reach, and that ends when the tool is killed.

    With ``run``, a run folder that holds its working directory, ``kill_left`` ends its own children too.
    """
    parent = os.getpid()
    prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None

    def prepare() -> None:
        # A crash of Java or of a worker would leave a file of the size of its memory in the run folder.
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:  # it died before the line above
                os._exit(1)

    child = subprocess.Popen(
        [str(part) for part in command],
        cwd=folder,
        env=dict(environment),
        stdin=source,
        stdout=output,
        stderr=errors,
        encoding="utf-8",
        errors="replace",  # a worker may write anything
        start_new_session=True,
        preexec_fn=prepare,
    )
    if run is not None:
        with (run / SESSIONS_FILE).open("a") as file:
            file.write(f"{child.pid}\n")
    return child


def stop_child(child: subprocess.Popen[str], how: signal.Signals, timeout_s: float) -> None:
    """Asks a child to end, kills it if it does not in time or is stopped, and kills what is left of its children."""
    if child.poll() is None:
        child.send_signal(signal.SIGKILL if is_stopped(child.pid) else how)
        try:
            child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def reap_orphans(own: Collection[int]) -> None:
    """Lets go of ended processes that were left to this one, as they are to process 1 of a container.

    ``own`` are the children that somebody here waits for.
    """
    if os.getpid() != 1:
        return
    for child in psutil.Process().children():
        try:
            if child.pid not in own and child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)
        except (psutil.NoSuchProcess, ChildProcessError):
            continue


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; one that has ended and that nobody has waited for does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_stopped(pid: int) -> bool:
    """Whether a signal or a debugger has stopped the process."""
    return status_of(pid) in STOPPED


def can_work(pid: int) -> bool:
    """Whether the process runs, and nothing has stopped it."""
    return status_of(pid) not in (*STOPPED, psutil.STATUS_ZOMBIE, "")


def status_of(pid: int) -> str:
    """The process's status, as psutil names it; nothing if there is none."""
    try:
        return str(psutil.Process(pid).status())
    except (psutil.NoSuchProcess, ValueError):
        return ""


def children_of(pid: int) -> list[int]:
    """The processes that it has started: from proc(5) if it tells them, because psutil looks through all processes."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        try:
            return [child.pid for child in psutil.Process(pid).children()]
        except psutil.NoSuchProcess:
            return []


def family_of(pid: int) -> list[int]:
    """The process and everything that it, or one of its children, has started."""
    family = [pid]
    for member in family:  # grows
        family += children_of(member)
    return family


class StoppedProcesses:
    """Finds processes that something has stopped, and kills those that stay so; whoever watches them replaces them.

    A process that strace looks at is stopped again and again, but works in between: it is left alone.
    """

    def __init__(self, after_s: float = STOPPED_FOR_S) -> None:
        self.after_s = after_s
        self.seen: dict[psutil.Process, tuple[int, float]] = {}  # -> its switches of context, and since when

    def look(self, pids: Iterable[int]) -> list[str]:
        """Looks at these processes; gives the names of those that it has killed."""
        stopped: dict[psutil.Process, tuple[int, float]] = {}
        killed = []
        for pid in pids:
            try:
                process = psutil.Process(pid)
                if process.status() not in STOPPED:
                    continue
                switches = sum(process.num_ctx_switches())
                before = self.seen.get(process)
                since = before[1] if before and before[0] == switches else time.monotonic()
                stopped[process] = (switches, since)
                if time.monotonic() - since >= self.after_s:
                    killed.append(f"{process.name()} ({pid})")
                    process.kill()
            except psutil.NoSuchProcess:
                continue
        self.seen = stopped
        return killed


def kill_left(run: Path) -> None:
    """Kills what still runs of a server that is gone: the processes of its sessions that work in its run folder."""
    try:
        sessions = {int(line) for line in (run / SESSIONS_FILE).read_text().split()}
    except (OSError, ValueError):
        return
    deadline = time.monotonic() + KILL_TIMEOUT_S
    while (left := [process for process in psutil.process_iter() if belongs(process, sessions, run)]) and (
        time.monotonic() < deadline
    ):
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=0.2)


def belongs(process: psutil.Process, sessions: Collection[int], run: Path) -> bool:
    """Whether it is of one of these sessions, and works in the folder: a session's number may be another's by now."""
    try:
        return is_alive(process) and os.getsid(process.pid) in sessions and Path(process.cwd()).is_relative_to(run)
    except (psutil.Error, OSError):
        return False
