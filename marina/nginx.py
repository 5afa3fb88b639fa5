"""nginx as a child process: what the reverse proxy and the load balancer of replicas have in common."""

import getpass
import os
import pwd
import re
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx

from marina.errors import MarinaError
from marina.places import NGINX
from marina.processes import start_child, stop_child
from marina.run_folder import write_config

CONFIG = "nginx.conf"
LUA = NGINX / "lua"
# Dynamic modules, in the order in which nginx has to load them.
MODULES = ("ndk_http_module.so", "ngx_http_lua_module.so")
# Of nginx: a prediction takes one for the client and one for the model server. Clients that send nothing take one each.
MOST_CONNECTIONS = 8192
# Open files beside connections: listening sockets, logs, the page's files.
OTHER_FILES = 64
ROOM_WAIT_S = 10  # that a body waits in nginx for room in the model server's memory


@dataclass(frozen=True)
class ErrorPage:
    """An error that the proxy itself answers with, and the statuses of nginx's own that it stands for."""

    name: str
    status: int
    type: str
    message: str
    nginx_statuses: Sequence[int] = ()


ERRORS = (
    ErrorPage("bad-request", 400, "BadRequest", "The request is malformed.", (400, 495, 496, 497)),
    ErrorPage("unauthorized", 401, "Unauthorized", "This address wants the management token.", (401,)),
    ErrorPage("forbidden", 403, "Forbidden", "There is nothing to see at this address.", (403,)),
    ErrorPage(
        "host-not-allowed",
        403,
        "HostNotAllowed",
        "Marina is not served under this host name; start it with --allow-host to add one.",
    ),
    ErrorPage(
        "origin-not-allowed",
        403,
        "OriginNotAllowed",
        "Pages of this site may not ask; start Marina with --allow-origin to add it.",
    ),
    ErrorPage(
        "not-found", 404, "NotFound", "There is nothing at this address; GET /models.json lists the models.", (404,)
    ),
    ErrorPage(
        "method-not-allowed",
        405,
        "MethodNotAllowed",
        "This address does not take that method; the header Allow says which.",
        (405,),
    ),
    ErrorPage("upload-timeout", 408, "UploadTimeout", "The body took too long to arrive.", (408,)),
    ErrorPage("length-required", 411, "LengthRequired", "Send the body with a Content-Length.", (411,)),
    ErrorPage(
        "payload-too-large",
        413,
        "PayloadTooLarge",
        "The body is larger than any model takes; GET /models.json lists the limits.",
        (413,),
    ),
    ErrorPage("uri-too-long", 414, "UriTooLong", "The address is longer than 32 KB.", (414,)),
    ErrorPage(
        "unsupported-type",
        415,
        "UnsupportedType",
        "The body is compressed; send it without a Content-Encoding.",
        (415,),
    ),
    ErrorPage("range", 416, "RangeNotSatisfiable", "The file has no such range.", (416,)),
    ErrorPage(
        "too-many-requests",
        429,
        "TooManyRequests",
        "Too many requests at once, or too many large ones; try again in a moment.",
        (429,),
    ),
    ErrorPage("headers-too-large", 431, "HeadersTooLarge", "A header is longer than 32 KB.", (431, 494)),
    ErrorPage("internal-error", 500, "InternalError", "The server failed.", (500,)),
    ErrorPage("not-implemented", 501, "NotImplemented", "This form of request is not taken.", (501,)),
    # For the load balancer, which asks another replica.
    ErrorPage("worker-lost-balanced", 502, "WorkerLost", "The worker ended before it answered; try again in a moment."),
    ErrorPage("not-ready", 503, "NotReady", "The server is not ready; try again in a moment.", (502, 503)),
    ErrorPage("busy", 503, "Busy", "Too many requests wait for this model; try again in a moment."),
    ErrorPage("worker-lost", 503, "WorkerLost", "The worker ended before it answered; try again in a moment."),
    ErrorPage("deadline-exceeded", 504, "DeadlineExceeded", "The model did not answer in time.", (504,)),
    ErrorPage("http-version", 505, "HttpVersionNotSupported", "Send HTTP/1.0 or HTTP/1.1.", (505,)),
)


