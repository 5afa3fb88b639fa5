"""The old system's question and answer, beside the ordinary ones."""

import base64
import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.handwriting import MAX_UUID_CHARS
from handlers.local import LocalContext, answer_batch
from tests.handlers.conftest import start
from tests.handlers.test_image_ensemble import BLUE, GREEN, RED, picture
from tests.tiny import write_tiny_handwriting

JSON = {"Content-Type": "application/json"}
COLOURS = {"red": RED, "green": GREEN, "blue": BLUE}
FIELDS = ("esun_uuid", "esun_timestamp", "image", "retry")
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(FIELDS), inner),
)


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def question(**changes: object) -> dict[str, Any]:
    """An old client's fields; a change to None leaves one out."""
    fields = {"esun_uuid": "a-1", "esun_timestamp": 1_590_493_849, "image": in_base64(RED), "retry": 2, **changes}
    return {name: value for name, value in fields.items() if value is not None}


@pytest.fixture(scope="module")
def handwriting(folders: Callable[..., Path]) -> Any:
    return start(folders(write_tiny_handwriting), "handwriting")


def ask(handler: Any, *requests: object) -> list[tuple[int, Any]]:
    """One batch: bytes as raw pictures, anything else as JSON."""
    rows = [{"body": each if isinstance(each, bytes) else json.dumps(each).encode()} for each in requests]
    headers = [{} if isinstance(each, bytes) else JSON for each in requests]
    answers = answer_batch(handler.handle, LocalContext("."), rows, headers)
    return [(status, json.loads(body)) for status, body in answers]


def test_an_old_question_gets_the_old_answer(handwriting: Any) -> None:
    before = int(time.time())
    ((status, found),) = ask(handwriting, question())
    assert status == 200
    assert set(found) == {"esun_uuid", "server_uuid", "answer", "server_timestamp"}
    assert (found["esun_uuid"], found["answer"]) == ("a-1", "red")
    assert uuid.UUID(found["server_uuid"]).version == 4
    assert type(found["server_timestamp"]) is int
    assert before <= found["server_timestamp"] <= time.time()


def test_each_answer_has_an_id_of_its_own(handwriting: Any) -> None:
    answers = ask(handwriting, *[question()] * 4) + ask(handwriting, question())
    assert len({found["server_uuid"] for _, found in answers}) == 5


@given(st.lists(st.tuples(st.text(min_size=1, max_size=20), st.sampled_from(list(COLOURS))), min_size=1, max_size=8))
def test_each_client_gets_its_own_id_and_answer_back(handwriting: Any, asked: list[tuple[str, str]]) -> None:
    questions = [question(esun_uuid=name, image=in_base64(COLOURS[colour])) for name, colour in asked]
    assert [(status, found["esun_uuid"], found["answer"]) for status, found in ask(handwriting, *questions)] == [
        (200, *each) for each in asked
    ]


@pytest.mark.parametrize("esun_uuid", ["", " ", "\ud800", "字" * MAX_UUID_CHARS, '"</script>'])
def test_an_id_is_any_text_and_comes_back_as_it_is(handwriting: Any, esun_uuid: str) -> None:
    ((status, found),) = ask(handwriting, question(esun_uuid=esun_uuid))
    assert (status, found["esun_uuid"]) == (200, esun_uuid)


def test_any_other_body_is_answered_as_an_ensemble_does(handwriting: Any) -> None:
    raw, field, with_more = ask(handwriting, RED, {"image": in_base64(RED)}, {"image": in_base64(RED), "lang": "zh"})
    assert raw[0] == 200
    assert set(raw[1]) == {"answer", "probability", "top", "members"}
    assert raw == field == with_more


@pytest.mark.parametrize(
    ("changes", "status", "kind", "named"),
    [
        *[({name: None}, 422, "MissingField", name) for name in FIELDS],
        ({"esun_uuid": 7}, 422, "UnusableInput", "esun_uuid"),
        ({"esun_uuid": ["a"]}, 422, "UnusableInput", "esun_uuid"),
        ({"esun_uuid": "a" * (MAX_UUID_CHARS + 1)}, 422, "UnusableInput", "256"),
        ({"esun_timestamp": "1590493849"}, 422, "UnusableInput", "esun_timestamp"),
        ({"esun_timestamp": 1590493849.5}, 422, "UnusableInput", "esun_timestamp"),
        ({"esun_timestamp": True}, 422, "UnusableInput", "esun_timestamp"),
        ({"esun_timestamp": 10**30}, 422, "UnusableInput", "esun_timestamp"),
        ({"retry": False}, 422, "UnusableInput", "retry"),
        ({"retry": "2"}, 422, "UnusableInput", "retry"),
        ({"image": 5}, 422, "UnusableInput", "image"),
        ({"image": ""}, 400, "EmptyBody", ""),
        ({"image": "!!!"}, 400, "MalformedBase64", ""),
        ({"image": in_base64(b"no picture")}, 400, "UndecodableImage", ""),
        ({"image": in_base64(picture((9, 9, 9), 1, 10_000))}, 422, "UnusableInput", "1 x 10000"),
        ({"image": in_base64(RED + bytes(200_000))}, 413, "PayloadTooLarge", ""),
    ],
)
def test_what_is_wrong_with_a_question_is_named_and_costs_it_alone(
    handwriting: Any, changes: dict[str, object], status: int, kind: str, named: str
) -> None:
    before, wrong, after = ask(handwriting, question(esun_uuid="secretword"), question(**changes), GREEN)
    assert (wrong[0], wrong[1]["type"]) == (status, kind)
    assert named in wrong[1]["message"]
    assert (before[1]["answer"], after[1]["answer"]) == ("red", "green")


@pytest.mark.parametrize("field", ["esun_uuid", "esun_timestamp", "retry"])
def test_one_of_the_old_fields_makes_it_an_old_question(handwriting: Any, field: str) -> None:
    for value in (None, question()[field]):
        ((status, found),) = ask(handwriting, {"image": in_base64(RED), field: value})
        assert (status, found["type"]) == (422, "MissingField")


def test_a_server_that_parses_json_itself_gets_the_same(handwriting: Any) -> None:
    ((status, body),) = answer_batch(handwriting.handle, LocalContext("."), [{"body": question()}], [JSON])
    assert (status, json.loads(body)["answer"]) == (200, "red")


@given(documents)
def test_any_document_is_an_error_of_the_request(handwriting: Any, document: Any) -> None:
    ((status, _),) = ask(handwriting, document)
    assert status in (400, 422)


def test_nothing_of_a_question_is_logged(handwriting: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        ask(handwriting, question(esun_uuid="secretword"), question(esun_uuid="secretword", image="secretword!"))
    assert "secretword" not in caplog.text
