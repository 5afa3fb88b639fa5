"""Forms, and bodies whose type lies: the same answer at every place, and a fault in the promised form."""

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from tests.handlers.test_forms import FAULTS
from tests.places import Place
from tests.servers import RunningServer

TEXT = "Ada Lovelace met the cat in New York. E=mc2 & more."
URLENCODED = "application/x-www-form-urlencoded"
FORM = "multipart/form-data; boundary=b"


def part(content: bytes, *headers: str, name: str = "data") -> bytes:
    lines = [f'Content-Disposition: form-data; name="{name}"', *headers, "", ""]
    return b"--b\r\n" + "\r\n".join(lines).encode() + content + b"\r\n"


def as_json(text: str) -> bytes:
    return json.dumps({"text": text}).encode()


# Ways to send a text that say little about it, or the wrong thing.
WAYS: dict[str, tuple[bytes, str]] = {
    "a urlencoded form": (urlencode({"text": TEXT}).encode(), URLENCODED),
    "a urlencoded form with a charset": (urlencode({"text": TEXT}).encode(), URLENCODED + "; charset=UTF-8"),
    "a urlencoded form's data": (urlencode({"data": TEXT}).encode(), URLENCODED),
    "JSON called a form": (as_json(TEXT), URLENCODED),
    "JSON called nothing": (as_json(TEXT), ""),
    "JSON called bytes": (as_json(TEXT), "application/octet-stream"),
    "JSON with a byte order mark": (b"\xef\xbb\xbf" + as_json(TEXT), "application/json"),
    "a text called a form": (TEXT.encode(), URLENCODED),
    "a part without a file": (part(TEXT.encode()) + b"--b--\r\n", FORM),
    "a part of JSON": (part(as_json(TEXT), "Content-Type: application/json") + b"--b--\r\n", FORM),
    "a part of JSON without a type": (part(as_json(TEXT)) + b"--b--\r\n", FORM),
    "a part in base64": (
        part(base64.encodebytes(TEXT.encode()), "Content-Transfer-Encoding: base64") + b"--b--\r\n",
        FORM,
    ),
    "a form with a charset": (
        part(TEXT.encode()) + b"--b--\r\n",
        'multipart/form-data;charset=UTF-8;boundary="b"',
    ),
    "a form among other things": (b"before\r\n" + part(b"1", name="x") + part(TEXT.encode()) + b"--b--behind", FORM),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", ["names", "easy"])
def test_every_way_to_send_a_text_is_answered_alike(place: Place, model: str, way: str) -> None:
    path = f"/predictions/{model}"
    expected = place.post(path, TEXT.encode(), "text/plain")
    assert expected.status_code == 200
    body, content_type = WAYS[way]
    assert place.post(path, body, content_type).json() == expected.json()


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_of_a_form_has_its_error(place: Place, name: str) -> None:
    body, content_type, error = FAULTS[name]
    response = place.post("/predictions/easy", body, content_type)
    answer = response.json()
    assert (answer["type"], response.status_code) == (error.__name__, error.status)
    assert set(answer) == {"code", "type", "message"}
    assert answer["code"] == error.status


def test_a_faulty_form_costs_its_neighbours_nothing(place: Place, jpeg: bytes) -> None:
    expected = place.predict("resnet18", jpeg, "image/jpeg").json()
    bad = [(body, kind) for body, kind, _ in FAULTS.values() if body]
    mixed = [request for each in bad for request in ((jpeg, "image/jpeg"), each)]
    responses = place.post_together("/predictions/resnet18", mixed)
    for request, response in zip(mixed, responses, strict=True):
        assert response.status_code in ((200,) if request[0] is jpeg else (400, 413, 415, 422))
        if request[0] is jpeg:
            assert response.json() == pytest.approx(expected, abs=1e-5)


def test_a_picture_is_a_picture_whatever_a_form_says(place: Place, jpeg: bytes) -> None:
    expected = place.predict("resnet18", jpeg, "image/jpeg").json()
    text = base64.b64encode(jpeg).decode()
    for body, content_type in (
        (jpeg, URLENCODED),  # what curl --data-binary says
        (part(jpeg) + b"--b--", FORM),
        (part(jpeg, "Content-Type: image/jpeg") + b"--b--", FORM),
        (part(text.encode(), "Content-Transfer-Encoding: base64", "Content-Type: image/jpeg") + b"--b--", FORM),
        (urlencode({"image": text}).encode(), URLENCODED),
        (json.dumps({"image": text.replace("+", "-").replace("/", "_").rstrip("=")}).encode(), URLENCODED),
    ):
        assert place.predict("resnet18", body, content_type).json() == expected
    for body in (part(jpeg) + part(jpeg) + b"--b--", part(jpeg) + part(jpeg, name="body") + b"--b--"):
        response = place.predict("resnet18", body, FORM)
        assert (response.status_code, response.json()["type"]) == (422, "UnusableInput")


def test_clients_as_people_use_them(server: RunningServer, tmp_path: Path, jpeg: bytes) -> None:
    url = f"{server.url}/predictions/names"
    expected = server.post("/predictions/names", TEXT.encode(), "text/plain").json()
    assert httpx.post(url, data={"text": TEXT}, trust_env=False).json() == expected
    assert httpx.post(url, data={"data": TEXT}, trust_env=False).json() == expected
    assert httpx.post(url, files={"data": TEXT.encode()}, trust_env=False).json() == expected
    document = json.dumps({"text": TEXT})
    (tmp_path / "photo.jpg").write_bytes(jpeg)
    curl: Callable[..., object] = lambda *way: json.loads(subprocess.check_output(["curl", "-sS", *way]))  # noqa: E731
    for way in (
        ["-d", TEXT],
        ["-d", document],
        ["--data-urlencode", f"text={TEXT}"],
        ["-F", f"data={document};type=application/json"],
        ["-F", f"data={TEXT};type=text/plain"],
        ["-F", f"data={document}"],
    ):
        assert curl(*way, url) == expected
    photo = curl("--data-binary", f"@{tmp_path / 'photo.jpg'}", f"{server.url}/predictions/resnet18")
    assert photo == server.predict("resnet18", jpeg, "image/jpeg").json()
