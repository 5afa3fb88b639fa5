"""An ensemble, and the old handwriting system's contract, as clients see them over HTTP."""

import base64
import json
import time
import uuid
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.conftest import encode
from tests.places import Place
from tests.servers import RunningServer
from tests.tiny import MEMBERS

LIMIT_S = 2
COLOURS = {"red": (240, 20, 10), "green": (20, 230, 10), "blue": (10, 20, 220)}
PATHS = ("/predictions/votes", "/predictions/votes/1.0", "/predictions/strokes", "/strokes")
OLD_PATHS = ("/predictions/strokes", "/predictions/strokes/1.0", "/strokes")


def picture(colour: str, width: int = 60, height: int = 40) -> bytes:
    return encode(Image.new("RGB", (width, height), COLOURS[colour]), "PNG")


def question(image: bytes | str, /, **changes: object) -> dict[str, Any]:
    """An old client's fields; a change to None leaves one out."""
    text = image if isinstance(image, str) else base64.b64encode(image).decode()
    fields = {"esun_uuid": "a-1", "esun_timestamp": 1_590_493_849, "image": text, "retry": 2, **changes}
    return {name: value for name, value in fields.items() if value is not None}


def as_request(content: object, content_type: str = "image/png") -> tuple[bytes, str]:
    """Bytes as they are, anything else as JSON."""
    return (content, content_type) if isinstance(content, bytes) else (json.dumps(content).encode(), "application/json")


def post(place: Place, path: str, content: object) -> httpx.Response:
    return place.post(path, *as_request(content))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("colour", COLOURS)
def test_every_way_to_send_a_picture_gives_the_same_answer(server: RunningServer, path: str, colour: str) -> None:
    data = picture(colour)
    raw = post(server, path, data)
    form = httpx.post(server.url + path, files={"data": ("red.png", data, "image/png")}, trust_env=False)
    field = post(server, path, {"image": base64.b64encode(data).decode()})
    assert raw.json() == form.json() == field.json()
    assert raw.json()["answer"] == colour
    assert list(raw.json()["members"]) == list(MEMBERS)
    assert {"server-timing", "x-batch-size"} <= raw.headers.keys()


@pytest.mark.parametrize("path", OLD_PATHS)
def test_an_old_question_gets_the_old_answer(place: Place, path: str) -> None:
    before = int(time.time())
    response = post(place, path, question(picture("green"), esun_uuid="字-7"))
    found = response.json()
    assert response.status_code == 200
    assert set(found) == {"esun_uuid", "server_uuid", "answer", "server_timestamp"}
    assert (found["esun_uuid"], found["answer"]) == ("字-7", "green")
    assert uuid.UUID(found["server_uuid"]).version == 4
    assert type(found["server_timestamp"]) is int
    assert before <= found["server_timestamp"] <= time.time()


def test_each_of_many_clients_gets_its_own_id_and_answer_back(place: Place) -> None:
    asked = [(f"client-{number}", list(COLOURS)[number % 3]) for number in range(60)]
    questions = [as_request(question(picture(colour), esun_uuid=name)) for name, colour in asked]
    responses = place.post_together("/strokes", questions)
    answers = [response.json() for response in responses]
    assert [(found["esun_uuid"], found["answer"]) for found in answers] == asked
    assert len({found["server_uuid"] for found in answers}) == len(asked)
    assert max(int(response.headers["x-batch-size"]) for response in responses) > 1


# name: (body, status, type)
BAD: dict[str, tuple[object, int, str]] = {
    **{
        f"without {field}": (question(picture("red"), **{field: None}), 422, "MissingField")
        for field in ("esun_uuid", "esun_timestamp", "image", "retry")
    },
    "a number as id": (question(picture("red"), esun_uuid=5), 422, "UnusableInput"),
    "a long id": (question(picture("red"), esun_uuid="secretword" * 30), 422, "UnusableInput"),
    "a text as timestamp": (question(picture("red"), esun_timestamp="5"), 422, "UnusableInput"),
    "a fraction as timestamp": (question(picture("red"), esun_timestamp=5.5), 422, "UnusableInput"),
    "true as retry": (question(picture("red"), retry=True), 422, "UnusableInput"),
    "bad base64": (question("!secretword", esun_uuid="secretword"), 400, "MalformedBase64"),
    "an empty picture": (question(""), 400, "EmptyBody"),
    "no picture": (question(b"secretword"), 400, "UndecodableImage"),
    "half a picture": (picture("red")[:70], 400, "UndecodableImage"),
    "nothing": (b"", 400, "EmptyBody"),
    "1 x 10,000": (picture("red", 1, 10_000), 422, "UnusableInput"),
    "1 x 10,000 in a question": (question(picture("red", 10_000, 1)), 422, "UnusableInput"),
    "too many pixels": (picture("red", 1_001, 1_000), 413, "ImageTooLarge"),
    "too many bytes": (question(picture("red") + bytes(200_000)), 413, "PayloadTooLarge"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_gets_its_status(place: Place, name: str) -> None:
    content, status, kind = BAD[name]
    started = time.monotonic()
    response = post(place, "/strokes", content)
    took_s = time.monotonic() - started
    assert (response.status_code, response.json()["type"]) == (status, kind)
    assert set(response.json()) == {"code", "type", "message"}
    assert "secretword" not in response.text
    assert took_s < LIMIT_S


def test_any_mix_of_old_new_and_bad_is_answered_as_each_alone(place: Place) -> None:
    good = [content for colour in COLOURS for content in (picture(colour), question(picture(colour)))]
    bad = [content for content, _, _ in BAD.values()]
    contents = [content for pair in zip(good * 4, bad, strict=False) for content in pair]
    alone = [post(place, "/strokes", content) for content in contents]
    together = place.post_together("/strokes", [as_request(content) for content in contents])
    assert max(int(response.headers.get("x-batch-size", 0)) for response in together) > 1
    for one, other in zip(alone, together, strict=True):
        assert one.status_code == other.status_code
        assert one.json().keys() == other.json().keys()
        assert one.json().get("answer") == other.json().get("answer")
        assert one.json().get("probability") == pytest.approx(other.json().get("probability"), abs=1e-5)


def test_nothing_of_a_question_is_logged(server: RunningServer) -> None:
    for content in (question(picture("red"), esun_uuid="secretword"), *(content for content, _, _ in BAD.values())):
        post(server, "/strokes", content)
    written = [path.read_bytes() for path in server.folder.rglob("*") if path.is_file() and path.suffix != ".mar"]
    assert b"secretword" not in b"".join(written)
    assert "secretword" not in "".join(server.lines)


def test_the_route_and_the_labels_stand_in_models_json(server: RunningServer) -> None:
    models = httpx.get(f"{server.url}/models.json", trust_env=False).json()["models"]
    (strokes,) = [model for model in models if model["name"] == "strokes"]
    assert (strokes["route"], strokes["task"], strokes["labels"]) == (
        "/strokes",
        "handwriting",
        ["red", "green", "blue"],
    )