@dataclass(frozen=True)
class Access:
    """Who may ask, beside pages of the server itself under a loopback name."""

    is_exposed: bool = False  # serves beyond loopback: then any literal address is a host that is served
    hosts: Sequence[str] = ()  # host names that are served too; "*.example.com" for all below one
    origins: Sequence[str] = ()  # sites whose pages may ask, as "https://app.example"; "*" for all

    def __post_init__(self) -> None:
        """Raises MarinaError for what is no host name or no origin."""
        for host in self.hosts:
            if not re.fullmatch(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]", host):
                raise MarinaError(f"--allow-host {host!r} is no host name, such as api.example.com (without a port)")
        for origin in self.origins:
            if origin != "*" and not re.fullmatch(
                r"https?://[A-Za-z0-9._-]+(:\d+)?|https?://\[[0-9a-f:]+\](:\d+)?", origin
            ):
                raise MarinaError(f"--allow-origin {origin!r} is no origin, such as https://app.example")


class Nginx:
    """One nginx that runs from a configuration in the run folder."""

    template: str  # in deploy/nginx

    def __init__(self, run: Path, drain_s: int, access: Access, upload_timeout_s: int):
        self.run = run
        self.executable = find_nginx()
        self.modules = find_modules(self.executable)
        self.drain_s = drain_s  # how long a stop waits for requests in flight
        self.access = access
        self.upload_timeout_s = upload_timeout_s
        self.child: subprocess.Popen[str] | None = None

    def write(self, **values: Any) -> None:
        """Writes the configuration. Raises MarinaError where too few files may be open."""
        open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        common = common_values(self.run, self.access, self.upload_timeout_s, open_files, self.modules)
        common["user"] = unprivileged_user() if os.geteuid() == 0 else ""
        write_config(self.run / CONFIG, NGINX / self.template, **common, deadline_s=self.drain_s, **values)

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


def common_values(
    run: Path, access: Access, upload_timeout_s: int, open_files: int, modules: Sequence[str], lua: Path = LUA
) -> dict[str, Any]:
    """What main.conf.j2, common.conf.j2 and errors.conf.j2 are rendered with, but for the user."""
    wanted = MOST_CONNECTIONS + OTHER_FILES
    open_files = wanted if open_files == resource.RLIM_INFINITY else min(open_files, wanted)
    return {
        "run": run,
        "lua": lua,
        "modules": modules,
        "errors": ERRORS,
        "allow_hosts": access.hosts,
        "allow_origins": access.origins,
        "is_exposed": access.is_exposed,
        "upload_timeout_s": upload_timeout_s,
        "room_wait_s": ROOM_WAIT_S,
        "open_files": open_files,
        "connections": open_files - OTHER_FILES,
    }


def find_nginx() -> str:
    """The nginx executable. Raises MarinaError with the command that installs it."""
    path = os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin"
    found = shutil.which("nginx", path=path)
    if found is None:
        raise MarinaError("nginx is not installed: run `sudo scripts/install-nginx`, or serve with --no-door")
    return found


def find_modules(nginx: str) -> list[str]:
    """The files that bring Lua to nginx; none where it is built in. Raises MarinaError where there is none."""
    built = subprocess.run([nginx, "-V"], capture_output=True, text=True, check=False).stderr
    if "lua-nginx-module" in built or "ngx_lua" in built:
        return []
    found = re.search(r"--modules-path=(\S+)", built)
    files = [Path(found[1]) / name for name in MODULES] if found else []
    if not files or not all(file.is_file() for file in files):
        raise MarinaError(
            "nginx has no Lua module (Debian: libnginx-mod-http-lua): run `sudo scripts/install-nginx`, "
            "or serve with --no-door"
        )
    return [str(file) for file in files]


def bracket(host: str) -> str:
    """A host as it stands in a URL and in nginx's configuration."""
    return f"[{host}]" if ":" in host else host


def nginx_user() -> int | None:
    """The id of the user that nginx's workers run as where that is another than this one: where root starts them."""
    return pwd.getpwnam(unprivileged_user().split()[0]).pw_uid if os.geteuid() == 0 else None


def unprivileged_user() -> str:
    """The user and group that Debian and Red Hat keep for what needs no rights."""
    group = subprocess.run(["id", "-gn", "nobody"], capture_output=True, text=True, check=False).stdout.strip()
    return f"nobody {group}" if group else getpass.getuser()
