"""Each kind of text that can't be answered has its status."""

import json
from typing import Any

import pytest

from handlers.errors import PayloadTooLarge, RequestError
from handlers.local import LocalContext, answer_batch
from handlers.payloads import read_payload
from tests.handlers.conftest import ask

BAD: dict[str, tuple[object, int, str]] = {
    "empty": ("", 400, "EmptyBody"),
    "empty field": (None, 422, "MissingField"),
    "white space": (" \t\n\u2003", 422, "UnusableInput"),
    "under the minimum": (" a ", 422, "UnusableInput"),
    "only controls": ("\0\x01\0", 422, "UnusableInput"),
    "over the maximum": ("a" * 100_001, 413, "TextTooLong"),
    "too many bytes": ("\U0001f600" * 250_001, 413, "PayloadTooLarge"),
    "no UTF-8": (b"Ada \xff", 400, "WrongEncoding"),
    "half a pair in bytes": (b"Ada \xed\xa0\x80", 400, "WrongEncoding"),
    "a number": (7, 422, "UnusableInput"),
    "a list": (["Ada"], 422, "UnusableInput"),
    "true": (True, 422, "UnusableInput"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_kind_of_bad_text_has_its_status(names: Any, name: str) -> None:
    text, status, kind = BAD[name]
    ((got, body),) = ask(names, text)
    assert (got, body["type"]) == (status, kind)


def test_half_a_surrogate_pair_written_as_json_is_refused(names: Any) -> None:
    for escaped, status in ((b"\\ud83d", 400), (b"\\udc00\\ud800", 400), (b"\\ud83d\\ude00", 200)):
        payload = {"body": b'{"text": "' + escaped + b' Ada"}'}
        headers = [{"Content-Type": "application/json"}]
        ((got, body),) = answer_batch(names.handle, LocalContext("."), [payload], headers)
        assert got == status
        if status == 200:
            assert json.loads(body)[0]["start"] == 2  # a pair is one code point


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ('text/plain; format=flowed; charset="latin-1"', "charset"),
        ("text/plain;charset = utf-16", "charset"),
        ("text/plain; charset=UTF-8", "not valid UTF-8"),
        ("text/plain; x-charset=latin-1", "not valid UTF-8"),
        ("text/plainer", "content type"),
        ("text/html", "content type"),
    ],
)
def test_text_has_to_be_plain_and_in_utf_8(content_type: str, message: str) -> None:
    # As TorchServe has it: of the body's own type it notes only the beginning.
    headers = {"Content-Type": content_type, "body": {"content-type": content_type.partition(";")[0]}}
    payload = read_payload({"body": "Zo\u00eb".encode("latin-1")}, headers)
    with pytest.raises(RequestError, match=message):
        payload.read_text("text", 100, 100, 1)


def test_json_is_as_long_as_its_text_may_be() -> None:
    headers = {"Content-Type": "application/json"}
    longest = b'{"text": "' + b"\\ud83d\\ude00" * 10_000 + b'"}'
    assert len(read_payload({"body": longest}, headers).read_text("text", 10, 10_000, 1)) == 10_000
    around = b'{"text": "Ada", "more": [' + b"7, " * 60_000 + b"7]}"
    with pytest.raises(PayloadTooLarge):
        read_payload({"body": around}, headers).read_text("text", 10, 1000, 1)
    digits = b'{"text": "Ada", "number": ' + b"9" * 50_000 + b"}"
    assert read_payload({"body": digits}, headers).read_text("text", 10, 1000, 1) == "Ada"
