"""One input, whatever a server makes of the request."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.errors import (
    EmptyBody,
    MalformedBase64,
    MalformedJson,
    MissingField,
    PayloadTooLarge,
    RequestError,
    UnsupportedType,
)
from handlers.payloads import read_payload

LIMIT = 1000


def read(row: dict[str, object], headers: dict[str, object] | None = None) -> bytes:
    return read_payload(row, headers or {}).read_bytes("image", "image/", LIMIT)


@given(st.binary(min_size=1, max_size=LIMIT))
def test_every_way_in_gives_the_same_bytes(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    wrapped = base64.encodebytes(data).decode()
    json_header = {"Content-Type": "application/json"}
    assert read({"body": data}) == data
    assert read({"body": bytearray(data)}, {"content-type": "image/png"}) == data
    assert read({"data": data}, {"data": {"content-type": "image/jpeg"}, "Content-Type": "multipart/form-data"}) == data
    assert read({"body": json.dumps({"image": text}).encode()}, json_header) == data
    assert read({"body": json.dumps({"image": wrapped}).encode()}, json_header) == data
    assert read({"body": json.dumps({"image": f"data:image/png;base64,{text}"}).encode()}, json_header) == data
    assert read({"body": {"image": text}}, json_header) == data  # a server that parses JSON itself


@given(st.binary(min_size=LIMIT + 1, max_size=LIMIT + 50))
def test_the_limit_holds_for_raw_bytes_and_for_base64(data: bytes) -> None:
    for row, headers in (
        ({"body": data}, {}),
        ({"body": {"image": base64.b64encode(data).decode()}}, {"Content-Type": "application/json"}),
    ):
        with pytest.raises(PayloadTooLarge):
            read(row, headers)


def test_a_number_of_a_document_is_itself_unless_it_is_long() -> None:
    def parse(text: str) -> object:
        header = {"Content-Type": "application/json"}
        return read_payload({"body": text.encode()}, header).read_json("image/")

    for number in (0, -1, 1_590_493_849, 2**63):
        assert parse(str(number)) == number
        assert type(parse(str(number))) is int
    for text in ("1.0", "1e3", "9" * 100_000):
        assert type(parse(text)) is float
    assert read_payload({"body": b"picture"}, {}).read_json("image/") is None


@pytest.mark.parametrize(
    ("row", "headers", "error"),
    [
        ({}, {}, EmptyBody),
        ({"body": b""}, {}, EmptyBody),
        ({"photo": b"x"}, {}, MissingField),
        ({"body": b"x"}, {"CONTENT-TYPE": "text/plain"}, UnsupportedType),
        ({"body": "x"}, {}, UnsupportedType),
        ({"body": b"x"}, {"Content-Encoding": "gzip"}, UnsupportedType),
        ({"data": b"x"}, {"data": {"content-type": "text/csv"}}, UnsupportedType),
        ({"body": b"{"}, {"Content-Type": "application/json"}, MalformedJson),
        ({"body": b'{"image": Infinity}'}, {"Content-Type": "application/json"}, MalformedJson),
        ({"body": b"{}"}, {"Content-Type": "application/json"}, MissingField),
        ({"body": b'{"image": "a"}'}, {"Content-Type": "application/json"}, MalformedBase64),
        ({"body": b'{"image": ["a"]}'}, {"Content-Type": "application/json"}, MalformedBase64),
        ({"body": '{"image": "é"}'.encode()}, {"Content-Type": "application/json"}, MalformedBase64),
    ],
)
def test_what_is_wrong_is_named(row: dict[str, object], headers: dict[str, object], error: type[RequestError]) -> None:
    with pytest.raises(error):
        read(row, headers)


@given(
    st.dictionaries(st.sampled_from(["body", "data", "x"]), st.none() | st.binary() | st.text() | st.integers()),
    st.dictionaries(st.sampled_from(["Content-Type", "body", "data", "content-encoding"]), st.text(max_size=20)),
)
def test_any_row_is_bytes_or_an_error_of_the_request(row: dict[str, object], headers: dict[str, object]) -> None:
    try:
        assert isinstance(read(row, headers), bytes)
    except RequestError as error:
        assert error.status in (400, 413, 415, 422)


@given(st.text(min_size=5).filter(lambda text: not text.isascii()))
def test_a_message_holds_no_piece_of_the_input(text: str) -> None:
    for body in (json.dumps({"image": text}), text):
        with pytest.raises(RequestError) as caught:
            read({"body": body.encode("utf-8", "surrogatepass")}, {"Content-Type": "application/json"})
        assert text not in str(caught.value)
