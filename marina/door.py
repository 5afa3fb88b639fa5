"""The front door: nginx, which adds the token, holds the limits, and shows the page."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from marina.catalog import ServedArchive
from marina.errors import MarinaError
from marina.model_server import ModelServer, max_request_bytes, most_large_bodies
from marina.nginx import Nginx, bracket
from marina.places import FRONTEND
from marina.run_folder import Ports
from marina.torchserve import TorchServe

READY = "ready.json"
OPEN = "open"


class Door(Nginx):
    """nginx in front of one model server."""

    template = "marina.conf.j2"

    def __init__(
        self,
        run: Path,
        host: str,
        ports: Ports,
        archives: Sequence[ServedArchive],
        deadline_s: int,
        server: type[ModelServer] = TorchServe,
    ):
        predictions = list_predictions(archives, server.takes_versions)
        super().__init__(run, deadline_s)
        self.values: dict[str, Any] = {
            "host": bracket(host),
            "ports": ports,
            "predictions": predictions,
            "addresses": "|".join(map(re.escape, predictions)),
            "max_request_bytes": max_request_bytes(archives),
            "most_large_bodies": most_large_bodies(archives),
            "deadline_s": deadline_s,
            "takes_headers": server.takes_headers,
        }
        shutil.copytree(FRONTEND, run / "public", dirs_exist_ok=True)

    def configure(self, authorization: str) -> None:
        """Writes nginx's configuration with the header Authorization that the server wants now, if it wants one."""
        self.write(**self.values, authorization=authorization)

    def set_open(self, is_open: bool) -> None:
        """Whether predictions reach the server; else they are answered with 503."""
        flag = self.run / OPEN
        if is_open:
            flag.touch()
        else:
            flag.unlink(missing_ok=True)

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
