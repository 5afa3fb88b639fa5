"""One input, whatever a server makes of the request."""

import base64
import json
import tracemalloc
from urllib.parse import urlencode

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
    UnusableInput,
    WrongEncoding,
)
from handlers.payloads import SENT_TYPE, parse_json, read_payload

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


@given(st.binary(min_size=1, max_size=LIMIT), st.booleans(), st.booleans())
def test_base64_of_either_alphabet_with_or_without_padding_is_taken(data: bytes, urlsafe: bool, padded: bool) -> None:
    text = (base64.urlsafe_b64encode if urlsafe else base64.b64encode)(data).decode()
    body = json.dumps({"image": text if padded else text.rstrip("=")}).encode()
    assert read({"body": body}, {"Content-Type": "application/json"}) == data


@pytest.mark.parametrize(
    "text", ["-+AA", "_/AA", "AA-A/AAA", "A", "AAAAA", "QQ=", "QQ===", "=", "====", "Q=Q=", "QQ==QQ=="]
)
def test_base64_of_mixed_alphabets_or_of_a_part_of_its_padding_is_not(text: str) -> None:
    with pytest.raises(MalformedBase64):
        read({"body": json.dumps({"image": text}).encode()}, {"Content-Type": "application/json"})


@given(st.binary(min_size=LIMIT + 1, max_size=LIMIT + 50))
def test_the_limit_holds_for_raw_bytes_and_for_base64(data: bytes) -> None:
    for row, headers in (
        ({"body": data}, {}),
        ({"body": {"image": base64.b64encode(data).decode()}}, {"Content-Type": "application/json"}),
    ):
        with pytest.raises(PayloadTooLarge):
            read(row, headers)


def text_of(body: object, content_type: str = "", part: str = "body", sent: bool = True) -> str:
    """A text as a proxy hands it on, or as a server does that has read the request itself."""
    headers: dict[str, object] = {SENT_TYPE if sent else "Content-Type": content_type} if content_type else {}
    return read_payload({part: body}, headers).read_text("text", 10_000, 1000, 1)


URLENCODED = "application/x-www-form-urlencoded"
UNTYPED = ["", "application/octet-stream", URLENCODED, URLENCODED + "; charset=UTF-8"]


@pytest.mark.parametrize("content_type", UNTYPED)
@pytest.mark.parametrize("before", ["", "\ufeff", " \r\n"])
def test_json_without_its_type_is_json(content_type: str, before: str) -> None:
    """`curl -d '{"text": ...}'`, which calls it a form."""
    assert text_of((before + '{"text": "Ada = {x}"}').encode(), content_type) == "Ada = {x}"
    for body, error in (('{"texts": "Ada"}', MissingField), ("[1]", MissingField), ('{ "text": "Ad', MalformedJson)):
        with pytest.raises(error):
            text_of((before + body).encode(), content_type)


@pytest.mark.parametrize("content_type", [*UNTYPED, "text/plain"])
@pytest.mark.parametrize(
    "text",
    ["E=mc2 is known", "A plain sentence.", "[1] The first = 1.", "{sic} he said", "100%", "caf\u00e9=1", "a&b", "Ada"],
)
def test_a_sentence_is_a_sentence_whatever_its_type(content_type: str, text: str) -> None:
    assert text_of(text.encode(), content_type) == text


def test_a_text_that_says_so_is_a_text() -> None:
    for text in ('{"text": "Ada"}', "text=Ada", "\ufeffAda"):
        assert text_of(text.encode(), "text/plain; charset=utf-8") == text


