"""The front door: nginx, which adds the token, holds the limits, and shows the page."""

import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import httpx

from marina.catalog import ServedArchive
from marina.errors import MarinaError
from marina.management import socket_client
from marina.model_server import ModelServer, answer_buffers, max_request_bytes, most_bytes, most_uploads
from marina.nginx import Access, Nginx, bracket
from marina.places import FRONTEND
from marina.run_folder import SOCKET_FOLDER, Ports, make_folder

READY = "ready.json"
CONTROL_FOLDER = "control"
CONTROL_TIMEOUT_S = 10


class Door(Nginx):
    """nginx in front of one model server. It is closed until ``open`` is called: predictions get 503."""

    template = "marina.conf.j2"

    def __init__(
        self,
        run: Path,
        host: str,
        ports: Ports,
        archives: Sequence[ServedArchive],
        server: ModelServer,
        access: Access = Access(),  # noqa: B008 (frozen)
        upload_timeout_s: int = 60,
    ):
        deadlines = {archive.name: int(archive.server["responseTimeout"]) for archive in archives}
        super().__init__(run, max(deadlines.values()), access, upload_timeout_s)
        predictions = list_predictions(archives, server.takes_versions)
        make_folder(run / CONTROL_FOLDER, 0o700)
        self.control = run / CONTROL_FOLDER / "nginx.sock"
        self.unreachable = run / SOCKET_FOLDER / "unreachable.sock"
        self.tokens: dict[str, str] = {}  # what nginx is to know, by its key in lua/control.lua
        self.values: dict[str, Any] = {
            "host": bracket(host),
            "ports": ports,
            "predictions": predictions,
            "addresses": "|".join(map(re.escape, predictions)),
            "deadlines": {target: deadlines[target.partition("/")[0]] for target in sorted(set(predictions.values()))},
            "max_request_bytes": max_request_bytes(archives),
            "most_bytes": most_bytes(),
            "most_uploads": most_uploads(archives),
            "answer_buffers": answer_buffers(archives),
            "control": self.control,
            "unreachable": self.unreachable,
            "inference": server.address("inference"),
            "management": server.address("management") if ports.management else "",
            "metrics": server.address("metrics") if ports.metrics else "",
        }
        shutil.copytree(FRONTEND, run / "public", dirs_exist_ok=True)

    def start(self, output: int | IO[str]) -> None:
        """Starts nginx with what an nginx before it knew. Raises MarinaError if it does not start."""
        for socket in (self.control, self.unreachable):
            socket.unlink(missing_ok=True)  # nginx leaves them behind when it is killed
        self.write(**self.values, tokens=self.tokens)
        super().start(output)
        deadline = time.monotonic() + CONTROL_TIMEOUT_S
        while not self.control.is_socket():
            if not self.is_alive() or time.monotonic() > deadline:
                raise MarinaError("nginx does not start; its output is above")
            time.sleep(0.01)

    def open(self, authorization: str, management: str = "") -> None:
        """Lets predictions through, with the header Authorization that the model server wants now, if it wants one."""
        self.tokens = {"management": management, "authorization": authorization}
        if self.is_alive():
            for key, token in self.tokens.items():
                self.tell("POST", key, token)

    def close(self) -> None:
        """Has predictions answered with 503."""
        self.tokens = {}
        if self.is_alive():
            self.tell("DELETE", "authorization")

    def tell(self, method: str, key: str, token: str = "") -> None:
        """Raises MarinaError where nginx does not take it."""
        try:
            with socket_client(self.control) as client:
                client.request(method, f"/{key}", content=token).raise_for_status()
        except httpx.HTTPError as error:
            raise MarinaError("nginx does not answer on its control socket") from error

    def set_ready(self, ready: bool) -> None:
        """What /ping answers from now on."""
        flag = self.run / "public" / READY
        if ready and not flag.exists():
            flag.write_text('{"status": "Healthy"}\n')
        elif not ready:
            flag.unlink(missing_ok=True)


def list_predictions(archives: Sequence[ServedArchive], takes_versions: bool = True) -> dict[str, str]:
    """Every address that predicts, and what the server calls the model behind it. Raises MarinaError.

    A server that takes no versions has one of each model, which is what an address with a version means there too.
    """
    found: dict[str, str] = {}
    for archive in archives:
        for address, target in archive.addresses.items():
            if address in found:
                raise MarinaError(f"{found[address]} and {archive.name} both want {address}: see archive.route")
            found[address] = target if takes_versions else archive.name
    return found
