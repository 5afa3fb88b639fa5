"""One picture, however it is sent, gets one answer."""

import base64
import json
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT
from tests.places import Place
from tests.servers import RunningServer

SAMPLES = sorted((ROOT / "models/resnet18/samples").glob("*.jpg"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_every_way_to_send_a_picture_gives_the_same_answer(server: RunningServer, sample: Path) -> None:
    data = sample.read_bytes()
    url = f"{server.url}/predictions/resnet18"
    as_json = json.dumps({"image": base64.b64encode(data).decode()}).encode()
    expected = server.predict("resnet18", data, "image/jpeg")
    assert expected.status_code == 200
    assert server.predict("resnet18", data).content == expected.content
    assert server.predict("resnet18", data, "application/octet-stream").content == expected.content
    assert server.predict("resnet18", as_json, "application/json; charset=utf-8").content == expected.content
    assert httpx.post(url, files={"data": data}, trust_env=False).content == expected.content
    assert httpx.put(url, content=data, trust_env=False).content == expected.content
    assert httpx.post(f"{url}/1.0", content=data, trust_env=False).content == expected.content


def test_curl_as_the_readme_has_it(server: RunningServer) -> None:
    url = f"{server.url}/predictions/resnet18"
    sample = str(SAMPLES[0])
    ways = (["-T", sample], ["-F", f"data=@{sample}"], ["--data-binary", f"@{sample}"])
    answers = [subprocess.check_output(["curl", "-sS", *way, url], text=True) for way in ways]
    assert len(set(answers)) == 1
    assert set(json.loads(answers[0])) == {"ant", "bee"}


def test_an_answer_is_every_label_most_likely_first(place: Place, jpeg: bytes) -> None:
    answer = place.predict("resnet18", jpeg, "image/jpeg").json()
    assert set(answer) == {"ant", "bee"}
    assert list(answer.values()) == sorted(answer.values(), reverse=True)
    assert sum(answer.values()) == pytest.approx(1, abs=1e-5)


def test_an_answer_tells_its_times_and_its_batch(place: Place, jpeg: bytes) -> None:
    for body in (jpeg, b"no picture"):
        headers = place.predict("resnet18", body, "image/jpeg").headers
        steps = dict(step.split(";dur=") for step in headers["server-timing"].split(", "))
        assert list(steps) == ["preprocess", "inference", "postprocess"]
        assert all(float(time_ms) >= 0 for time_ms in steps.values())
        assert headers["x-batch-size"] == "1"
        assert headers["content-type"] == "application/json"


def test_what_is_served_is_what_the_archives_say(server: RunningServer) -> None:
    document = httpx.get(f"{server.url}/models.json", trust_env=False).json()
    models = {model["name"]: model for model in document["models"]}
    assert models["resnet18"]["labels"] == ["ant", "bee"]
    assert models["resnet18"]["limits"] == {"max_bytes": 10_000_000, "max_pixels": 25_000_000}
    assert models["colours"]["title"] == "Colours"
    for model in models.values():
        for sample in model["samples"]:
            content = httpx.get(server.url + sample["url"], trust_env=False).raise_for_status().content
            assert server.predict(model["name"], content).status_code == 200


def test_the_server_applies_the_settings_of_the_archive(server: RunningServer) -> None:
    applied = server.management.describe("colours")
    wanted = {"batchSize": 4, "maxBatchDelay": 20, "minWorkers": 1, "responseTimeout": 10}
    if server.state.server == "mms":
        del wanted["responseTimeout"]  # it takes it, and does not tell
    assert {key: applied[key] for key in wanted} == wanted


def test_a_red_picture_is_red(place: Place, tiny_models: Path) -> None:
    answer = place.predict("colours", (tiny_models / "colours/samples/red.png").read_bytes()).json()
    assert next(iter(answer)) == "red"
