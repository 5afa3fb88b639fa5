"""Each attack of ``make attack``, in little: the same bounds, fewer inputs, kills and clients."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.attack import access, archives, kills, memory, mutations, slow
from benchmarks.attack.findings import Finding
from benchmarks.attack.tally import Plan as MutationPlan
from benchmarks.attack.target import IN_PROCESS, Target, attacked

pytestmark = pytest.mark.timeout(300)
SHORT_MEMORY = (
    "25 MP PNG, RGBA, cut off",
    "10 MB of keys in JSON",
    "TIFF with a tile of 46,000 x 46,000",
)
SHORT_SLOW = ("headers", "large bodies", "readers")


@pytest.fixture(scope="module")
def target(store: Path) -> Iterator[Target]:
    """One server for all attacks but those that are about another; the kills come last."""
    with attacked("torchserve", store) as target:
        yield target


def broken(found: Sequence[Finding]) -> list[str]:
    """The bounds that were not kept, each in a line."""
    assert any(each.is_asserted for each in found)
    return [
        f"{each.place}, {each.attack}: {each.measure}: {each.value:g} {each.unit}, allowed: {each.bound()}; {each.note}"
        for each in found
        if not each.held
    ]


def test_strange_names_and_origins_are_refused_and_no_port_is_open(target: Target, store: Path) -> None:
    assert broken(access.on_server(target, access.Plan(store))) == []


def test_slow_clients_keep_nobody_out(target: Target, store: Path) -> None:
    plan = slow.Plan(clients=100, addresses=5, seconds=3, kinds=SHORT_SLOW, shared=False, timeout_s=60, store=store)
    assert broken(slow.on_server(target, plan)) == []


def test_mutated_inputs_harm_no_server(target: Target, store: Path) -> None:
    assert broken(mutations.on_server(target, MutationPlan(350, 150, store=store))) == []


def test_mutated_inputs_harm_no_mms(store: Path) -> None:
    assert broken(mutations.measure_mutations("mms", MutationPlan(250, 100, seed=2, store=store))) == []


def test_mutated_inputs_harm_no_model_in_process(store: Path) -> None:
    assert broken(mutations.measure_mutations(IN_PROCESS, MutationPlan(250, 100, seed=3, store=store))) == []


def test_the_worst_inputs_take_little_memory(target: Target, store: Path) -> None:
    assert broken(memory.on_server(target, memory.Plan(at_once=3, cases=SHORT_MEMORY, store=store))) == []


def test_killed_workers_and_servers_cost_503_and_no_wrong_answer(target: Target, store: Path) -> None:
    assert broken(kills.on_server(target, kills.Plan(workers=3, java=1, store=store))) == []


@pytest.mark.skipif(find_spec(archives.GENERATOR) is None, reason="the hostile archives are not there yet")
def test_hostile_archives_are_refused_and_good_ones_accepted() -> None:
    plan = archives.Plan(least_hostile=1, least_good=1, every=25, serve_every=10)
    assert broken(archives.measure_archives(plan)) == []
