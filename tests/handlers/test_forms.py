"""Forms are read as the field reads them, whatever is in them, and a faulty one is refused in our own words."""

import json
import re
from contextlib import suppress
from email import policy
from email.parser import BytesParser
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handlers.errors import (
    EmptyBody,
    MalformedBase64,
    MalformedForm,
    MissingField,
    PayloadTooLarge,
    RequestError,
    UnsupportedType,
    UnusableInput,
    WrongEncoding,
)
from handlers.forms import (
    MOST_PARTS,
    PIECE_BYTES,
    Part,
    is_urlencoded,
    parse_multipart,
    parse_urlencoded,
    read_parameters,
)
from handlers.payloads import read_payload

TYPE = "multipart/form-data; boundary=b"


def as_part(content: bytes, *headers: str, newline: bytes = b"\r\n") -> bytes:
    lines = [header.encode("latin-1") for header in headers]
    return newline.join([b"--b", *lines, b"", content, b""])


def form(*parts: bytes, newline: bytes = b"\r\n") -> bytes:
    return b"".join(parts) + b"--b--" + newline


def named(name: str, content: bytes, *headers: str) -> bytes:
    return as_part(content, f'Content-Disposition: form-data; name="{name}"', *headers)


# What may stand in a part: anything, and what looks like the lines between parts.
contents = st.lists(
    st.binary(max_size=20)
    | st.sampled_from([b"\r\n", b"\n", b"--b", b"\r\n--", b"\r\n--bb", b"\r\n--b ", b"\r\n\r\n", b"--", b"\r"]),
    max_size=8,
).map(b"".join)
boundaries = st.text("abcxyzABC0123456789'()+_,-./:=?", min_size=1, max_size=70)


@given(st.lists(st.tuples(st.sampled_from(["data", "x", "na me"]), st.binary(max_size=200)), max_size=5), boundaries)
def test_what_a_client_writes_is_read(fields: list[tuple[str, bytes]], boundary: str) -> None:
    """httpx writes the form."""
    body, content_type = write_form(fields, boundary)
    if f"\r\n--{boundary}".encode() in b"".join(b"\r\n" + content for _, content in fields):
        return  # no client would choose such a boundary
    assert [(part.name, part.content) for part in parse_multipart(body, content_type)] == fields


def write_form(fields: list[tuple[str, bytes]], boundary: str) -> tuple[bytes, str]:
    content_type = f'multipart/form-data; boundary="{boundary}"'
    files = [(name, ("f.bin", content, "image/png")) for name, content in fields]
    if not files:
        return f"--{boundary}--\r\n".encode(), content_type
    request = httpx.Request("POST", "http://x", files=files, headers={"Content-Type": content_type})
    return request.read(), content_type


@given(contents, contents, contents, st.sampled_from([b"\r\n", b"\n"]))
@example(b"", b"", b"", b"\r\n")
@example(b"\r\n--bb\r\n", b"\r\n--b", b"\r\n--b--", b"\r\n")
def test_any_bytes_are_read_as_the_standard_library_reads_them(
    first: bytes, second: bytes, around: bytes, newline: bytes
) -> None:
    body = b"".join(
        [
            around + newline if around else b"",
            as_part(first, "Content-Disposition: form-data; name=data", newline=newline),
            as_part(second, 'content-disposition: form-data; filename="a;b"; name="x"', newline=newline),
            form(newline=newline),
            around,
        ]
    )
    ambiguous = re.compile(rb"(?:^|\r|\n)--b[ \t]*(?:--|\r|\n|$)")
    if any(ambiguous.search(content + newline) for content in (first, second, around)):
        return  # a boundary within a part: readers differ
    if newline == b"\n" and any(b"\r" in content for content in (first, second, around)):
        return  # email's parser takes CR for the end of a line
    parts = [(part.name, part.content) for part in parse_multipart(body, TYPE)]
    assert parts == [("data", first), ("x", second)]
    head = f"Content-Type: {TYPE}\r\n\r\n".encode()
    message = BytesParser(policy=policy.HTTP).parsebytes(head + body)
    names = [part.get_param("name", header="content-disposition") for part in message.iter_parts()]
    assert names == [name for name, _ in parts]


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=b",
        'multipart/form-data; boundary="b"',
        "multipart/form-data;charset=UTF-8;boundary=b",
        "Multipart/Form-Data; charset=; Boundary=b",
        "multipart/form-data; boundary=b; charset=utf-8",
        'multipart/form-data; x="a;boundary=c\\"d"; boundary=b;',
        "multipart/form-data ; boundary = b ",
    ],
)
def test_a_forms_type_is_read_in_any_spelling(content_type: str) -> None:
    assert parse_multipart(form(named("data", b"1")), content_type) == [Part("data", b"1", "")]


