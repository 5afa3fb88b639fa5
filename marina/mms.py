"""MMS (Multi Model Server) as the model server, with the same archives and the same settings."""

from pathlib import Path

import psutil

from marina.management import SOCKET, Management, mms_management, mms_processes
from marina.model_server import ModelServer
from marina.processes import is_alive


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

    def forget(self) -> None:
        self.parents: dict[str, psutil.Process] = {}  # by model: what its workers are forked from
        (self.folder / SOCKET).unlink(missing_ok=True)

    def connect(self) -> Management | None:
        management = mms_management(self.folder)
        return management if management.answers() else None

    def has_workers(self, model: str) -> bool:
        """Whether the process that a model's workers are forked from has any: MMS calls one READY that is gone."""
        parent = self.parents.get(model)
        return parent is None or any(map(is_alive, children_of(parent)))

    def is_lost(self) -> bool:
        """Whether such a process is gone: MMS says nothing, and answers nobody any more."""
        return not all(is_alive(parent) for parent in self.parents.values())

    def register(self, management: Management, timeout_s: float) -> None:
        for archive in self.archives:
            settings = {
                "url": archive.path.name,
                "model_name": archive.name,
                "batch_size": archive.server["batchSize"],
                "max_batch_delay": archive.server["maxBatchDelay"],
                "initial_workers": self.workers[archive.name],
                "response_timeout": archive.server["responseTimeout"],
                "synchronous": "true",
            }
            management.call("POST", "/models", params=settings, timeout=timeout_s)
            for process in mms_processes(self.process(), archive.name):
                self.parents[archive.name] = process


def children_of(process: psutil.Process) -> list[psutil.Process]:
    """The processes that it has forked: from proc(5) where the kernel tells, for psutil looks through all there are."""
    try:
        pids = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    except FileNotFoundError:
        return process.children() if is_alive(process) else []
    return [psutil.Process(int(pid)) for pid in pids if psutil.pid_exists(int(pid))]
