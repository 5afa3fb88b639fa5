"""nginx as a child process: what the door and the front of replicas have in common."""

import getpass
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import IO, Any

import httpx

from marina.errors import MarinaError
from marina.places import NGINX
from marina.processes import start_child, stop_child
from marina.run_folder import write_config

CONFIG = "nginx.conf"
# nginx's own errors: status, type, message.
ERRORS = (
    (400, "BadRequest", "The request, or its form, is malformed."),
    (403, "Forbidden", "There is nothing to see at this address."),
    (404, "NotFound", "There is nothing at this address; GET /models.json lists the models."),
    (405, "MethodNotAllowed", "This address does not take that method; the header Allow says which."),
    (413, "PayloadTooLarge", "The body is larger than any model takes; GET /models.json lists the limits."),
    (415, "UnsupportedType", "The body is compressed; send it without a Content-Encoding."),
    (429, "TooManyRequests", "Too many requests at once, or too many large ones; try again in a moment."),
    (500, "InternalError", "The front door failed."),
    (501, "NotImplemented", "This form of request is not taken."),
    (503, "NotReady", "The server is not ready; try again in a moment."),
    (504, "DeadlineExceeded", "The model did not answer in time."),
)


class Nginx:
    """One nginx that runs from a configuration in the run folder."""

    template: str  # in deploy/nginx

    def __init__(self, run: Path, drain_s: int):
        self.run = run
        self.executable = find_nginx()
        self.drain_s = drain_s  # how long a stop waits for requests in flight
        self.child: subprocess.Popen[str] | None = None

    def write(self, **values: Any) -> None:
        """Writes the configuration; an nginx that runs goes on with it."""
        common = {"run": self.run, "errors": ERRORS, "user": unprivileged_user() if os.geteuid() == 0 else ""}
        write_config(self.run / CONFIG, NGINX / self.template, **common, **values)
        if self.is_alive() and self.child is not None:
            self.child.send_signal(signal.SIGHUP)

    def start(self, output: int | IO[str]) -> None:
        command: list[str | Path] = [self.executable, "-e", "stderr", "-p", self.run, "-c", self.run / CONFIG]
        self.child = start_child(command, self.run, os.environ, output, run=self.run)

    def process(self) -> int:
        """nginx's process id; its workers are that one's children. 0 before it is started."""
        return self.child.pid if self.child else 0

    def is_alive(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def wait_answering(self, address: str) -> None:
        """Waits until it answers at its address that all is ready. Raises MarinaError where it does not."""
        for _ in range(100):
            if not self.is_alive():
                break
            try:
                httpx.get(f"{address}/ping", trust_env=False).raise_for_status()
                return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise MarinaError("nginx does not answer; its output is above")

    def stop(self) -> None:
        """Takes no new connection, lets requests in flight finish, then ends."""
        if self.child is not None:
            stop_child(self.child, signal.SIGQUIT, self.drain_s + 1)


def find_nginx() -> str:
    """The nginx executable. Raises MarinaError with the command that installs it."""
    path = os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin"
    found = shutil.which("nginx", path=path)
    if found is None:
        raise MarinaError("nginx is not installed: run `sudo scripts/install-nginx`, or serve with --no-door")
    return found


def bracket(host: str) -> str:
    """A host as it stands in a URL and in nginx's configuration."""
    return f"[{host}]" if ":" in host else host


def unprivileged_user() -> str:
    """The user and group that Debian and Red Hat keep for what needs no rights."""
    group = subprocess.run(["id", "-gn", "nobody"], capture_output=True, text=True, check=False).stdout.strip()
    return f"nobody {group}" if group else getpass.getuser()
