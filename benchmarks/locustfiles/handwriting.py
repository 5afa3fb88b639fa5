"""Users of the first handwriting service: each posts a picture, checks the answer, pauses for 2 to 5 s, and again.

``PICTURES`` is a folder of pictures. ``REQUESTS`` is the file that gets a line for each request that ended: when it
began in seconds since the epoch, how many milliseconds it took, and what was wrong with the answer, if anything.
"""

import base64
import os
import random
import time
import uuid
from pathlib import Path
from typing import Any

from locust import FastHttpUser, between, events, task

PICTURES = [base64.b64encode(path.read_bytes()).decode() for path in sorted(Path(os.environ["PICTURES"]).iterdir())]
# A line at a time, so that who waits for the first one sees it.
REQUESTS = Path(os.environ["REQUESTS"]).open("w", buffering=1)  # noqa: SIM115 (open until the process ends)


class Customer(FastHttpUser):
    wait_time = between(2, 5)
    # Whoever waits longer has no answer. The run waits for its last answers a little longer than this.
    network_timeout = connection_timeout = 20.0

    @task
    def ask(self) -> None:
        question = {
            "esun_uuid": str(uuid.uuid4()),
            "esun_timestamp": int(time.time()),
            "image": random.choice(PICTURES),  # noqa: S311 (no secret)
            "retry": 2,
        }
        with self.client.post("/inference", json=question, catch_response=True) as response:
            if fault := find_fault(response, question["esun_uuid"]):
                response.failure(fault)


def find_fault(response: Any, esun_uuid: object) -> str:
    """What is wrong with an answer, in a few words; nothing where it is what the contract says."""
    if response.status_code != 200:
        return f"status {response.status_code}"
    try:
        answer = response.json()
    except ValueError:
        return "no JSON"
    types = {"esun_uuid": str, "server_uuid": str, "answer": str, "server_timestamp": int}
    if not isinstance(answer, dict) or {name: type(value) for name, value in answer.items()} != types:
        return "other fields"
    if answer["esun_uuid"] != esun_uuid:
        return "the answer to another question"
    return "" if answer["answer"] else "an empty answer"


@events.request.add_listener  # type: ignore[untyped-decorator]
def write_down(start_time: float, response_time: float, exception: object = None, **_: object) -> None:
    fault = " ".join(str(exception or "").split())
    REQUESTS.write(f"{start_time:.6f} {response_time:.3f} {fault}\n")
