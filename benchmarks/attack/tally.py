"""What mutated inputs were answered with, and what became of the workers meanwhile."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.attack.canary import holds, make_canary, spellings
from benchmarks.attack.exchange import Reply
from benchmarks.attack.inputs import RANDOM, STRUCTURAL, Input, make_input
from benchmarks.attack.target import STORE

ALLOWED = (200, 400, 413, 415, 422, 504)
SETTLED_AFTER = 1000  # inputs, after which no worker may grow any more
ERROR_KEYS = {"code", "type", "message"}
DIFFERENCE = 1e-4  # of a score, between batches of different sizes
MOST_KEPT = 20  # inputs of one kind that are kept


@dataclass(frozen=True)
class Plan:
    structural: int = 16_000
    random: int = 6_000
    first: int = 0  # number of the first input of each kind
    seed: int = 1
    clients: int = 8
    block: int = 500  # inputs, after which the workers are looked at
    timeout_s: float = 100
    store: Path = STORE
    keep: Path | None = None  # folder of the inputs that were answered otherwise than they may be
    tell: Callable[[str], None] = lambda line: None

    @property
    def canary(self) -> str:
        return make_canary(self.seed)

    def inputs(self) -> Iterator[Input]:
        """Both kinds, mixed as their numbers are."""
        counts = {STRUCTURAL: self.structural, RANDOM: self.random}
        order = sorted((place / count, kind) for kind, count in counts.items() for place in range(count))
        numbers = dict.fromkeys(counts, self.first)
        for _, kind in order:
            yield make_input(kind, self.seed, numbers[kind], self.canary)
            numbers[kind] += 1

    def blocks(self) -> Iterator[list[Input]]:
        block: list[Input] = []
        for each in self.inputs():
            block.append(each)
            if len(block) == self.block:
                yield block
                block = []
        if block:
            yield block


@dataclass
class Tally:
    """What the inputs of one place were answered with."""

    plan: Plan
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)  # kind of fault -> how often
    good: int = 0
    good_wrong: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    slowest: str = ""
    patterns: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.patterns = spellings(self.plan.canary)

    def add(self, asked: Input, reply: Reply) -> None:
        self.statuses[reply.status] += 1
        name = f"{asked.kind} {asked.number} ({asked.family} to {asked.model})"
        if reply.took_s > self.slowest_s:
            self.slowest_s, self.slowest = reply.took_s, name
        faults = []
        if reply.status not in ALLOWED:
            faults.append(f"status {reply.status}")
        if reply.status >= 400 and not is_error(reply):
            faults.append("form")
        if reply.status >= 400 and holds(reply.body, self.patterns):
            faults.append("echo")
        for fault in faults:
            self.wrong[fault] += 1
            if self.wrong[fault] <= MOST_KEPT:
                self.plan.tell(f"  {fault}: {name}: {reply.body[:160]!r}")
                keep_input(self.plan, asked, fault, reply)

    def add_good(self, model: str, reply: Reply, expected: bytes) -> None:
        self.good += 1
        if reply.status != 200:
            self.good_wrong[f"status {reply.status}"] += 1
        elif reply.body != expected and not is_alike(json.loads(reply.body), json.loads(expected)):
            self.good_wrong["another answer"] += 1
            self.plan.tell(f"  {model} answers otherwise: {reply.body[:160]!r}")


def is_error(reply: Reply) -> bool:
    """Whether an error has Marina's form."""
    try:
        document = json.loads(reply.body)
    except ValueError:
        return False
    return isinstance(document, dict) and set(document) == ERROR_KEYS and document["code"] == reply.status


def is_alike(one: object, other: object) -> bool:
    """The same but for what a batch of another size changes in the last digits of a score."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_alike(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= DIFFERENCE
    return one == other


def keep_input(plan: Plan, asked: Input, fault: str, reply: Reply) -> None:
    """Writes an input that was answered wrongly, and what the answer was, into the folder of such."""
    if plan.keep is None:
        return
    plan.keep.mkdir(parents=True, exist_ok=True)
    name = f"{fault.replace(' ', '-')}-{asked.kind}-seed{plan.seed}-{asked.number}"
    (plan.keep / f"{name}.bin").write_bytes(asked.content)
    told = {
        "model": asked.model,
        "content_type": asked.content_type,
        "framing": asked.framing,
        "family": asked.family,
        "status": reply.status,
        "answer": reply.body.decode("utf-8", "replace"),
    }
    (plan.keep / f"{name}.json").write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")


@dataclass
class Growth:
    """Workers that were looked at after each block."""

    settled_mb: dict[int, float] = field(default_factory=dict)
    first: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)
    grown_mb: float = 0.0

    def look(self, workers: Mapping[int, float], inputs: int) -> None:
        """``workers`` maps process ids to resident MB; a new process is taken as it is first found."""
        self.first = self.first or set(workers)
        self.lost |= self.first - set(workers)
        if inputs < SETTLED_AFTER:
            return
        for pid, now_mb in workers.items():
            self.grown_mb = max(self.grown_mb, now_mb - self.settled_mb.setdefault(pid, now_mb))
