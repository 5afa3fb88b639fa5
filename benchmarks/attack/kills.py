"""Workers and Java killed under load: what the clients see, and how long it takes until all is well again."""

import asyncio
import json
import random
import re
import signal
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.attack.exchange import Client, write_request
from benchmarks.attack.findings import Finding
from benchmarks.attack.tally import is_alike, is_error
from benchmarks.attack.target import MODELS, STORE, Target, attacked, sample_of

FIGURE = "kills"
LOST, BUSY = 504, 503
RECOVERY_S = 120  # until /ping has to say 200 again
NOTICE_S = 6  # until /ping has to say that something is wrong
WHOLE_AGAIN_S = 30  # that a killed worker's place may stay empty before the next kill
AT_THE_DEADLINE_S = 5.0  # a request that the server lost is answered no later than this after its model's deadline


@dataclass(frozen=True)
class Plan:
    workers: int = 40  # kills of a random worker
    java: int = 8  # kills of the model server's Java
    clients: int = 3  # of each model
    pause_s: float = 1.0  # of undisturbed load before each kill
    timeout_s: float = 150
    seed: int = 1
    store: Path = STORE
    tell: Callable[[str], None] = lambda line: None


@dataclass
class Seen:
    """What the clients of all models saw."""

    sent: int = 0
    answered: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    wrong_answers: int = 0
    other_form: int = 0
    without_retry_after: int = 0
    late_s: float = 0.0  # the most that a 504 came after its model's deadline
    examples: dict[str, str] = field(default_factory=dict)


class Load:
    """Clients that ask every model for as long as the block lasts, in a thread of their own."""

    def __init__(self, target: Target, plan: Plan) -> None:
        self.target = target
        self.plan = plan
        self.seen = Seen()
        self.is_over = False
        self.deadlines_s = {model: read_deadline_s(plan.store, model) for model in MODELS}
        self.thread = threading.Thread(target=lambda: asyncio.run(self.ask_all()), daemon=True)

    def __enter__(self) -> "Load":
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.is_over = True
        self.thread.join()

    async def ask_all(self) -> None:
        await asyncio.gather(*(self.ask_on(model) for model in MODELS for _ in range(self.plan.clients)))

    async def ask_on(self, model: str) -> None:
        host, port = self.target.host.partition(":")[0], self.target.port
        body = sample_of(model)
        wire = write_request(self.target.host, f"/predictions/{model}", body.content, body.content_type)
        client, seen = Client(host, port), self.seen
        expected = self.target.expected[model]
        while not self.is_over:
            seen.sent += 1
            reply = await client.ask(wire, self.plan.timeout_s, again=False)
            seen.answered += reply.status != 0
            seen.statuses[reply.status] += 1
            if reply.status == 200:
                same = reply.body == expected or is_alike(json.loads(reply.body), json.loads(expected))
                seen.wrong_answers += not same
                continue
            seen.examples.setdefault(f"{reply.status}", " ".join(reply.body[:200].decode("utf-8", "replace").split()))
            seen.other_form += reply.status != 0 and not is_error(reply)
            if reply.status == BUSY:
                seen.without_retry_after += "retry-after" not in reply.headers
            if reply.status == LOST:
                seen.late_s = max(seen.late_s, reply.took_s - self.deadlines_s[model])
            await asyncio.sleep(0.05)
        client.close()


def read_deadline_s(store: Path, model: str) -> float:
    """The model's own deadline: the ``responseTimeout`` of its archive."""
    with zipfile.ZipFile(store / f"{model}.mar") as archive:
        (found,) = re.findall(r"^responseTimeout: (\d+)", archive.read("model-config.yaml").decode(), re.MULTILINE)
    return float(found)


def measure_kills(place: str, plan: Plan) -> list[Finding]:
    """Rows of worker kills, then of kills of Java, each with a load of its own."""
    with attacked(place, plan.store) as target:
        return on_server(target, plan)


def on_server(target: Target, plan: Plan) -> list[Finding]:
    """The same on a server that runs."""
    rng = random.Random(plan.seed)  # noqa: S311 (no secret)
    found: list[Finding] = []
    if plan.workers:
        found += kill_often(target, "a worker", plan.workers, lambda: list(target.workers().values()), rng, plan)
    if plan.java:
        found += kill_often(target, "Java", plan.java, target.java, rng, plan)
    return found


def kill_often(
    target: Target,
    what: str,
    count: int,
    victims: Callable[[], Sequence[psutil.Process]],
    rng: random.Random,
    plan: Plan,
) -> list[Finding]:
    recovered_s: list[float] = []
    never = 0
    with Load(target, plan) as load:
        for number in range(count):
            time.sleep(plan.pause_s)
            candidates = victims()
            if not candidates:
                never += 1
                continue
            victim = rng.choice(candidates)
            victim.send_signal(signal.SIGKILL)
            try:
                recovered_s.append(time_recovery(target))
            except TimeoutError:
                never += 1
            plan.tell(
                f"{target.place}: {what} kill {number + 1}: ready again after "
                f"{recovered_s[-1] if recovered_s else float('nan'):.1f} s; so far {dict(load.seen.statuses)}"
            )
            wait_whole(target)
        time.sleep(plan.pause_s)
    return findings(target.place, f"{count} kills of {what} under load", load.seen, recovered_s, never)


def time_recovery(target: Target) -> float:
    """Seconds from now until /ping says 200 and goes on doing so; it need not have said anything else, with replicas.

    Raises TimeoutError.
    """
    began = time.monotonic()
    noticed = began
    while time.monotonic() - noticed < NOTICE_S / 3:
        if not target.is_ready():
            noticed = time.monotonic()
        if time.monotonic() - began > RECOVERY_S:
            raise TimeoutError
        time.sleep(0.1)
    return noticed - began


def wait_whole(target: Target) -> None:
    """Waits, not for ever, until all workers are there again: the next kill is to be the only one."""
    deadline = time.monotonic() + WHOLE_AGAIN_S
    while time.monotonic() < deadline and not target.is_whole():
        time.sleep(0.2)


def findings(place: str, attack: str, seen: Seen, recovered_s: Sequence[float], never: int) -> list[Finding]:
    told = ", ".join(f"{status or 'no answer'}: {count:,}" for status, count in sorted(seen.statuses.items()))
    other = sum(count for status, count in seen.statuses.items() if status not in (0, 200, BUSY, LOST))
    examples = "; ".join(f"{status}: {text}" for status, text in seen.examples.items() if status not in ("503", "504"))

    def measure(name: str, value: float, most: float | None = 0, unit: str = "", note: str = "") -> Finding:
        return Finding(FIGURE, place, attack, name, value, unit, at_most=most, note=note)

    return [
        measure("requests", seen.sent, None, note=told),
        measure("requests without an answer", seen.sent - seen.answered),
        measure("wrong answers", seen.wrong_answers),
        measure("errors other than 503 and 504", other, note=examples),
        measure("errors not in Marina's form", seen.other_form),
        measure("503 without Retry-After", seen.without_retry_after),
        measure("503", seen.statuses[BUSY], None),
        measure("504: requests that the server lost", seen.statuses[LOST], None),
        measure("how long after its model's deadline a 504 came, at most", seen.late_s, AT_THE_DEADLINE_S, "s"),
        measure("until /ping says 200 again, at most", max(recovered_s, default=0), RECOVERY_S, "s"),
        measure("kills from which it did not recover", never),
    ]
