"""Child processes that never outlive the tool."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def start_child(
    command: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str],
    output: int | IO[str],
    source: int = subprocess.DEVNULL,
    errors: int | IO[str] = subprocess.STDOUT,
) -> subprocess.Popen[str]:
    """Starts a command that a Ctrl-C in the terminal does not reach, and that ends when the tool is killed."""
    parent = os.getpid()
    prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None

    def end_with_parent() -> None:
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:  # it died before the line above
                os._exit(1)

    return subprocess.Popen(
        [str(part) for part in command],
        cwd=folder,
        env=dict(environment),
        stdin=source,
        stdout=output,
        stderr=errors,
        text=True,
        start_new_session=True,
        preexec_fn=end_with_parent,
    )


def stop_child(child: subprocess.Popen[str], how: signal.Signals, timeout_s: float) -> None:
    """Asks a child to end, ends it where it does not in time, and ends what it left behind of its own children."""
    if child.poll() is None:
        child.send_signal(how)
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
