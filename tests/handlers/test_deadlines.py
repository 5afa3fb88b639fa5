"""A batch ends before the server would end its worker: what is not done by then is answered with 504, and alone."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.base import Handler
from handlers.local import LocalContext, answer_batch
from handlers.payloads import Payload

TIMEOUT_S = 100
WARM_UP = {"preprocess": 0.01, "inference": 0.01, "postprocess": 0.01}


class HandClock:
    """A clock that only work moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    perf_counter = monotonic


class Slow(Handler):
    """Takes its time for each step of each input, as ``costs`` say in seconds."""

    timeout_s = TIMEOUT_S
    threads = 1

    def __init__(self, clock: HandClock, costs: dict[str, float]) -> None:
        self.clock, self.costs = clock, costs
        self.batches: list[int] = []

    def preprocess(self, payload: Payload) -> Any:
        self.clock.now += self.costs["preprocess"]
        return payload.value

    def inference(self, inputs: Sequence[Any]) -> list[Any]:
        self.batches.append(len(inputs))
        self.clock.now += self.costs["inference"] * len(inputs)
        if "poison" in inputs:
            raise RuntimeError
        return list(inputs)

    def postprocess(self, output: Any, request: Any) -> Any:
        self.clock.now += self.costs["postprocess"]
        return output


@pytest.fixture(scope="module")
def clock() -> HandClock:
    """The clock that the handlers read."""
    clock = HandClock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("handlers.deadlines.time", clock)
        patch.setattr("handlers.base.time", clock)
        yield clock


def ask(handler: Slow, *values: object) -> list[int]:
    """The statuses of a batch; each error has its form."""
    answers = answer_batch(handler.handle, LocalContext("."), [{"body": value} for value in values])
    for status, body in answers:
        if status != 200:
            assert json.loads(body)["code"] == status
        if status == 504:
            assert json.loads(body)["type"] == "DeadlineExceeded"
    return [status for status, _ in answers]


def make(clock: HandClock, **costs: float) -> Slow:
    """A slow handler that knows from a first batch how long its model takes."""
    handler = Slow(clock, {**WARM_UP, **costs})
    handler.timeout_s = 10**9
    assert ask(handler, 1, 2) == [200, 200]
    handler.timeout_s = TIMEOUT_S
    handler.batches.clear()
    return handler


def test_a_batch_that_has_time_is_one_call_of_the_model(clock: HandClock) -> None:
    handler = make(clock, preprocess=1, inference=1)
    assert ask(handler, *range(16)) == [200] * 16
    assert handler.batches == [16]


def test_preprocessing_that_takes_too_long_leaves_time_for_what_it_has_done(clock: HandClock) -> None:
    handler = make(clock, preprocess=10)
    assert ask(handler, *range(16)) == [200] * 3 + [504] * 13
    assert handler.batches == [3]


def test_a_model_that_takes_too_long_answers_as_many_as_it_can(clock: HandClock) -> None:
    handler = make(clock, inference=5)
    started = clock.now
    assert ask(handler, *range(32)) == [200] * 9 + [504] * 23
    assert clock.now - started < TIMEOUT_S / 2


def test_answers_that_take_too_long_are_left_out(clock: HandClock) -> None:
    handler = make(clock, postprocess=10)
    assert ask(handler, *range(16)) == [200] * 8 + [504] * 8


def test_halving_stops_at_the_deadline(clock: HandClock) -> None:
    handler = make(clock, inference=1)
    statuses = ask(handler, *range(15), "poison")
    assert set(statuses) == {200, 500}
    handler = make(clock, inference=3)
    started = clock.now
    assert set(ask(handler, *["poison"] * 16)) <= {500, 504}
    assert clock.now - started < TIMEOUT_S


@pytest.mark.parametrize(("threads", "parts"), [(1, 1), (4, 1), (2, 3)])
def test_whatever_the_threads_each_request_has_its_answer(clock: HandClock, threads: int, parts: int) -> None:
    from concurrent.futures import ThreadPoolExecutor

    handler = make(clock, preprocess=10)
    handler.threads, handler.parts = threads, parts
    handler.pool, handler.ahead = ThreadPoolExecutor(threads), ThreadPoolExecutor(1)
    statuses = ask(handler, *range(16))
    handler.pool.shutdown()
    handler.ahead.shutdown()
    assert set(statuses) == {200, 504}
    assert statuses.count(200) <= 2 + threads


# Each piece of work is less than a quarter of the time, so that it ends in time wherever it begins.
seconds = st.floats(0, TIMEOUT_S / 4 - 0.001)


@given(seconds, seconds, seconds, st.lists(st.sampled_from([1, 2, "poison"]), min_size=1, max_size=32))
def test_every_batch_ends_in_time(clock: HandClock, before: float, call: float, after: float, values: list) -> None:
    handler = make(clock, preprocess=before, inference=call, postprocess=after)
    started = clock.now
    statuses = ask(handler, *values)
    assert clock.now - started < TIMEOUT_S
    for value, status in zip(values, statuses, strict=True):
        assert status in ((500, 504) if value == "poison" else (200, 504))


def test_the_next_batch_has_all_its_time(clock: HandClock) -> None:
    handler = make(clock, preprocess=10)
    assert ask(handler, *range(16)).count(200) == 3
    assert ask(handler, 1) == [200]


def test_outside_of_a_batch_there_is_no_deadline(clock: HandClock, easy: Any) -> None:
    """Training and scoring ask a handler's steps by themselves."""
    text = easy.encode("the cat")
    clock.now += 10**6
    assert len(easy.inference([text])[0]) == 1


def test_a_task_can_take_more_time_for_one_input_than_for_others(clock: HandClock) -> None:

    class Uneven(Slow):
        def inference(self, inputs: Sequence[Any]) -> list[Any]:
            self.clock.now += sum(inputs)
            return list(inputs)

    handler = Uneven(clock, WARM_UP)
    assert ask(handler, *[1] * 16) == [200] * 16
    assert ask(handler, 45) == [200]
    started = clock.now
    assert ask(handler, *[45] * 16) == [200] + [504] * 15
    assert clock.now - started < TIMEOUT_S / 2
