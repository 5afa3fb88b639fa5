"""What fails costs no memory until its batch is answered, few calls of the model, and one line of the log."""

import gc
import json
import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.base import Handler
from handlers.errors import UnusableInput
from handlers.local import LocalContext, answer_batch
from handlers.payloads import Payload


class Large:
    """Stands for the pixels of a picture."""


class Refusing(Handler):
    """Refuses every input, in one of many ways, while its frame holds something large."""

    threads = 1

    def __init__(self) -> None:
        self.alive: list[weakref.ref[Large]] = []
        self.most_alive = 0

    def preprocess(self, payload: Payload) -> Any:
        large = Large()
        self.alive.append(weakref.ref(large))
        try:
            return WAYS[payload.value](large)
        finally:
            self.most_alive = max(self.most_alive, sum(each() is not None for each in self.alive))


def refuse(large: Large) -> None:
    raise UnusableInput("no")


def refuse_because_of_another(large: Large) -> None:
    try:
        decode(large)
    except ValueError as error:
        raise UnusableInput("no") from error


def refuse_after_another(large: Large) -> None:
    try:
        decode(large)
    except ValueError:
        raise UnusableInput("no")  # noqa: B904 (that is the case)


def refuse_without_another(large: Large) -> None:
    try:
        decode(large)
    except ValueError:
        raise UnusableInput("no") from None


def refuse_and_keep(large: Large) -> None:
    """A frame that holds its own exception, as some libraries' do."""
    try:
        decode(large)
    except ValueError as error:
        kept = error
    raise UnusableInput("no") from kept


def fail_and_keep(large: Large) -> None:
    try:
        decode(large)
    except ValueError as error:
        kept = error
    raise kept


def decode(large: Large) -> None:
    pixels = large
    raise ValueError(str(pixels is None))


def fail(large: Large) -> None:
    pixels = large
    raise KeyError(str(pixels is None))


WAYS: dict[str, Callable[[Large], None]] = {
    function.__name__: function
    for function in (
        refuse,
        refuse_because_of_another,
        refuse_after_another,
        refuse_without_another,
        refuse_and_keep,
        fail_and_keep,
        fail,
    )
}


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is freed in a test is freed because nothing refers to it."""
    gc.disable()
    yield
    gc.enable()


def statuses_of(handler: Handler, values: Sequence[object]) -> list[int]:
    answers = answer_batch(handler.handle, LocalContext("."), [{"body": value} for value in values])
    assert all(json.loads(body) is not None for _, body in answers)
    return [status for status, _ in answers]


@pytest.mark.parametrize("way", WAYS)
def test_a_refused_request_keeps_nothing_until_its_batch_is_answered(no_collector: None, way: str) -> None:
    handler = Refusing()
    assert set(statuses_of(handler, [way] * 16)) <= {422, 500}
    assert handler.most_alive == 1
    assert not any(each() for each in handler.alive)


class Judging(Handler):
    """Fails on some inputs, or on all of them."""

    threads = 1

    def __init__(self, is_broken: bool = False) -> None:
        self.is_broken = is_broken
        self.calls = 0

    def preprocess(self, payload: Payload) -> Any:
        return payload.value

    def inference(self, inputs: Sequence[Any]) -> list[Any]:
        self.calls += 1
        if self.is_broken or "guilty" in inputs:
            raise RuntimeError("secretword")
        return list(inputs)

    def postprocess(self, output: Any, request: Any) -> Any:
        if output == "late":
            raise KeyError("secretword")
        return float("nan") if output == "nan" else output

    def example(self) -> Any:
        return "example"


@given(st.lists(st.sampled_from(["good", "good", "good", "guilty"]), min_size=1, max_size=64))
def test_the_guilty_cost_no_good_request_anything_and_few_calls(values: list[str]) -> None:
    handler = Judging()
    assert statuses_of(handler, values) == [200 if value == "good" else 500 for value in values]
    guilty = values.count("guilty")
    own_example = 1 if guilty and len(values) > 1 else 0
    assert handler.calls <= 1 + own_example + 2 * guilty * math.ceil(math.log2(len(values)))


def test_a_broken_model_is_not_asked_again_and_again() -> None:
    handler = Judging(is_broken=True)
    assert statuses_of(handler, ["good"] * 32) == [500] * 32
    assert handler.calls <= 2


@pytest.mark.parametrize(
    ("values", "is_broken"),
    [
        (["good"] * 32, True),
        (["guilty"] * 32, False),
        (["guilty", "late", "nan", "good"] * 8, False),
        (["late"] * 31 + ["good"], False),
    ],
)
def test_a_failing_batch_is_one_line_of_the_log(
    caplog: pytest.LogCaptureFixture, values: list[str], is_broken: bool
) -> None:
    statuses = statuses_of(Judging(is_broken), values)
    (record,) = caplog.records
    line = record.getMessage()
    assert f"batch of {len(values)}" in line
    assert f"{statuses.count(500)} failed" in line
    assert "test_failures.py:" in line or "base.py:" in line
    assert "\n" not in line
    assert len(line) < 1000
    assert "secretword" not in line


def test_refused_requests_are_no_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    statuses_of(Refusing(), ["refuse"] * 4)
    assert not caplog.records


def test_a_failure_that_recurses_is_a_short_line(caplog: pytest.LogCaptureFixture) -> None:
    class Recursing(Judging):
        def postprocess(self, output: Any, request: Any) -> Any:
            return self.postprocess(output, request)

    assert statuses_of(Recursing(), ["good"] * 4) == [500] * 4
    assert "RecursionError" in caplog.text
    assert len(caplog.text) < 1000


def test_a_failure_of_the_loop_itself_is_answered_in_the_promised_form() -> None:
    """A server would answer it with 503, or with 507 where it is a MemoryError, and log the traceback."""

    class Breaking(Judging):
        def preprocess_all(self, *arguments: Any) -> Any:
            raise MemoryError

    assert set(statuses_of(Breaking(), ["good"] * 4)) <= {413, 500}
