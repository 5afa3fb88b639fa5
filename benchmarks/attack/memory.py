"""What the worst inputs take: the memory of all processes while many of them are asked at once, allowed and refused.

The quiet figure is the memory of the same processes after good requests, before any attack.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.attack.exchange import Client, Reply, write_request
from benchmarks.attack.findings import Finding
from benchmarks.attack.tally import ALLOWED
from benchmarks.attack.target import STORE, TASKS, PeakMemory, Target, attacked, sample_of
from benchmarks.attack.worst_inputs import CASES, Request

FIGURE = "memory"
MOST_MB, AIM_MB = 1000, 500
GUARD_MB = 5000  # beyond the quiet figure: what takes more is ended, for the machine's sake
MOST_WRITTEN_MB = 1
BUSY = 429  # the door takes no more large bodies just now; who is told so tries again


@dataclass(frozen=True)
class Plan:
    at_once: int = 32
    tasks: Sequence[str] = ("image", "text")
    cases: Sequence[str] = ()  # of these names alone
    timeout_s: float = 120
    store: Path = STORE
    tell: Callable[[str], None] = lambda line: None


def measure_memory(place: str, plan: Plan) -> list[Finding]:
    """A row for each case on each task that it is about, and two for all of them."""
    with attacked(place, plan.store) as target:
        return on_server(target, plan)


def on_server(target: Target, plan: Plan) -> list[Finding]:
    """The same on a server that runs."""
    settle(target, plan)
    quiet_mb = target.pss_mb()
    plan.tell(f"{target.place}: quiet: {quiet_mb:.0f} MB")
    quiet = Finding(FIGURE, target.place, "quiet, after good requests", "memory of all processes", quiet_mb, "MB")
    wrong: Counter[str] = Counter()
    written_mb = target.written_mb()
    found = [attack_with(target, task, name, request, quiet_mb, plan, wrong) for task, name, request in cases(plan)]
    about = f"all {len(found)} inputs, {plan.at_once} at once on every model of the task"
    worst = max((each.value for each in found), default=0)
    told = ", ".join(f"{fault}: {count}" for fault, count in wrong.items())
    return [
        quiet,
        *found,
        Finding(FIGURE, target.place, about, ADDED, worst, "MB", at_most=MOST_MB, note=f"aim: {AIM_MB}"),
        Finding(FIGURE, target.place, about, OTHERWISE, wrong.total(), at_most=0, note=told),
        Finding(FIGURE, target.place, about, WRITTEN, target.written_mb() - written_mb, "MB", at_most=MOST_WRITTEN_MB),
    ]


WRITTEN = "growth of everything that was written"
OTHERWISE = "answers of another status, and workers that ended"
ADDED = "memory of all processes beyond the quiet figure, at its peak"


def cases(plan: Plan) -> Iterator[tuple[str, str, Request]]:
    for task in plan.tasks:
        for name, make in CASES[task].items():
            if not plan.cases or name in plan.cases:
                yield task, name, make()


def settle(target: Target, plan: Plan) -> None:
    """Full batches of good requests, so that the quiet figure is that of a server that has worked."""
    for model in TASKS:
        body = sample_of(model)
        wire = write_request(target.host, f"/predictions/{model}", body.content, body.content_type)
        asyncio.run(ask_together(target, [wire] * plan.at_once * 2, plan.timeout_s))


def attack_with(
    target: Target, task: str, name: str, request: Request, quiet_mb: float, plan: Plan, wrong: Counter[str]
) -> Finding:
    """One case: so many at once on each model of the task, all of these at the same time."""
    content, content_type = request
    models = [model for model, its_task in TASKS.items() if its_task == task]
    wires = [write_request(target.host, f"/predictions/{model}", content, content_type) for model in models]
    before = set(target.workers())
    began = time.monotonic()
    with PeakMemory(target, quiet_mb + GUARD_MB) as memory:
        replies = asyncio.run(
            ask_together(target, [wire for wire in wires for _ in range(plan.at_once)], plan.timeout_s)
        )
    took_s = time.monotonic() - began
    statuses = Counter(reply.status for reply in replies)
    lost = len(before - set(target.workers()))
    wrong.update({f"{name}: {status}": count for status, count in statuses.items() if status not in ALLOWED})
    if lost:
        wrong[f"{name}: workers ended"] += lost
        target.wait_ready(120)
    told = ", ".join(f"{status or 'no answer'}: {count}" for status, count in sorted(statuses.items()))
    told += f"; {took_s:.1f} s"
    told += f"; {lost} workers ended" if lost else ""
    told += f"; a worker was killed at +{GUARD_MB} MB" if memory.is_over else ""
    added_mb = max(0.0, memory.peak_mb - quiet_mb)
    plan.tell(f"{target.place}: {name} ({task}): +{added_mb:.0f} MB; {told}")
    return Finding(FIGURE, target.place, f"{name} ({task}s)", ADDED, added_mb, "MB", at_most=MOST_MB, note=told)


async def ask_together(target: Target, wires: Sequence[bytes], timeout_s: float) -> list[Reply]:
    """Each on a connection of its own, all at once; who is told to wait waits, and tries again until it is over."""
    deadline = time.monotonic() + timeout_s

    async def ask(wire: bytes) -> Reply:
        client = Client(target.host.partition(":")[0], target.port)
        reply = await client.ask(wire, timeout_s)
        while reply.status == BUSY and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
            reply = await client.ask(wire, timeout_s)
        client.close()
        return reply

    return list(await asyncio.gather(*(ask(wire) for wire in wires)))
