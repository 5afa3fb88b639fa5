"""The server does what its /openapi.json says, asked with whatever the document allows and forbids."""

import base64
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import negative_data_rejection

from tests.servers import RunningServer

CHECKS = {
    # No schema can say that a picture can be decoded, or that a text has a letter.
    "positive_data_acceptance": {"enabled": False},
    "negative_data_rejection": {"expected-statuses": ["4xx"]},
}
# What TorchServe itself, before any handler, says to a form that it can't read.
TORCHSERVE_REFUSES = "ErrorDataDecoderException"


@pytest.fixture(autouse=True)
def node_id(request: pytest.FixtureRequest) -> None:
    """Schemathesis 4.32 asks for the name that pytest had for this before 9.2."""
    request.node._nodeid = request.node.nodeid


@pytest.fixture(scope="session")
def api(torchserve: RunningServer) -> Any:
    config = schemathesis.Config.from_dict({"checks": CHECKS})
    return schemathesis.openapi.from_url(f"{torchserve.url}/openapi.json", config=config)


# PUT, and the addresses with a version, lead to the same.
anything = schemathesis.pytest.from_fixture("api").exclude(method="PUT").exclude(path_regex=r"^/predictions/.*/")


@anything.parametrize()
@settings(max_examples=15, derandomize=True, deadline=None, database=None)
def test_every_answer_is_as_documented(case: schemathesis.Case) -> None:
    response = case.call(timeout=20)
    excluded = []
    if case.media_type == "multipart/form-data":
        excluded.append(negative_data_rejection)  # a number in a form is a text like others
        if response.status_code == 500:
            assert response.json()["type"] == TORCHSERVE_REFUSES
            excluded.append(not_a_server_error)
    case.validate_response(response, excluded_checks=excluded)


def test_every_served_model_is_in_the_document(server: RunningServer) -> None:
    models = httpx.get(f"{server.url}/models.json", trust_env=False)
    document = httpx.get(f"{server.url}/openapi.json", trust_env=False)
    for header in ("content-type", "cache-control"):
        assert document.headers[header] == models.headers[header]
    for model in models.json()["models"]:
        for address in (f"/predictions/{model['name']}", f"/predictions/{model['name']}/{model['version']}"):
            assert document.json()["paths"][address]["post"]["tags"] == [model["name"]]
        assert model["route"] in document.json()["paths"]


def test_samples_are_answered_as_documented_in_every_form(torchserve: RunningServer, api: Any) -> None:
    """With what no schema can make: pictures."""
    kinds = {"image": "image/png", "text": "text/plain"}
    with httpx.Client(base_url=torchserve.url, timeout=30, trust_env=False) as client:
        for model in client.get("/models.json").json()["models"]:
            address, kind = f"/predictions/{model['name']}", model["input"]
            sample = client.get(model["samples"][0]["url"]).content
            value = sample.decode() if kind == "text" else base64.b64encode(sample).decode()
            forms: list[tuple[str, dict[str, Any]]] = [
                (address, {"content": sample, "headers": {"Content-Type": kinds[kind]}}),
                (address, {"files": {"data": ("sample", sample, kinds[kind])}}),
                (address, {"json": {kind: value}}),
            ]
            if model["task"] == "handwriting":
                question = {"esun_uuid": "7f3a", "esun_timestamp": 1590493849, "image": value, "retry": 2}
                forms += [(address, {"json": question}), (model["route"], {"json": question})]
            for path, body in forms:
                response = client.post(path, **body)
                response.request.read()  # Schemathesis shows it where an answer is wrong
                assert response.status_code == 200, response.text
                api[path]["POST"].validate_response(response)
