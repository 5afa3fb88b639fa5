"""The front door: nginx, which adds the token, holds the limits, and shows the page."""

import getpass
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from marina.catalog import ServedArchive
from marina.errors import MarinaError
from marina.places import FRONTEND, NGINX
from marina.processes import start_child, stop_child
from marina.run_folder import Ports, write_config
from marina.torchserve import max_request_bytes, most_large_bodies

CONFIG = "nginx.conf"
READY = "ready.json"
# The door's own errors: status, type, message.
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


def find_nginx() -> str:
    """The nginx executable. Raises MarinaError with the command that installs it."""
    path = os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin"
    found = shutil.which("nginx", path=path)
    if found is None:
        raise MarinaError("nginx is not installed: run `sudo scripts/install-nginx`, or serve with --no-door")
    return found


class Door:
    """nginx in front of one TorchServe."""

    def __init__(self, run: Path, host: str, ports: Ports, archives: Sequence[ServedArchive], deadline_s: int):
        predictions = list_predictions(archives)
        self.run = run
        self.nginx = find_nginx()
        self.values: dict[str, Any] = {
            "run": run,
            "host": bracket(host),
            "ports": ports,
            "predictions": predictions,
            "addresses": "|".join(map(re.escape, predictions)),
            "max_request_bytes": max_request_bytes(archives),
            "most_large_bodies": most_large_bodies(archives),
            "deadline_s": deadline_s,
            "errors": ERRORS,
            # nginx's workers need no rights; only root can give them another user.
            "user": unprivileged_user() if os.geteuid() == 0 else "",
        }
        self.deadline_s = deadline_s
        self.child: subprocess.Popen[str] | None = None
        shutil.copytree(FRONTEND, run / "public", dirs_exist_ok=True)

    def configure(self, inference_key: str) -> None:
        """Writes nginx's configuration with the token that the server wants now."""
        write_config(self.run / CONFIG, NGINX / "marina.conf.j2", **self.values, inference_key=inference_key)
        if self.is_alive() and self.child is not None:
            self.child.send_signal(signal.SIGHUP)

    def start(self, output: int | IO[str]) -> None:
        command: list[str | Path] = [self.nginx, "-e", "stderr", "-p", self.run, "-c", self.run / CONFIG]
        self.child = start_child(command, self.run, os.environ, output)

    def set_ready(self, ready: bool) -> None:
        """What /ping answers from now on."""
        flag = self.run / "public" / READY
        if ready and not flag.exists():
            flag.write_text('{"status": "Healthy"}\n')
        elif not ready:
            flag.unlink(missing_ok=True)

    def is_alive(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def stop(self) -> None:
        """Takes no new connection, lets requests in flight finish, then ends."""
        if self.child is not None:
            stop_child(self.child, signal.SIGQUIT, self.deadline_s + 1)


def list_predictions(archives: Sequence[ServedArchive]) -> dict[str, str]:
    """Every address that predicts, and the model and version that TorchServe knows behind it. Raises MarinaError."""
    found: dict[str, str] = {}
    for archive in archives:
        for address, target in archive.addresses.items():
            if address in found:
                raise MarinaError(f"{found[address]} and {archive.name} both want {address}: see archive.route")
            found[address] = target
    return found


def bracket(host: str) -> str:
    """A host as it stands in a URL and in nginx's configuration."""
    return f"[{host}]" if ":" in host else host


def unprivileged_user() -> str:
    """The user and group that Debian and Red Hat keep for what needs no rights."""
    group = subprocess.run(["id", "-gn", "nobody"], capture_output=True, text=True, check=False).stdout.strip()
    return f"nobody {group}" if group else getpass.getuser()
