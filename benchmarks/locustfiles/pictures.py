"""Clients who post one body again and again, without a pause.

``PICTURES`` is a folder with the body as its one file, ``HEADERS`` is JSON. ``REQUESTS`` is the file that gets a line
for each request that ended: when it began in seconds since the epoch, how many milliseconds it took, and what was
wrong with it, if anything.
"""

import json
import os
from pathlib import Path

from locust import FastHttpUser, events, task

BODY = next(Path(os.environ["PICTURES"]).iterdir()).read_bytes()
HEADERS = json.loads(os.environ["HEADERS"])
# A line at a time, so that who waits for the first one sees it.
REQUESTS = Path(os.environ["REQUESTS"]).open("w", buffering=1)  # noqa: SIM115 (open until the process ends)


class Client(FastHttpUser):
    network_timeout = connection_timeout = 60.0

    @task
    def ask(self) -> None:
        self.client.post(self.host, data=BODY, headers=HEADERS)


@events.request.add_listener  # type: ignore[untyped-decorator]
def write_down(start_time: float, response_time: float, exception: object = None, **_: object) -> None:
    fault = " ".join(str(exception or "").split())
    REQUESTS.write(f"{start_time:.6f} {response_time:.3f} {fault}\n")