@given(
    st.text(min_size=1, max_size=80).filter(
        lambda text: text.strip("\ufeff \t\r\n")[:1] not in ("", "{", "[") and text.strip()
    ),
    st.booleans(),
)
def test_a_urlencoded_form_is_read_as_a_form(text: str, sent: bool) -> None:
    """`requests.post(url, data={"text": ...})`, and a server that has parsed it."""
    for field in ("text", "data"):
        body = urlencode({"more": "1", field: text}).encode()
        assert text_of(body, URLENCODED) == text
    assert text_of(text.encode(), URLENCODED, "text", sent=False) == text
    assert text_of(text, URLENCODED, "text", sent=False) == text


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("text=Ada&data=Ada", UnusableInput),
        ("text=Ada&text=Ada", UnusableInput),
        ("word=Ada", MissingField),
        ("E=mc2", MissingField),
        ("text=", EmptyBody),
        ("text=%FF", WrongEncoding),
        ("&".join(f"a{number}=1" for number in range(1000)), PayloadTooLarge),
    ],
)
def test_a_urlencoded_form_without_one_input_is_refused(body: str, error: type[RequestError]) -> None:
    with pytest.raises(error):
        text_of(body.encode(), URLENCODED)


def test_a_urlencoded_form_can_hold_json_or_base64() -> None:
    assert text_of(urlencode({"data": '{"text": "Ada"}'}).encode(), URLENCODED) == "Ada"
    data = bytes(range(256))
    for field in ("image", "data"):
        body = urlencode({field: base64.b64encode(data).decode()}).encode()
        assert read({"body": body}, {SENT_TYPE: URLENCODED}) == data
    assert read({"body": b"\xff\xd8\xff=&%"}, {SENT_TYPE: URLENCODED}) == b"\xff\xd8\xff=&%"


def test_a_form_that_a_server_parsed_has_one_input() -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert read({"data": b"1", "retry": b"0"}, headers) == b"1"
    with pytest.raises(UnusableInput):
        read({"data": b"1", "body": b"1"}, headers)
    with pytest.raises(MissingField):
        read({"body": b"1"}, headers)


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", "; charset=ascii", "; charset=iso-8859-1"])
def test_a_byte_order_mark_is_no_json(charset: str) -> None:
    def parse(body: bytes) -> object:
        return read_payload({"body": body}, {"Content-Type": "application/json" + charset}).read_json("image/")

    assert parse(b'{"a": 1}') == {"a": 1}
    if "8859" not in charset:
        assert parse(b'\xef\xbb\xbf{"a": "\xc3\xa9"}') == {"a": "\u00e9"}
        with pytest.raises(EmptyBody):
            parse(b"\xef\xbb\xbf ")
        with pytest.raises(MalformedJson):
            parse(b'\xef\xbb\xbf\xef\xbb\xbf{"a": 1}')


@pytest.mark.parametrize(
    ("charset", "codec"), [("iso-8859-1", "latin-1"), ("windows-1252", "cp1252"), ("utf-16", "utf-16"), ("x", "utf-8")]
)
def test_json_in_another_encoding_is_told_so(charset: str, codec: str) -> None:
    body = '{"text": "\u00e9"}'.encode(codec)
    with pytest.raises(UnsupportedType, match="charset"):
        text_of(body, f"application/json; charset={charset}")
    if codec != "utf-8":
        with pytest.raises(MalformedJson, match="UTF-8"):
            text_of(body, "application/json")


def test_base64_of_many_megabytes_costs_little_memory() -> None:
    """White space between the letters is dropped without an object of each."""
    tracemalloc.start()
    with pytest.raises(PayloadTooLarge):
        read({"body": {"image": "A " * 2_000_000}})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30_000_000


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


@pytest.mark.parametrize("body", [b"[" + b"[]," * 600_000 + b"[]]", b"[" * 1_200_000, b'{"a":' * 600_000])
def test_json_of_too_many_values_is_refused_before_it_is_parsed(body: bytes) -> None:
    """Parsed, such a body takes 60 times its bytes."""
    with pytest.raises(PayloadTooLarge):
        parse_json(body)


def test_a_text_may_consist_of_marks() -> None:
    text = "[{,:" * 25_000
    assert parse_json(json.dumps({"text": text})) == {"text": text}
