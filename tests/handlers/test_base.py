"""Isolation: each request of a batch gets what it would get alone, whatever its neighbours are."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from handlers.base import Handler
from handlers.image_classification import ImageClassification
from handlers.local import LocalContext, answer_batch
from handlers.payloads import Payload
from handlers.settings import Settings
from tests.conftest import encode


def picture(colour: tuple[int, int, int]) -> bytes:
    return encode(Image.new("RGB", (40, 30), colour), "PNG")


RED, GREEN, BLUE = (picture(colour) for colour in ((240, 10, 10), (10, 240, 10), (10, 10, 240)))
# (row, headers): pictures, and requests that fail at every step of preprocessing.
GOOD = [({"body": body}, {}) for body in (RED, GREEN, BLUE)]
BAD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"body": b"no picture"}, {}),
    ({"body": RED[:50]}, {}),
    ({"body": b""}, {}),
    ({}, {}),
    ({"body": RED}, {"Content-Type": "text/plain"}),
    ({"body": b"{"}, {"Content-Type": "application/json"}),
    ({"body": b"{}"}, {"Content-Type": "application/json"}),
    ({"body": 17}, {}),
    ({"body": RED + bytes(200_000)}, {}),
]


WAYS = {"one thread": (1, 1), "four threads": (4, 1), "in three parts": (2, 3)}


@pytest.fixture(scope="module", params=WAYS.values(), ids=WAYS)
def ask(tiny_archive: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Callable:
    """Answers a batch with the unpacked tiny archive."""
    import zipfile

    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(tiny_archive) as archive:
        archive.extractall(folder)
    context = LocalContext(folder, "colours")
    handler = ImageClassification()
    threads, parts = request.param
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MARINA_THREADS", f'{{"colours": {threads}}}')
        handler.initialize(context)
    handler.parts = parts
    return lambda batch: answer_batch(
        handler.handle, context, [row for row, _ in batch], [headers for _, headers in batch]
    )


@settings(deadline=None)
@given(st.lists(st.sampled_from(GOOD + BAD), min_size=1, max_size=12))
def test_any_mix_of_good_and_bad_is_answered_as_each_alone(ask: Callable, batch: list[Any]) -> None:
    together = ask(batch)
    for request, (status, body) in zip(batch, together, strict=True):
        ((alone_status, alone_body),) = ask([request])
        assert status == alone_status
        if request in GOOD:
            assert status == 200
            assert json.loads(body) == pytest.approx(json.loads(alone_body), abs=1e-6)
        else:
            assert status in (400, 413, 415, 422)
            assert body == alone_body


class Doubling(Handler):
    """Doubles numbers; some of them can't be."""

    settings_type = Settings

    def __init__(self) -> None:
        self.threads = 1
        self.batches: list[int] = []
        self.memory = 100

    def preprocess(self, payload: Payload) -> Any:
        return payload.value

    def inference(self, inputs: Sequence[Any]) -> list[Any]:
        self.batches.append(len(inputs))
        if len(inputs) > self.memory:
            raise MemoryError
        if "poison" in inputs:
            raise RuntimeError("CUDA error: the secret text poison")
        return [float(number) * 2 for number in inputs]

    def postprocess(self, output: Any, request: Any) -> Any:
        if output == 26:
            raise KeyError("the secret text 13")
        return output


def double(handler: Doubling, values: Sequence[object]) -> list[tuple[int, Any]]:
    rows = [{"body": value} for value in values]
    return [(status, json.loads(body)) for status, body in answer_batch(handler.handle, LocalContext("."), rows)]


@given(st.lists(st.sampled_from([1, 2, 3, "poison", float("nan"), float("inf"), 13]), min_size=1, max_size=32))
def test_a_failing_batch_is_halved_until_the_guilty_stand_alone(values: list[Any]) -> None:
    for value, (status, body) in zip(values, double(Doubling(), values), strict=True):
        if value in (1, 2, 3):
            assert (status, body) == (200, 2.0 * value)
        else:
            assert (status, body["code"], body["type"]) == (500, 500, "ModelError")
            assert "secret" not in body["message"]


@given(st.integers(1, 8), st.integers(1, 40))
def test_where_memory_runs_out_smaller_batches_are_tried(memory: int, length: int) -> None:
    handler = Doubling()
    handler.memory = memory
    assert double(handler, [1] * length) == [(200, 2.0)] * length


def test_a_good_batch_is_one_inference() -> None:
    handler = Doubling()
    double(handler, [1] * 8)
    assert handler.batches == [8]


def test_a_log_line_holds_no_piece_of_the_input(caplog: pytest.LogCaptureFixture) -> None:
    double(Doubling(), ["poison", 13, 1])
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


def test_outputs_that_do_not_match_the_inputs_are_a_fault_of_the_model() -> None:
    class Losing(Doubling):
        def inference(self, inputs: Sequence[Any]) -> list[Any]:
            return [0] * (len(inputs) - 1)

    assert [status for status, _ in double(Losing(), [1, 2])] == [500, 500]


@given(st.text())
def test_any_text_can_be_an_answer(text: str) -> None:
    class Echo(Doubling):
        def inference(self, inputs: Sequence[Any]) -> list[Any]:
            return list(inputs)

    assert double(Echo(), [text]) == [(200, text)] if text else True
    assert double(Echo(), [text + "\ud800"]) == [(200, text + "\ud800")]
