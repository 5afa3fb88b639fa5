"""Texts at the shipped models: old routes, every way in, bad input, seams, isolation."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.places import Place
from tests.servers import RunningServer

LIMIT_S = 2
WASHINGTON = "George Washington was president of the United States."
MODELS = ("ner", "readability")
ROUTES = {"ner": "/ner", "readability": "/predict"}
# Plain sentences, each with a name; what the model says of each alone is what it must say within a document.
SENTENCES = (
    "The harbour of Lisbon was closed for two days.",
    "A letter from Marie Curie lay on the table.",
    "He moved to Berlin when he was nine years old.",
    "The train to Chicago left an hour too late.",
    "They met in Paris and walked along the river.",
    "The rain in London did not stop all week.",
    "We flew from Tokyo on the first of March.",
    "The speech of Abraham Lincoln was very short.",
    "She studied law in Madrid and then came home.",
    "The army crossed into Germany in the spring.",
)
DOCUMENT_CHARS = 100_000


def as_json(text: object) -> bytes:
    return json.dumps({"text": text}).encode()


def test_the_old_route_finds_both_names(place: Place) -> None:
    found = place.post("/ner", WASHINGTON.encode(), "text/plain").json()
    assert [(entity["entity_group"], entity["word"], entity["start"], entity["end"]) for entity in found] == [
        ("PER", "George Washington", 0, 17),
        ("LOC", "United States", 39, 52),
    ]
    assert all(0.5 < entity["score"] <= 1 for entity in found)


def test_the_old_route_scores_a_text(place: Place) -> None:
    answer = place.post("/predict", as_json(WASHINGTON), "application/json").json()
    assert set(answer) == {"score", "tokens", "truncated", "windows"}
    assert -6 < answer["score"] < 4


@pytest.mark.parametrize("model", MODELS)
def test_every_way_to_send_a_text_gives_the_same_answer(server: RunningServer, model: str) -> None:
    text = "Zo\u00eb Smith\tsaw \U0001f600 Rome \u2013 and the Nile.\n"
    raw = text.encode()
    path = f"/predictions/{model}"
    expected = server.post(path, raw, "text/plain").json()
    for content, content_type in (
        (raw, "text/plain; charset=UTF-8"),
        (raw, "application/octet-stream"),
        (raw, "application/x-www-form-urlencoded"),  # what curl -d says
        (raw, ""),
        (as_json(text), "application/json"),
        (json.dumps({"text": text}, ensure_ascii=False).encode(), "application/json; charset=utf-8"),
    ):
        for address in (path, f"{path}/1.0", ROUTES[model]):
            assert server.post(address, content, content_type).json() == expected
    form = httpx.post(server.url + path, files={"data": ("text.txt", raw, "text/plain")}, trust_env=False)
    assert form.json() == expected
    for entity in expected if model == "ner" else []:
        assert text[entity["start"] : entity["end"]] == entity["word"]


# name: (body, content type, status, type)
BAD: dict[str, tuple[Callable[[], bytes], str, int, str]] = {
    "empty": (lambda: b"", "text/plain", 400, "EmptyBody"),
    "empty JSON": (lambda: b"", "application/json", 400, "EmptyBody"),
    "empty field": (lambda: as_json(""), "application/json", 400, "EmptyBody"),
    "white space": (lambda: b" \n\t ", "text/plain", 422, "UnusableInput"),
    "white space field": (lambda: as_json("\u2003 "), "application/json", 422, "UnusableInput"),
    "under the minimum": (lambda: b"a", "text/plain", 422, "UnusableInput"),
    "over the maximum": (lambda: b"secretword " * 10_000, "text/plain", 413, "TextTooLong"),
    "over the maximum in JSON": (lambda: as_json("secretword " * 10_000), "application/json", 413, "TextTooLong"),
    "too many bytes": (lambda: b"secretword " * 200_000, "text/plain", 413, "PayloadTooLarge"),
    "invalid UTF-8": (lambda: b"secretword \xff\xfe", "text/plain", 400, "WrongEncoding"),
    "invalid UTF-8 in JSON": (lambda: b'{"text": "secretword \xff"}', "application/json", 400, "MalformedJson"),
    "UTF-16": (lambda: "secretword".encode("utf-16"), "text/plain; charset=utf-16", 415, "UnsupportedType"),
    "number": (lambda: as_json(17), "application/json", 422, "UnusableInput"),
    "list": (lambda: as_json(["secretword"]), "application/json", 422, "UnusableInput"),
    "null": (lambda: as_json(None), "application/json", 422, "MissingField"),
    "no field": (lambda: b'{"secretword": "secretword"}', "application/json", 422, "MissingField"),
    "lone surrogate": (lambda: b'{"text": "secretword \\ud800"}', "application/json", 400, "WrongEncoding"),
    "nested": (lambda: b'{"text": ' + b"[" * 100_000, "application/json", 400, "MalformedJson"),
    "nested and closed": (lambda: b"[" * 100_000 + b"]" * 100_000, "application/json", 400, "MalformedJson"),
    "malformed JSON": (lambda: b'{"text": "secretword', "application/json", 400, "MalformedJson"),
    "picture": (lambda: b"\xff\xd8\xff secretword", "image/jpeg", 415, "UnsupportedType"),
    "markup by type": (lambda: b"<p>secretword</p>", "text/html", 415, "UnsupportedType"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("path", ["/ner", "/predictions/readability"])
def test_each_kind_of_bad_text_gets_its_status(place: Place, path: str, name: str) -> None:
    make, content_type, status, kind = BAD[name]
    body = make()
    started = time.monotonic()
    response = place.post(path, body, content_type)
    took_s = time.monotonic() - started
    assert (response.status_code, response.json()["type"]) == (status, kind)
    assert set(response.json()) == {"code", "type", "message"}
    assert response.json()["code"] == status
    assert "secretword" not in response.text
    assert took_s < LIMIT_S


def test_nothing_of_a_text_is_logged(server: RunningServer) -> None:
    for make, content_type, _, _ in BAD.values():
        server.post("/ner", make(), content_type)
    server.post("/ner", b"The secretword was Berlin.", "text/plain")
    written = [path.read_bytes() for path in server.folder.rglob("*") if path.is_file() and path.suffix != ".mar"]
    assert b"secretword" not in b"".join(written)
    assert "secretword" not in "".join(server.lines)


def test_only_post_and_put_reach_an_old_route(server: RunningServer) -> None:
    for method in ("GET", "HEAD", "DELETE", "PATCH"):
        for address in ("/ner", "/ner?x=1", "/n%65r", "//ner"):
            response = httpx.request(method, server.url + address, trust_env=False)
            assert (response.status_code, response.headers["allow"]) == (405, "POST, PUT")
    for address in ("/ner/1.0", "/NER", "/ner/"):
        assert server.post(address, b"Rome is old.", "text/plain").status_code in (404, 405)


@pytest.mark.parametrize("model", MODELS)
def test_any_mix_of_short_long_and_bad_texts_is_answered_as_each_alone(place: Place, model: str) -> None:
    path = ROUTES[model]
    good = [" ".join(SENTENCES[first : first + count]).encode() for first in range(5) for count in (1, 2, 5)]
    good += [(" ".join(SENTENCES) * 8).encode(), b"Rome is old.", "\u5b57 \U0001f600 Oslo.".encode() * 3]
    requests = [(text, "text/plain") for text in good] + [
        (make(), kind) for name, (make, kind, _, _) in BAD.items() if "bytes" not in name
    ]
    alone = [place.post(path, *request) for request in requests]
    together = place.post_together(path, requests)
    assert max(int(response.headers.get("x-batch-size", 0)) for response in together) > 1
    for one, other in zip(alone, together, strict=True):
        assert one.status_code == other.status_code
        same_to(one.json(), other.json(), 1e-4)


def same_to(one: Any, other: Any, tolerance: float) -> None:
    """Lists of entities, scores or errors that differ by no more in any number."""
    if isinstance(one, list):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert left == pytest.approx(right, abs=tolerance)
    else:
        assert one == pytest.approx(other, abs=tolerance)


def test_a_long_document_keeps_its_names_at_the_seams(place: Place) -> None:
    """100,000 characters with a name every 50, compared with the same sentences alone: 99.5 % must agree."""
    alone = {text: place.post("/ner", text.encode(), "text/plain").json() for text in SENTENCES}
    assert sum(len(found) > 0 for found in alone.values()) >= 9
    document, expected, number = "", set(), 0
    while len(document) + 60 < DOCUMENT_CHARS:
        sentence = SENTENCES[number * 7 % len(SENTENCES)]
        expected |= {
            (entity["entity_group"], entity["start"] + len(document), entity["end"] + len(document))
            for entity in alone[sentence]
        }
        document += sentence + " "
        number += 1
    found = place.post("/ner", document.encode(), "text/plain").json()
    got = {(entity["entity_group"], entity["start"], entity["end"]) for entity in found}
    assert len(got) == len(found)
    assert len(got & expected) >= 0.995 * len(got | expected)


def test_the_padding_is_a_metric(torchserve: RunningServer) -> None:
    texts = [" ".join(SENTENCES[:count]).encode() for count in (1, 3, 2, 8, 5, 1, 9, 4)] * 4
    before = read_counters(torchserve)
    torchserve.post_together("/ner", [(text, "text/plain") for text in texts])
    after = read_counters(torchserve)
    computed, padded = (after[name] - before.get(name, 0) for name in ("TokensComputed", "TokensPadded"))
    assert computed > len(texts) * 10
    assert padded < 0.1 * computed


def read_counters(server: RunningServer) -> dict[str, float]:
    """The counters of ner in the server's /metrics."""
    lines = httpx.get(f"http://127.0.0.1:{server.state.ports.metrics}/metrics", trust_env=False).text.splitlines()
    return {
        line.partition("{")[0]: float(line.rpartition(" ")[2])
        for line in lines
        if 'ModelName="ner"' in line and line.startswith("Tokens")
    }
