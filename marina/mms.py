"""MMS (Multi Model Server) as the model server, with the same archives and the same settings."""

import contextlib
import threading
from collections.abc import Mapping
from typing import Any

import psutil

from marina.catalog import ServedArchive
from marina.errors import MarinaError
from marina.management import SOCKET, Management, NotFound, Silent, mms_management, mms_processes
from marina.model_server import ModelServer
from marina.processes import can_work, children_of, is_alive

TRIES = 3  # to load a model, if MMS stops reading what its worker says before it has said what is wrong


class Mms(ModelServer):
    """MMS 1.1.11. It knows neither tokens nor a model's own settings, nor versions.

    So its management listens on a socket in the run folder, which only this user can reach, and is told there what
    each archive's model-config.yaml says.
    """

    name = "mms"
    title = "MMS"
    package = "mms"
    requirements = "mms.txt"
    main = "com.amazonaws.ml.mms.ModelServer"
    properties = "mms.properties"
    takes_versions = False
    listens = ("inference",)
    ports_with_nginx = ()
    highest_port = 2**15 - 1  # it reads the number into a Java short
    load_again_after_s = 10  # it does not try again by itself

    def forget(self) -> None:
        self.parents: dict[str, psutil.Process] = {}  # by model: what its workers are forked from
        (self.folder / SOCKET).unlink(missing_ok=True)

    def connect(self) -> Management | None:
        management = mms_management(self.folder)
        return management if management.answers() else None

    def is_lost(self) -> bool:
        """Whether such a process is gone: MMS says nothing, and answers nobody any more."""
        return not all(is_alive(parent) for parent in self.parents.values())

    def can_answer(self, description: Mapping[str, Any]) -> bool:
        """MMS calls a worker READY that is gone: the process that they are forked from tells which there are."""
        parent = self.parents.get(description["modelName"])
        has_workers = parent is None or (is_alive(parent) and any(map(can_work, children_of(parent.pid))))
        return super().can_answer(description) and has_workers

    def register(self, management: Management, timeout_s: float) -> None:
        for archive in self.archives:
            self.register_one(management, archive, timeout_s)

    def register_one(self, management: Management, archive: ServedArchive, timeout_s: float) -> None:
        """Has a model loaded with its own settings, and waits for that; ``refused`` tells why it could not be."""
        settings = {
            "url": archive.path.name,
            "model_name": archive.name,
            "batch_size": archive.server["batchSize"],
            "max_batch_delay": archive.server["maxBatchDelay"],
            "initial_workers": self.workers[archive.name],
            "response_timeout": -(-archive.server["responseTimeout"] // 60),
            "synchronous": "true",
        }
        for _ in range(TRIES):
            try:
                management.call("POST", "/models", params=settings, timeout=timeout_s)
                break
            except MarinaError as error:
                is_slow = isinstance(error, Silent)
                self.refused[archive.name] = f"it takes longer than {timeout_s:.0f} s" if is_slow else str(error)
                if not self.log.is_cut_off(archive.name):
                    return
                self.log.forget(archive.name)
        for process in mms_processes(self.process(), archive.name):
            self.parents[archive.name] = process

    def reload(self, management: Management, name: str) -> None:
        self.log.forget(name)
        self.refused.pop(name, None)
        self.parents.pop(name, None)
        archive = next(each for each in self.archives if each.name == name)
        with contextlib.suppress(NotFound):  # it forgets a model that could not be loaded
            management.call("DELETE", f"/models/{name}")
        # It answers when the model is loaded.
        call = (management, archive, int(archive.server["startupTimeout"]))
        threading.Thread(target=self.register_one, args=call, daemon=True).start()