@pytest.mark.parametrize(
    "headers",
    [
        ['Content-Disposition: form-data; name="data"'],
        ["content-disposition:form-data;name=data"],
        ['Content-Disposition: form-data; filename="x.txt"; name="data"'],
        ['Content-Disposition: form-data; name="data"; filename="C:\\dir\\x; name=y.png"'],
        ['Content-Disposition: form-data; name="data"; filename="a\\"b"'],
        ["Content-Disposition: form-data; name=data; filename*=%ZZ"],
        ["Content-Disposition: form-data; name=data; filename*=klingon''%41"],
        ["Content-Disposition: form-data;", " name=data"],
        ["X-More: 1", 'CONTENT-DISPOSITION: form-data; name="data"; filename="\xff\xe9"'],
        ["Content-Transfer-Encoding: binary", "Content-Disposition: form-data; name=data"],
    ],
)
def test_a_parts_name_is_found_in_any_spelling(headers: list[str]) -> None:
    (part,) = parse_multipart(form(as_part(b"\0\xff", *headers)), TYPE)
    assert (part.name, part.content) == ("data", b"\0\xff")


def test_what_stands_before_and_behind_is_no_part() -> None:
    body = b"--bc is not it\r\n--b-\r\n" + form(named("data", b"1")) + b"\r\n--b\r\nmore"
    assert [part.content for part in parse_multipart(body, TYPE)] == [b"1"]
    blank = form(named("data", b"1")).replace(b"--b\r\n", b"--b \t\r\n", 1)
    assert [part.content for part in parse_multipart(blank, TYPE)] == [b"1"]


def test_a_parts_own_type_and_encoding_count() -> None:
    (part,) = parse_multipart(form(named("data", b"{}", "Content-Type: application/json")), TYPE)
    assert part.content_type == "application/json"
    encoded = named("data", b"AP+/\r\nAP8=", "Content-Transfer-Encoding: BASE64")
    assert parse_multipart(form(encoded), TYPE)[0].content == b"\x00\xff\xbf\x00\xff"


GOOD = named("data", b"1")
FAULTS: dict[str, tuple[bytes, str, type[RequestError]]] = {
    "no boundary": (form(GOOD), "multipart/form-data", MalformedForm),
    "an empty boundary": (form(GOOD), "multipart/form-data; boundary=", MalformedForm),
    "an empty quoted boundary": (form(GOOD), 'multipart/form-data; boundary=""', MalformedForm),
    "a long boundary": (form(GOOD), "multipart/form-data; boundary=" + "b" * 71, MalformedForm),
    "a boundary with a control": (form(GOOD), 'multipart/form-data; boundary="b\tb"', MalformedForm),
    "a boundary not ASCII": (form(GOOD), "multipart/form-data; boundary=b\xe9", MalformedForm),
    "two boundaries": (form(GOOD), "multipart/form-data; boundary=b; boundary=c", MalformedForm),
    "an open quote": (form(GOOD), 'multipart/form-data; boundary="b', MalformedForm),
    "another boundary": (form(GOOD), "multipart/form-data; boundary=c", MalformedForm),
    "no form": (b"\xff\xd8\xff", TYPE, MalformedForm),
    "nothing": (b"", TYPE, EmptyBody),
    "no final boundary": (GOOD, TYPE, MalformedForm),
    "cut in a part": (form(GOOD)[:-8], TYPE, MalformedForm),
    "cut in the headers": (b"--b\r\nContent-Disposition: form-d", TYPE, MalformedForm),
    "lines that end in two ways": (form(GOOD).replace(b"\r\n\r\n", b"\n\n"), TYPE, MalformedForm),
    "no part": (b"--b--\r\n", TYPE, MissingField),
    "no headers": (form(b"--b\r\n\r\n1\r\n"), TYPE, MalformedForm),
    "no headers and no line": (form(b"--b\r\n"), TYPE, MalformedForm),
    "no name": (form(as_part(b"1", "Content-Disposition: form-data")), TYPE, MalformedForm),
    "an empty name": (form(named("", b"1")), TYPE, MalformedForm),
    "a name in another form": (form(as_part(b"1", "Content-Disposition: form-data; name*=data")), TYPE, MalformedForm),
    "two names": (form(as_part(b"1", "Content-Disposition: form-data; name=data; name=x")), TYPE, MalformedForm),
    "no disposition": (form(as_part(b"1", "Content-Type: text/plain")), TYPE, MalformedForm),
    "an attachment": (form(as_part(b"1", "Content-Disposition: attachment; name=data")), TYPE, MalformedForm),
    "a header twice": (form(named("data", b"1", "A: 1", "a: 2")), TYPE, MalformedForm),
    "a header without a colon": (form(named("data", b"1", "header")), TYPE, MalformedForm),
    "long headers": (form(named("data", b"1", "A: " + "a" * 10_000)), TYPE, PayloadTooLarge),
    "many parts": (form(*[GOOD] * (MOST_PARTS + 1)), TYPE, PayloadTooLarge),
    "bad base64": (form(named("data", b"A", "Content-Transfer-Encoding: base64")), TYPE, MalformedBase64),
    "an encoding": (form(named("data", b"=41", "Content-Transfer-Encoding: quoted-printable")), TYPE, UnsupportedType),
    "another field": (form(named("photo", b"1")), TYPE, MissingField),
    "a field body": (form(named("body", b"1")), TYPE, MissingField),
    "two inputs": (form(GOOD, named("data", b"2")), TYPE, UnusableInput),
    "the same input twice": (form(GOOD, GOOD), TYPE, UnusableInput),
    "data and body": (form(GOOD, named("body", b"2")), TYPE, UnusableInput),
    "a field and a file": (
        form(GOOD, as_part(b"2", 'Content-Disposition: form-data; name="data"; filename="x.png"')),
        TYPE,
        UnusableInput,
    ),
    "a charset": (form(named("data", b"1", "Content-Type: text/plain; charset=klingon")), TYPE, UnsupportedType),
    "a form's charset": (form(named("data", b"1")), TYPE + "; charset=klingon", UnsupportedType),
    "no UTF-8": (form(named("data", b"\xff")), TYPE, WrongEncoding),
    "a mixed form": (form(named("data", b"1")), "multipart/mixed; boundary=b", UnsupportedType),
}


