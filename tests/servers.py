"""Real servers for the tests: `marina serve` as a user starts it, on free ports."""

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import httpx
import psutil

from marina.management import Management, connect, worker_pids
from marina.run_folder import RunState, folder_of, read_state

START_TIMEOUT_S = 120
FREE_PORTS = [part for use in ("", "inference-", "management-", "metrics-") for part in (f"--{use}port", "0")]


@dataclass
class RunningServer:
    """A `marina serve` that answers."""

    process: subprocess.Popen[str]
    url: str
    lines: list[str]  # of its output so far

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def folder(self) -> Path:
        return folder_of(self.port)

    @property
    def state(self) -> RunState:
        return read_state(self.port)[1]

    @cached_property
    def management(self) -> Management:
        return connect(self.folder, self.state)

    def post(self, path: str, content: bytes, content_type: str = "") -> httpx.Response:
        headers = {"Content-Type": content_type.encode("latin-1")} if content_type else {}
        return httpx.post(self.url + path, content=content, headers=headers, timeout=60, trust_env=False)

    def post_together(self, path: str, requests: Sequence[tuple[bytes, str]]) -> list[httpx.Response]:
        with ThreadPoolExecutor(len(requests)) as pool:
            return list(pool.map(lambda request: self.post(path, *request), requests))

    def predict(self, model: str, content: bytes, content_type: str = "") -> httpx.Response:
        return self.post(f"/predictions/{model}", content, content_type)

    def worker_pids(self, model: str) -> list[int]:
        return worker_pids(self.management.describe(model), self.state.process)

    def family(self) -> list[psutil.Process]:
        """The tool and every process that it started."""
        tool = psutil.Process(self.process.pid)
        return [tool, *tool.children(recursive=True)]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stops the server and gives its exit status."""
        self.process.send_signal(how)
        return self.process.wait(60)


def marina(*arguments: object) -> list[str]:
    """The command line of the tool, in this environment."""
    return [sys.executable, "-m", "marina", *(str(argument) for argument in arguments)]


@contextmanager
def start_server(*options: object) -> Iterator[RunningServer]:
    """`marina serve` with the options, on free ports, until the block ends."""
    command = marina("serve", *FREE_PORTS, *options)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True)
    reader.start()
    running = None
    try:
        running = RunningServer(process, wait_for_address(process, lines), lines)
        yield running
    finally:
        if running and "management" in vars(running):
            running.management.client.close()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(60)
        reader.join(10)
        assert not reader.is_alive(), "a process that the server started still runs"
        if process.stdout:
            process.stdout.close()


def wait_for_address(process: subprocess.Popen[str], lines: list[str]) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"^Marina serves on (\S+?),?(?: with .*)?$", "".join(lines), re.MULTILINE)
        if found and any(line.startswith("Ctrl-C") for line in list(lines)):
            return found[1]
        time.sleep(0.05)
    raise AssertionError("the server did not start:\n" + "".join(lines))
