"""Mutated inputs on every model of a place: what is answered, which worker dies, what grows, what is written.

Good requests go among them; each must be answered as it is alone.
"""

import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil

import marina
from benchmarks.attack.canary import find_canaries, holds, make_canary, spellings
from benchmarks.attack.exchange import Client, Reply, write_request
from benchmarks.attack.findings import Finding
from benchmarks.attack.inputs import RANDOM, STRUCTURAL, Input, make_input
from benchmarks.attack.target import (
    IN_PROCESS,
    MODELS,
    STORE,
    Target,
    attacked,
    rss_mb,
    sample_of,
    scratch_folder,
    size_of,
)
from marina.bodies import Body

FIGURE = "mutations"
ALLOWED = (200, 400, 413, 415, 422, 504)
SETTLED_AFTER = 1000  # inputs, after which no worker may grow any more than ``MOST_GROWTH_MB``
MOST_GROWTH_MB = 20
MOST_WRITTEN_MB = 1
GOOD_EVERY = 10
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


def measure_mutations(place: str, plan: Plan) -> list[Finding]:
    """Every input on every model of a place."""
    if place == IN_PROCESS:
        return in_process(plan)
    with attacked(place, plan.store) as target:
        return on_server(target, plan)


def on_server(target: Target, plan: Plan) -> list[Finding]:
    """The same on a server that runs."""
    tally, growth = Tally(plan), Growth()
    written_mb = target.written_mb()
    growth.look(target.workers_rss_mb(), 0)
    count, began = 0, time.monotonic()
    for block in plan.blocks():
        asyncio.run(ask_block(target, block, plan, tally))
        count += len(block)
        growth.look(target.workers_rss_mb(), count)
        tell_progress(plan, target.place, count, began, tally, growth)
    written_mb = target.written_mb() - written_mb
    found = find_canaries(plan.canary, target.files())
    return findings(target.place, plan, tally, growth, written_mb, found)


async def ask_block(target: Target, block: Sequence[Input], plan: Plan, tally: Tally) -> None:
    """A handful of clients, each on a kept connection, take the inputs in turn."""
    left = iter(enumerate(block))
    address = target.host.partition(":")[0], target.port

    async def ask_on() -> None:
        client = Client(*address)
        for index, each in left:
            if index % GOOD_EVERY == 0:
                good = sample_of(each.model)
                request = write_request(target.host, f"/predictions/{each.model}", good.content, good.content_type)
                tally.add_good(each.model, await client.ask(request, plan.timeout_s), target.expected[each.model])
            tally.add(each, await client.ask(each.wire(target.host), plan.timeout_s))
        client.close()

    await asyncio.gather(*(ask_on() for _ in range(plan.clients)))


def in_process(plan: Plan) -> list[Finding]:
    """The same with `marina.load(...).answer`: each model in a process of its own, all of them at once."""
    tally, growth = Tally(plan), Growth()
    with scratch_folder() as scratch, ExitStack() as stack, temporary_files_in(scratch):
        loaded = {model: stack.enter_context(marina.load(plan.store / f"{model}.mar")) for model in MODELS}
        goods = {model: sample_of(model) for model in MODELS}
        expected = {model: loaded[model].answer([good])[0].body for model, good in goods.items()}
        written = folder_bytes(scratch)
        growth.look(children_rss_mb(), 0)
        count, began = 0, time.monotonic()
        pool = stack.enter_context(ThreadPoolExecutor(len(MODELS)))
        for block in plan.blocks():
            shares = {model: [each for each in block if each.model == model] for model in MODELS}

            def answer(model: str, shares: Mapping[str, list[Input]] = shares) -> None:
                answer_share(loaded[model].answer, shares[model], goods[model], expected[model], tally)

            list(pool.map(answer, MODELS))
            count += len(block)
            growth.look(children_rss_mb(), count)
            tell_progress(plan, IN_PROCESS, count, began, tally, growth)
        written_mb = (folder_bytes(scratch) - written) / 1e6
        found = find_canaries(plan.canary, [path for path in scratch.rglob("*") if path.is_file()])
        return findings(IN_PROCESS, plan, tally, growth, written_mb, found)


def answer_share(
    answer: Callable[..., Sequence[object]], share: Sequence[Input], good: Body, expected: bytes, tally: Tally
) -> None:
    """One model's inputs, so many at a time with a good one among them."""
    for begin in range(0, len(share), GOOD_EVERY):
        some = share[begin : begin + GOOD_EVERY]
        began = time.perf_counter()
        answers = answer([*(Body(each.content, each.content_type or "") for each in some), good])
        took_s = time.perf_counter() - began
        replies = [Reply(each.status, each.headers, each.body, took_s) for each in answers]  # type: ignore[attr-defined]
        for each, reply in zip(some, replies[:-1], strict=True):
            tally.add(each, reply)
        tally.add_good(some[0].model, replies[-1], expected)


class temporary_files_in:
    """Has this process put its temporary files into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before = tempfile.tempdir

    def __enter__(self) -> None:
        tempfile.tempdir = str(self.folder)

    def __exit__(self, *error: object) -> None:
        tempfile.tempdir = self.before


def children_rss_mb() -> dict[int, float]:
    return {child.pid: rss_mb(child) for child in psutil.Process().children(recursive=True)}


def folder_bytes(folder: Path) -> int:
    return sum(size_of(path) for path in folder.rglob("*") if path.is_file())


def tell_progress(plan: Plan, place: str, count: int, began: float, tally: Tally, growth: Growth) -> None:
    wrong = dict(tally.wrong) or "none"
    plan.tell(
        f"{place}: {count} inputs in {time.monotonic() - began:.0f} s, wrong: {wrong}, good ones wrong: "
        f"{dict(tally.good_wrong) or 'none'}, workers lost: {len(growth.lost)}, grown {growth.grown_mb:.1f} MB"
    )


def findings(
    place: str, plan: Plan, tally: Tally, growth: Growth, written_mb: float, found: Sequence[Path]
) -> list[Finding]:
    """The rows of a place."""
    attack = f"{plan.structural:,} structural and {plan.random:,} random mutations, seed {plan.seed}"
    statuses = ", ".join(f"{status or 'no answer'}: {count:,}" for status, count in sorted(tally.statuses.items()))
    faults = ", ".join(f"{fault}: {count}" for fault, count in sorted(tally.wrong.items()))
    wrong_status = sum(count for fault, count in tally.wrong.items() if fault.startswith("status"))
    good_faults = ", ".join(f"{fault}: {count}" for fault, count in sorted(tally.good_wrong.items()))

    def measure(name: str, value: float, most: float | None, unit: str = "", note: str = "") -> Finding:
        return Finding(FIGURE, place, attack, name, value, unit, at_most=most, note=note)

    return [
        measure("inputs answered otherwise than with 200, 400, 413, 415, 422 or 504", wrong_status, 0, note=statuses),
        measure("errors not in Marina's form", tally.wrong["form"], 0, note=faults),
        measure("errors that hold a piece of the input", tally.wrong["echo"], 0),
        measure(
            f"good requests among them, of {tally.good:,}, answered otherwise",
            tally.good_wrong.total(),
            0,
            note=good_faults,
        ),
        measure("workers that ended", len(growth.lost), 0),
        measure("RSS of a worker, growth after the first 1,000", growth.grown_mb, MOST_GROWTH_MB, "MB"),
        measure("growth of everything that was written", written_mb, MOST_WRITTEN_MB, "MB"),
        measure("files that hold a piece of an input", len(found), 0, note=", ".join(path.name for path in found)),
        measure("slowest answer", tally.slowest_s, None, "s", tally.slowest),
    ]
