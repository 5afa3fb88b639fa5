"""Mutated inputs on every model of a place: what is answered, which worker dies, what grows, what is written.

Good requests go among them; each must be answered as it is alone.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil

import marina
from benchmarks.attack.canary import find_canaries
from benchmarks.attack.exchange import Client, Reply, write_request
from benchmarks.attack.findings import Finding
from benchmarks.attack.inputs import Input
from benchmarks.attack.tally import Growth, Plan, Tally
from benchmarks.attack.target import (
    IN_PROCESS,
    MODELS,
    Target,
    attacked,
    rss_mb,
    sample_of,
    scratch_folder,
    size_of,
)
from marina.bodies import Body

FIGURE = "mutations"
MOST_GROWTH_MB = 20
MOST_WRITTEN_MB = 1
GOOD_EVERY = 10


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