def read(body: bytes, content_type: str) -> str:
    """The text in a request as a proxy hands it on."""
    headers = {"Content-Type": "application/octet-stream", "X-Marina-Content-Type": content_type}
    return read_payload({"body": body}, headers).read_text("text", 10_000, 10_000, 1)


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_its_error(name: str) -> None:
    body, content_type, error = FAULTS[name]
    with pytest.raises(RequestError) as caught:
        read(body, content_type)
    assert type(caught.value) is error
    assert caught.value.status in (400, 413, 415, 422)


@given(st.binary(max_size=300) | st.lists(contents, max_size=5).map(b"".join), st.text(max_size=40))
def test_whatever_is_sent_is_text_or_an_error_of_the_request(body: bytes, parameters: str) -> None:
    for content_type in (TYPE, "multipart/form-data; boundary=" + parameters, "multipart/form-data;" + parameters):
        for content in (body, b"--b\r\n" + body, form(named("data", b"1"), body)):
            try:
                assert read(content, content_type)
            except RequestError as error:
                assert error.status in (400, 413, 415, 422)
                assert parameters.strip() in ("", "-") or len(parameters) < 4 or parameters not in str(error)


def test_a_form_of_many_megabytes_is_searched_and_not_read_line_by_line() -> None:
    """Bytes that look like lines, like boundaries and like blanks, 10 MB of each: read in one pass."""
    for unit in (b"\n", b"\r\n--a", b"\r\n--", b"-", b" ", b"\r", b"\r\n--b" + b" " * 9_000_000):
        content = (unit * (10_000_000 // len(unit))).rstrip(b"\r") + b"."
        (part,) = parse_multipart(form(named("data", content)), TYPE)
        assert part.content == content
    lines = (b"\r\n--bb", b"\r\n--b .", b"\r\n--b-", b"--b\r\n", b"\n--b", b"\n--b ")
    for body in (line * (10_000_000 // len(line)) for line in lines):
        with pytest.raises(RequestError):
            parse_multipart(body, TYPE)
        with suppress(RequestError):
            parse_multipart(form(named("data", body)), TYPE)


@given(st.text(max_size=60))
def test_parameters_of_any_header_are_read_or_refused(header: str) -> None:
    try:
        value, parameters = read_parameters(header)
    except MalformedForm:
        return
    assert value == header.partition(";")[0].strip().lower()
    assert all(name == name.lower() for name in parameters)


@given(st.lists(st.tuples(st.text(min_size=1, max_size=5), st.text(max_size=10)), min_size=1, max_size=8))
def test_urlencoded_fields_are_read_as_the_standard_library_reads_them(pairs: list[tuple[str, str]]) -> None:
    body = urlencode(pairs).encode()
    assert is_urlencoded(body)
    assert parse_urlencoded(body) == parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True) == pairs


@given(st.integers(0, 5), st.integers(0, 5))
def test_no_escape_is_cut_in_two(before: int, after: int) -> None:
    text = "a" * (PIECE_BYTES - before) + "\u00e9\u4e01%" * after
    assert parse_urlencoded(urlencode({"text": text}).encode()) == [("text", text)]


@pytest.mark.parametrize(
    "text", ["E=mc2 is known", "E=mc\xb2", "a plain sentence", "a%2", "=100%", "", "abc", '{"a":"="}']
)
def test_what_holds_anything_else_is_no_urlencoded_form(text: str) -> None:
    assert not is_urlencoded(text.encode())


def test_a_form_of_json_is_json() -> None:
    document = json.dumps({"text": "Ada"}).encode()
    for headers in ([], ["Content-Type: application/json"], ["Content-Type: application/octet-stream"]):
        assert read(form(named("data", document, *headers)), TYPE) == "Ada"
    assert read(form(named("data", document, "Content-Type: text/plain")), TYPE) == document.decode()
