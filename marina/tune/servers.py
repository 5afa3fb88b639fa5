"""One TorchServe behind one door for a whole search; what it serves changes by registering archives.

Several settings are served at once, each under the name of a slot: a worker that is asked nothing costs memory and no
time, and so rounds can alternate between settings without starting any anew. Only this private server lets models be
registered: over loopback, with its token, from its own store.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from handlers.settings import SETTINGS_FILE
from handlers.threads import SHARES_VARIABLE
from marina.catalog import ServedArchive
from marina.door import Door
from marina.errors import MarinaError
from marina.management import Management, worker_count
from marina.ports import LOOPBACK, claim_ports
from marina.reading import read_served
from marina.run_folder import Ports, run_folder
from marina.server_log import BoundedOutput
from marina.settings_text import change_archive
from marina.torchserve import TorchServe
from marina.tune.builds import Build
from marina.tune.settings import Setting

MOST_SLOTS = 12
MEMORY_SHARE = 0.6  # of what is free when the server starts, for the workers of all slots
DRAIN_TIMEOUT_S = 30


class TuningServer(TorchServe):
    """A TorchServe whose models can be changed, each with the threads that its own settings say."""

    model_api = True

    def fill_store(self) -> None:
        """Its store holds what it registers while it runs."""
        self.store = self.archives[0].path.parent

    def environment(self) -> dict[str, str]:
        environment = super().environment()
        del environment[SHARES_VARIABLE]
        return environment


@dataclass
class Slot:
    """A name that settings are served under, one after another."""

    archive: ServedArchive
    setting: Setting | None = None
    memory_mb: float = 0
    used: float = 0.0  # when it was last measured, on the monotonic clock


class LiveServer:
    """The server of a search, started when the first setting is wanted, ended with the block."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.stack = ExitStack()
        self.slots: list[Slot] = []
        self.free_mb = psutil.virtual_memory().available / 1e6 * MEMORY_SHARE
        self.torchserve: TuningServer | None = None

    def __enter__(self) -> "LiveServer":
        return self

    def __exit__(self, *error: Any) -> None:
        self.stack.close()

    def serve(self, setting: Setting, build: Build, memory_mb: float) -> Slot:
        """The slot that serves a setting, all its workers READY; the one that was not measured for longest makes room.

        ``memory_mb`` is what its workers will take together. Raises MarinaError where it can't be served.
        """
        for slot in self.slots:
            if slot.setting == setting:
                slot.used = time.monotonic()
                return slot
        if self.torchserve is None:
            return self.start(setting, build, memory_mb)
        while not self.has_room(memory_mb):
            self.clear(min((slot for slot in self.slots if slot.setting), key=lambda slot: slot.used))
        slot = next(slot for slot in self.slots if slot.setting is None)
        self.pack(slot, setting, build, memory_mb)
        self.management.call(
            "POST",
            "/models",
            params={"url": slot.archive.path.name, "initial_workers": setting.workers, "synchronous": "true"},
            timeout=self.start_timeout_s,
        )
        self.wait_workers(slot, setting.workers)
        return slot

    def start(self, setting: Setting, build: Build, memory_mb: float) -> Slot:
        """Starts TorchServe with the first setting, and the door with the addresses of all slots."""
        ports = Ports(**claim_ports(dict.fromkeys(Ports.__dataclass_fields__, (0, LOOPBACK))))
        self.start_timeout_s = build.served.server["startupTimeout"] + 30
        self.stack.callback(os.umask, os.umask(0o022))  # nginx's workers read what is public
        run = self.stack.enter_context(run_folder(ports.door))
        store = run / "store"
        store.mkdir(mode=0o700)
        names = [f"{self.model[:60]}-{number}" for number in range(MOST_SLOTS)]
        plain = replace(build.served.archive, route="")
        self.slots = [
            Slot(replace(build.served, name=name, path=store / f"{name}.mar", archive=plain)) for name in names
        ]
        slot = self.slots[0]
        self.pack(slot, setting, build, memory_mb)
        self.torchserve = TuningServer(
            run, ports, [read_served(slot.archive.path)], {slot.archive.name: setting.workers}
        )
        self.stack.callback(self.torchserve.stop)
        self.torchserve.start(BoundedOutput(sys.stderr))
        self.management: Management = self.torchserve.wait_ready(self.start_timeout_s)
        self.stack.callback(self.management.client.close)
        self.wait_workers(slot, setting.workers)
        archives = [each.archive for each in self.slots]
        self.door = Door(run, LOOPBACK, ports, archives, self.torchserve)
        self.address = f"http://{LOOPBACK}:{ports.door}"
        self.stack.callback(self.door.stop)
        self.door.open(self.torchserve.authorization())
        self.door.set_ready(True)
        self.door.start(sys.stderr.fileno())
        self.door.wait_answering(self.address)
        return slot

    def pack(self, slot: Slot, setting: Setting, build: Build, memory_mb: float) -> None:
        changes = setting.all_changes(build.served.server["maxWorkers"])
        serving = {key: value for key, value in changes.items() if not key.startswith("archive.")}
        change_archive(build.path, slot.archive.path, serving)
        slot.setting, slot.memory_mb, slot.used = setting, memory_mb, time.monotonic()

    def has_room(self, memory_mb: float) -> bool:
        serving = [slot for slot in self.slots if slot.setting]
        used_mb = sum(slot.memory_mb for slot in serving)
        return not serving or (len(serving) < len(self.slots) and used_mb + memory_mb <= self.free_mb)

    def clear(self, slot: Slot) -> None:
        """Unregisters what a slot serves, once nothing waits for it: what does would never be answered."""
        name, deadline = slot.archive.name, time.monotonic() + DRAIN_TIMEOUT_S
        while self.management.describe(name).get("jobQueueStatus", {}).get("pendingRequests", 0):
            if time.monotonic() > deadline:
                raise MarinaError(f"requests still wait for {name} after {DRAIN_TIMEOUT_S} s")
            time.sleep(0.1)
        self.management.call("DELETE", f"/models/{name}", timeout=self.start_timeout_s)
        slot.archive.path.unlink()
        slot.setting = None

    def wait_workers(self, slot: Slot, workers: int) -> None:
        """Waits until so many workers are READY. Raises MarinaError."""
        deadline = time.monotonic() + self.start_timeout_s
        while worker_count(self.management.describe(slot.archive.name)).ready < workers:
            if time.monotonic() > deadline or not (self.torchserve and self.torchserve.is_alive()):
                raise MarinaError(f"{slot.setting} has not {workers} READY workers within {self.start_timeout_s} s")
            time.sleep(0.1)

    def url(self, slot: Slot) -> str:
        return f"{self.address}/predictions/{slot.archive.name}"

    def applied(self, slot: Slot) -> dict[str, int | str]:
        """What the server says that it serves a slot with; threads and runtime from what its workers have unpacked."""
        said = self.management.describe(slot.archive.name)
        settings = [read_worker_settings(worker["pid"]) for worker in said["workers"]]
        return {
            "workers": worker_count(said).ready,
            "batch_size": int(said["batchSize"]),
            "delay_ms": int(said["maxBatchDelay"]),
            "threads": one_of(each.get("threads") for each in settings),
            "runtime": one_of(each.get("runtime") for each in settings),
        }

    def workers_rss_mb(self, slot: Slot) -> float:
        """The resident memory of a slot's workers together."""
        pids = [int(worker["pid"]) for worker in self.management.describe(slot.archive.name)["workers"]]
        return sum(psutil.Process(pid).memory_info().rss for pid in pids) / 1e6

    def cpu_s(self) -> float:
        """User and system time of nginx, TorchServe and the workers so far."""
        children = [part.child for part in (self.torchserve, self.door) if part is not None and part.child is not None]
        families = [(top, *top.children(recursive=True)) for top in (psutil.Process(child.pid) for child in children)]
        return sum(sum(member.cpu_times()[:2]) for family in families for member in family)


def read_worker_settings(pid: int) -> Mapping[str, Any]:
    """The settings in the folder that a worker runs in: the archive as the server has unpacked it."""
    folder = Path(psutil.Process(pid).cwd())
    settings: dict[str, Any] = json.loads((folder / SETTINGS_FILE).read_text())
    return settings


def one_of(values: Any) -> Any:
    """The value that all have; where they differ, all of them in words."""
    found = set(values)
    return found.pop() if len(found) == 1 else " and ".join(sorted(map(str, found)))
