"""One archive, one answer, wherever it lives."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.contract import test_bad_input, test_handwriting, test_texts
from tests.places import InProcess, Place
from tests.servers import RunningServer

MODELS = ("resnet18", "ner", "readability", "handwriting")
TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".txt": "text/plain"}


@pytest.fixture(scope="session")
def places(in_process: InProcess, torchserve: RunningServer, mms: RunningServer) -> dict[str, Place]:
    return {"in process": in_process, "torchserve": torchserve, "mms": mms}


def same(places: dict[str, Place], ask: Callable[[Place], Any]) -> tuple[int, Any]:
    """The status and the body that every place gives, numbers to 1e-5."""
    (status, body), *others = [(found.status_code, found.json()) for found in map(ask, places.values())]
    for other_status, other_body in others:
        assert other_status == status
        assert_alike(other_body, body)
    return status, body


def assert_alike(one: Any, other: Any) -> None:
    if isinstance(other, dict):
        assert list(one) == list(other)
        for key in other:
            assert_alike(one[key], other[key])
    elif isinstance(other, list):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_alike(left, right)
    else:
        assert one == pytest.approx(other, abs=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_samples_are_answered_alike(places: dict[str, Place], model: str) -> None:
    for sample in sorted((ROOT / "models" / model / "samples").iterdir()):
        data, kind = sample.read_bytes(), TYPES[sample.suffix]
        assert same(places, lambda place, data=data, kind=kind: place.predict(model, data, kind))[0] == 200


@pytest.mark.parametrize("name", test_bad_input.BAD)
def test_bad_pictures_are_refused_alike(places: dict[str, Place], jpeg: bytes, name: str) -> None:
    make, content_type, status, _ = test_bad_input.BAD[name]
    body = make(jpeg)
    if "bytes" in name or name in ("nothing at all", "empty", "empty JSON"):
        pytest.skip("nginx, or the server, answers before the archive sees it")
    assert same(places, lambda place: place.predict("resnet18", body, content_type))[0] == status


@pytest.mark.parametrize("name", test_texts.BAD)
def test_bad_texts_are_refused_alike(places: dict[str, Place], name: str) -> None:
    make, content_type, status, _ = test_texts.BAD[name]
    assert same(places, lambda place: place.post("/ner", make(), content_type))[0] == status


@pytest.mark.parametrize("name", test_handwriting.BAD)
def test_bad_questions_are_refused_alike(places: dict[str, Place], name: str) -> None:
    content, status, _ = test_handwriting.BAD[name]
    request = test_handwriting.as_request(content)
    assert same(places, lambda place: place.post("/strokes", *request))[0] == status
