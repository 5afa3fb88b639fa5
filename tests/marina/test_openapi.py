"""The document says what the archives and the design say, and what the models really answer."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from marina.archive import build_archive
from marina.catalog import ServedArchive
from marina.openapi import ERRORS, describe_server
from marina.reading import read_served
from tests.conftest import ROOT

QUESTION = {"esun_uuid": "7f3a", "esun_timestamp": 1590493849, "image": base64.b64encode(b"x").decode(), "retry": 2}


@pytest.fixture(scope="module")
def built(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[ServedArchive, Any]]:
    """Each tiny model's archive, and what it answers to its samples."""
    store = tmp_path_factory.mktemp("tiny")
    built = {folder.name: build_archive(folder, store) for folder in sorted(tiny_models.iterdir())}
    return {name: (read_served(path), [json.loads(text) for _, text in said]) for name, (path, said) in built.items()}


@pytest.fixture(scope="module")
def document(built: dict[str, tuple[ServedArchive, Any]]) -> dict[str, Any]:
    return describe_server([archive for archive, _ in built.values()])


def find(part: Any, key: str) -> Iterator[Any]:
    """The values under that key, however deep."""
    if isinstance(part, dict):
        yield from (value for name, value in part.items() if name == key)
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from find(each, key)


def resolve(document: dict[str, Any], reference: str) -> Any:
    for name in reference.removeprefix("#/").split("/"):
        document = document[name]
    return document


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    schemathesis.openapi.from_dict(document).validate()
    for reference in find(document, "$ref"):
        resolve(document, reference)
    for schema in [*document["components"]["schemas"].values(), *find(document, "schema")]:
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_every_address_of_every_model_is_there(built: dict[str, Any], document: dict[str, Any]) -> None:
    addresses = {f"/predictions/{name}{version}" for name in built for version in ("", "/1.0")}
    assert set(document["paths"]) == addresses | {"/names", "/strokes", "/models.json", "/ping"}
    assert {tag["name"] for tag in document["tags"]} == {*built, "server"}
    colours = next(tag for tag in document["tags"] if tag["name"] == "colours")
    assert colours["x-labels"] == ["red", "green", "blue"]
    assert "Apache-2.0" in colours["description"]


def test_the_errors_are_those_of_the_design(document: dict[str, Any]) -> None:
    table = re.findall(r"^\| (\d{3}) \| .*", (ROOT / "docs" / "design.md").read_text(), re.MULTILINE)
    assert [str(status) for status in ERRORS] == table
    responses = document["paths"]["/names"]["post"]["responses"]
    assert list(responses) == ["200", *table]
    assert set(responses["200"]["headers"]) == {"Server-Timing", "X-Batch-Size"}
    for status in ("429", "503"):
        assert "Retry-After" in resolve(document, responses[status]["$ref"])["headers"]


def test_a_body_has_three_forms_and_the_models_limits(document: dict[str, Any]) -> None:
    bodies = {name: body["content"] for name, body in document["components"]["requestBodies"].items()}
    assert list(bodies["colours"]) == ["image/*", "multipart/form-data", "application/json"]
    assert list(bodies["names"]) == ["text/plain", "multipart/form-data", "application/json"]
    assert "200000 bytes and 1000000 pixels" in bodies["colours"]["image/*"]["schema"]["description"]
    text = bodies["names"]["text/plain"]["schema"]
    assert (text["minLength"], text["maxLength"]) == (2, 100_000)
    example = bodies["names"]["application/json"]["examples"]["a-meeting"]
    assert example == {"summary": "A meeting", "value": {"text": "Ada Lovelace met the cat in New York."}}


def test_examples_are_of_their_schemas(document: dict[str, Any]) -> None:
    found = 0
    bodies = [body for body in find(document, "content") if "schema" in body.get("application/json", {})]
    for form in (form for body in bodies for form in body.values()):
        for example in form.get("examples", {}).values():
            jsonschema_rs.validate(form["schema"], example["value"])
            found += 1
    assert found >= 8


def test_answers_are_of_their_schemas(built: dict[str, Any], document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["brightness"] == {}  # of a task of its own, nothing is known
    for name, (_, answers) in built.items():
        for answer in answers:
            jsonschema_rs.validate(schemas[name], answer)
    for name, wrong in {"colours": {"red": 2}, "names": [{"word": "Ada"}], "easy": {"score": 1}, "strokes": {}}.items():
        assert not jsonschema_rs.is_valid(schemas[name], wrong)


def test_handwriting_takes_two_questions_and_its_old_address_one(document: dict[str, Any]) -> None:
    either = document["components"]["requestBodies"]["strokes"]["content"]["application/json"]["schema"]
    old = document["paths"]["/strokes"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    ordinary = {"image": QUESTION["image"]}
    assert jsonschema_rs.is_valid(either, ordinary)
    assert not jsonschema_rs.is_valid(old, ordinary)
    for schema in (either, old):
        assert jsonschema_rs.is_valid(schema, QUESTION)
        assert not jsonschema_rs.is_valid(schema, {**ordinary, "retry": 2})
        assert not jsonschema_rs.is_valid(schema, {**QUESTION, "retry": "2"})
