"""The search and its goals, on a machine that is made up."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marina.tune.exhaustive import exhaustive_grid, try_all
from marina.tune.goals import Goal, Outcome
from marina.tune.laboratory import find_mismatch
from marina.tune.plots import pareto
from marina.tune.rows import CLOSED, Measurement
from marina.tune.search import Search, between
from marina.tune.settings import Setting, whole_grid
from tests.marina.tune.made_up import PLAIN, measured


class MadeUpLaboratory:
    """Settings with a known throughput, whose p99 rises as 10 ms / (1 - load) as in the simplest of queues."""

    def __init__(self, speeds: dict[Setting, float], rest: float = 10.0) -> None:
        self.speeds, self.rest = speeds, rest
        self.asked: list[Setting] = []

    def closed(self, setting: Setting, turn: int, expected: float) -> Measurement:
        self.asked.append(setting)
        speed = self.speeds.get(setting, self.rest)
        cpu_ms = 10 + setting.workers
        return measured(setting, kind=CLOSED, turn=turn, requests_per_s=speed, cpu_ms_per_request=cpu_ms, rss_mb=100)

    def open(self, setting: Setting, rate: float, seed: int) -> Measurement:
        busy = min(0.999, rate / self.speeds.get(setting, self.rest))
        answered = min(rate, self.speeds.get(setting, self.rest))
        return measured(
            setting, load=rate, turn=seed, requests=int(4 * rate), requests_per_s=answered, p99_ms=10 / (1 - busy),
            cpu_ms_per_request=10 + setting.workers, rss_mb=100 * setting.workers,
        )  # fmt: skip


def search_for(goal: Goal, speeds: dict[Setting, float]) -> tuple[Outcome, MadeUpLaboratory]:
    laboratory = MadeUpLaboratory(speeds)
    search = Search(laboratory, goal, 2, 600, lambda setting: math.nan, lambda text: None)  # type: ignore[arg-type]
    return search.run(list(speeds)[:2], None), laboratory


BUSY = replace(PLAIN, workers=2, batch_size=8)


def test_the_search_walks_to_a_better_neighbour_of_what_was_promised() -> None:
    hidden = replace(BUSY, batch_size=16)
    outcome, _ = search_for(Goal(), {PLAIN: 50, BUSY: 100, hidden: 120})
    assert outcome.met
    assert outcome.winner == hidden


def test_a_p99_is_kept_and_the_rate_that_is_carried_told() -> None:
    outcome, _ = search_for(Goal(p99_ms=40), {PLAIN: 50, BUSY: 100})
    carried = outcome.carried_by(BUSY)
    assert outcome.winner == BUSY
    assert carried is not None
    assert carried.requests_per_s == pytest.approx(75, abs=4)  # 10 / (1 - 0.75) is 40


def test_a_p99_that_nothing_keeps_is_told_with_the_best_that_was_seen() -> None:
    outcome, _ = search_for(Goal(p99_ms=11), {PLAIN: 50, BUSY: 100})
    assert not outcome.met
    assert "was not reached; the best seen was 14 ms" in outcome.why


def test_a_rate_is_carried_by_the_setting_that_takes_least() -> None:
    outcome, _ = search_for(Goal(rps=30), {PLAIN: 50, BUSY: 100})
    assert outcome.met
    assert outcome.winner == PLAIN
    outcome, _ = search_for(Goal(rps=80), {PLAIN: 50, BUSY: 100})
    assert outcome.winner == BUSY


def test_a_rate_that_nothing_carries_is_told_with_the_most_that_was() -> None:
    outcome, _ = search_for(Goal(rps=200), {PLAIN: 50, BUSY: 100})
    assert not outcome.met
    assert "200 requests/s are not carried; the most was 9" in outcome.why


def test_the_grid_is_the_judge_of_the_search() -> None:
    grid = exhaustive_grid([PLAIN.build], 2)
    assert {replace(each, delay_ms=5) for each in grid} <= set(whole_grid([PLAIN.build], 2))
    best = Setting(*PLAIN.build, 2, 1, 16, 20)
    laboratory = MadeUpLaboratory({best: 100, BUSY: 96})
    verdict = try_all(laboratory, grid, BUSY, 30, lambda text: None)  # type: ignore[arg-type]
    assert set(grid) <= set(laboratory.asked)
    assert (verdict.grid, verdict.best) == (len(grid), best)
    assert verdict.ratio == pytest.approx(0.96)
    assert verdict.low < 0.96 < verdict.high
    assert "serves 96.0%" in str(verdict)


def test_failed_requests_carry_nothing() -> None:
    row = measured(PLAIN, load=100.0, requests=400, requests_per_s=100.0)
    assert Goal().is_met(row)
    assert not Goal().is_met(replace(row, failed=1))
    assert not Goal().is_met(replace(row, requests_per_s=80.0))
    assert not Goal(p99_ms=9).is_met(row)


@given(st.floats(1, 99), st.floats(101, 10_000), st.floats(10, 100), st.floats(101, 200))
def test_the_rate_between_lies_between(held_ms: float, lost_ms: float, held: float, lost: float) -> None:
    found = between(measured(PLAIN, load=held, p99_ms=held_ms), measured(PLAIN, load=lost, p99_ms=lost_ms), 100)
    assert held <= found <= lost


@given(st.lists(st.tuples(st.floats(1, 1000), st.floats(1, 1000)), max_size=20))
def test_nothing_is_better_than_the_front_in_both(points: list[tuple[float, float]]) -> None:
    rows = [measured(PLAIN, p99_ms=p99_ms, requests_per_s=rate) for p99_ms, rate in points]
    front = pareto(rows)
    for row in rows:
        assert any(each.p99_ms <= row.p99_ms and each.requests_per_s >= row.requests_per_s for each in front)
    assert front == sorted(front, key=lambda row: (row.p99_ms, row.requests_per_s))


def test_another_setting_than_the_one_asked_for_is_an_error() -> None:
    applied = {"workers": 1, "batch_size": 4, "delay_ms": 1, "threads": 1, "runtime": "onnxruntime"}
    assert find_mismatch(replace(PLAIN, batch_size=4), applied) == ""
    assert find_mismatch(PLAIN, applied) == "the server applied batch_size 4 in place of 1"
