"""A server's row to one payload: raw body, multipart part or JSON field, the same on every server."""

import base64
import binascii
import json
import re
from email.message import Message
from typing import Any, Dict, Mapping, Union

from .errors import (
    EmptyBody,
    MalformedBase64,
    MalformedJson,
    MissingField,
    PayloadTooLarge,
    TextTooLong,
    UnsupportedType,
    UnusableInput,
    WrongEncoding,
)
from .forms import is_urlencoded, parse_multipart, parse_urlencoded

# The request's own content type, where a proxy sends the body as bytes without one, so that no server parses it.
SENT_TYPE = "x-marina-content-type"
# Where servers put the input: a raw body, or the part of a multipart form.
PARTS = ("body", "data")
FORM_TYPE = "multipart/form-data"
URLENCODED_TYPE = "application/x-www-form-urlencoded"
# Content types that say nothing about the bytes: the last is what `curl -d` calls everything.
UNTYPED = ("", "application/octet-stream", URLENCODED_TYPE)
JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain"
# How bytes without a type begin that may be JSON, and such as are nothing else.
JSON_START = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*[\[{]")
OBJECT_START = re.compile(rb'(?:\xef\xbb\xbf)?[ \t\r\n]*\{[ \t\r\n]*"')
BYTE_ORDER_MARK = "\ufeff"
# As clients name UTF-8, and a part of it.
CHARSETS = ("", "utf-8", "utf8", "us-ascii", "ascii")
# Digits of a whole number in JSON; what has more is read as a float, for it would take long.
LONGEST_INT = 20
# Brackets, braces, commas and colons of a JSON body, at most. Parsed, a value takes up to 60 times its bytes: 10 MB of
# "[]," took 2 GB and 11 seconds. A text of 100,000 characters may consist of them.
MOST_JSON_MARKS = 1000000
# Bytes of one code point in JSON, as a pair of escapes; and of what may stand around the text.
LONGEST_ESCAPE = 12
JSON_AROUND = 65536
# A base64 text's alphabets: the usual one and the one for addresses (RFC 4648); and the white space in it.
URLSAFE, USUAL = b"-_", b"+/"
WHITE_SPACE = b" \t\r\n\v\f"
ONE_INPUT = "The form has more than one input; send one per request."
NO_DOCUMENT = object()


class Fields(Dict[str, str]):
    """A urlencoded form's fields, which stand where else a JSON object does."""


class Payload:
    """What one request brings: ``value`` as the server gave it, its media type and its content encoding.

    ``charset`` is that of the whole form, for a part that names none.
    """

    def __init__(self, value: Any, content_type: str = "", content_encoding: str = "", charset: str = "") -> None:
        self.value = value
        self.content_type = media_type(content_type)
        self.charset = read_charset(content_type) or charset
        self.content_encoding = content_encoding.strip().lower()

    def read_bytes(self, field: str, accepted: str, max_bytes: int) -> bytes:
        """The input as bytes: the body itself, or the base64 text in the ``field`` of a JSON body or a urlencoded form.

        ``accepted`` is what the media type of a raw body may begin with, such as "image/".
        Raises EmptyBody, PayloadTooLarge, UnsupportedType, MalformedJson, MalformedBase64, MissingField,
        UnusableInput, WrongEncoding.
        """
        document = self.find_document(accepted)
        if document is not NO_DOCUMENT:
            return decode_base64(read_input(document, field), max_bytes)
        if not isinstance(self.value, (bytes, bytearray)):
            raise UnsupportedType("The body is text; send bytes.")
        return within_limit(bytes(self.value), max_bytes)

    def read_text(self, field: str, max_bytes: int, max_chars: int, min_chars: int) -> str:
        """The input as text: the body itself in UTF-8, or the text in the ``field`` of a JSON body or urlencoded form.

        ``max_bytes`` limits a raw body; ``min_chars`` leaves the white space at both ends out.
        Raises EmptyBody, PayloadTooLarge, TextTooLong, UnsupportedType, WrongEncoding, UnusableInput,
        MalformedJson, MissingField.
        """
        text = self.value
        document = self.find_document(TEXT_TYPE, LONGEST_ESCAPE * max_chars + JSON_AROUND)
        if document is not NO_DOCUMENT:
            text = read_input(document, field)
        if isinstance(text, (bytes, bytearray)):
            text = self.decode_text(within_limit(bytes(text), max_bytes))
        if not isinstance(text, str):
            raise UnusableInput('The field "%s" must hold text.' % field)
        return usable_text(text, max_chars, min_chars)

    def read_json(self, accepted: str) -> Any:
        """The JSON document, or the form's fields, that holds the input; None where the body is the input itself.

        Raises EmptyBody, UnsupportedType, MalformedJson, UnusableInput, WrongEncoding.
        """
        document = self.find_document(accepted)
        return None if document is NO_DOCUMENT else document

    def find_document(self, accepted: str, max_bytes: float = float("inf")) -> Any:
        """What holds the input, a JSON document or a form's ``Fields``, or NO_DOCUMENT where the body is the input.

        Bytes without a type are a document if they parse as one. Raises PayloadTooLarge over ``max_bytes``, and as
        ``read_json``.
        """
        self.check_type(accepted)
        if isinstance(self.value, (dict, list)):
            return self.value
        is_small = not isinstance(self.value, (bytes, bytearray)) or len(self.value) <= max_bytes
        if self.content_type == JSON_TYPE:
            return parse_json(self.value if is_small else within_limit(self.value, int(max_bytes)), self.charset)
        if self.content_type in UNTYPED and isinstance(self.value, (bytes, bytearray)) and is_small:
            return find_untyped(self.value, self.content_type == URLENCODED_TYPE, self.charset)
        return NO_DOCUMENT

    def check_type(self, accepted: str) -> None:
        """Raises UnsupportedType where the body is of a type that is not taken, or compressed."""
        if self.content_encoding not in ("", "identity"):
            raise UnsupportedType("The body is compressed; send it without a Content-Encoding.")
        if self.content_type in UNTYPED or self.content_type == JSON_TYPE or isinstance(self.value, (dict, list)):
            return
        is_family = accepted.endswith("/")
        fits = self.content_type.startswith(accepted) if is_family else self.content_type == accepted
        if not fits:
            wanted = accepted + "*" if is_family else accepted
            raise UnsupportedType("This content type is not taken; send %s or %s." % (wanted, JSON_TYPE))

    def decode_text(self, data: bytes) -> str:
        """Strict UTF-8 as text. Raises UnsupportedType and WrongEncoding."""
        if self.charset not in CHARSETS:
            raise UnsupportedType("This charset is not taken; send the text in UTF-8.")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise WrongEncoding("The body is not valid UTF-8.") from None


def media_type(content_type: str) -> str:
    return content_type.split(";")[0].strip().lower()


def read_charset(content_type: str) -> str:
    """The charset that a Content-Type names, in lower case, or nothing."""
    message = Message()
    message["Content-Type"] = content_type.replace("\r", "").replace("\n", "")
    return message.get_content_charset("")


def usable_text(text: str, max_chars: int, min_chars: int) -> str:
    """The text itself, if the model can work on it. Raises EmptyBody, TextTooLong, UnusableInput, WrongEncoding."""
    if not text:
        raise EmptyBody("The text is empty.")
    if len(text) > max_chars:
        raise TextTooLong("The text has %d characters; at most %d are allowed." % (len(text), max_chars))
    length = len(text.strip())
    if length < min_chars:
        raise UnusableInput(
            "The text has %d characters without the white space around it; it needs at least %d." % (length, min_chars)
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # JSON can write such halves as escapes
        raise WrongEncoding("The text holds half of a surrogate pair, which is no character.") from None
    return text


def read_payload(row: Mapping[str, Any], headers: Mapping[str, Any]) -> Payload:
    """The payload of one request.

    ``row`` maps part names to values (bytes; text or parsed JSON where a server decodes them first), ``headers``
    maps header names, in the client's spelling, to text, and part names to that part's own headers.
    Raises EmptyBody, MissingField and UnusableInput, and what ``parse_multipart`` does.
    """
    lowered = {name.lower(): value for name, value in headers.items() if isinstance(value, str)}
    sent = lowered.get(SENT_TYPE)
    # Of a raw body the server's note of the type lacks the parameters, which the request's own header has.
    content_type = lowered.get("content-type", "") if sent is None else sent
    encoding = lowered.get("content-encoding", "")
    is_form = media_type(content_type) == FORM_TYPE
    if is_form and sent is not None:
        return read_form(row.get("body"), content_type)
    given = [name for name in PARTS if row.get(name) is not None]
    if is_form and len(given) > 1:
        raise UnusableInput(ONE_INPUT)
    if not given and row and media_type(content_type) == URLENCODED_TYPE:  # which the server has parsed
        return Payload(Fields({name: as_text(value) for name, value in row.items()}), content_type, encoding)
    if not given or (is_form and given == ["body"]):
        if row:
            raise MissingField("The form has no field named data.")
        raise EmptyBody("The body is empty.")
    part = given[0]
    own = headers.get(part)
    own = own if isinstance(own, dict) else {}
    return Payload(row[part], own.get("content-type", "") if part == "data" else content_type, encoding)


def read_form(body: Any, content_type: str) -> Payload:
    """The payload in the field "data" of a form. Raises as ``read_payload``."""
    if not body:
        raise EmptyBody("The body is empty.")
    parts = parse_multipart(body, content_type)
    if sum(part.name in PARTS for part in parts) > 1:
        raise UnusableInput(ONE_INPUT)
    for part in parts:
        if part.name == "data":
            return Payload(part.content, part.content_type, charset=read_charset(content_type))
    raise MissingField("The form has no field named data.")


def find_untyped(body: Any, may_be_form: bool, charset: str) -> Any:
    """The document that bytes without a type are, or NO_DOCUMENT. Raises as ``Payload.read_json``."""
    if JSON_START.match(body):
        try:
            return parse_json(body, charset)
        except MalformedJson:
            if OBJECT_START.match(body):  # no text begins so
                raise
    elif may_be_form and is_urlencoded(body):
        return read_fields(body, charset)
    return NO_DOCUMENT


def read_fields(body: bytes, charset: str) -> Any:
    """The ``Fields`` of a urlencoded form, or the JSON document in the only one of them, if that is called data.

    Raises UnusableInput, UnsupportedType, PayloadTooLarge, WrongEncoding, MalformedJson.
    """
    if charset not in CHARSETS:
        raise UnsupportedType("This charset is not taken; send the form in UTF-8.")
    pairs = parse_urlencoded(body)
    fields = Fields(pairs)
    if len(fields) < len(pairs):
        raise UnusableInput("The form has a field twice; send one input per request.")
    if list(fields) == ["data"]:
        document = find_untyped(fields["data"].encode("utf-8"), False, "")
        if document is not NO_DOCUMENT:
            return document
    return fields


def as_text(value: Any) -> Any:
    """A field as a server has parsed it, which may be bytes. Raises WrongEncoding."""
    if not isinstance(value, (bytes, bytearray)):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise WrongEncoding("The form is not valid UTF-8.") from None


def parse_json(value: Any, charset: str = "") -> Any:
    """A JSON body, parsed strictly: UTF-8, no NaN, no Infinity; a byte order mark is left out.

    ``charset`` is what the request says. Raises EmptyBody, MalformedJson, PayloadTooLarge and UnsupportedType.
    """
    if not isinstance(value, (bytes, bytearray, str)):
        return value
    text = value if isinstance(value, str) else decode_json(bytes(value), charset)
    if text.startswith(BYTE_ORDER_MARK):
        text = text[1:]
    if not text.strip():
        raise EmptyBody("The body is empty.")
    if sum(map(text.count, "[{,:")) > MOST_JSON_MARKS:
        raise PayloadTooLarge("The JSON holds too many values for one input.")
    try:
        return json.loads(text, parse_constant=refuse_constant, parse_int=read_whole_number)
    except (ValueError, RecursionError):
        raise MalformedJson("The body is not valid JSON.") from None


def decode_json(data: bytes, charset: str) -> str:
    """UTF-8, the one encoding of JSON (RFC 8259), as text; what is ASCII alone may be called by any other name."""
    try:
        text = data.decode("utf-8" if charset in CHARSETS else "ascii")
    except UnicodeDecodeError:
        if charset in CHARSETS:
            raise MalformedJson("The body is not valid JSON: it is not in UTF-8.") from None
        raise UnsupportedType("This charset is not taken; send JSON in UTF-8.") from None
    if charset not in CHARSETS and "\0" in text:  # UTF-16 or UTF-32
        raise UnsupportedType("This charset is not taken; send JSON in UTF-8.")
    return text


def read_whole_number(digits: str) -> Union[int, float]:
    return int(digits) if len(digits) <= LONGEST_INT else float(digits)


def refuse_constant(name: str) -> None:
    raise ValueError("JSON has no such number")


def read_field(document: Any, field: str) -> Any:
    """A field of a JSON object. Raises MissingField."""
    if not isinstance(document, dict) or document.get(field) is None:
        raise MissingField('The JSON must be an object with the field "%s".' % field)
    return document[field]


def read_input(document: Any, field: str) -> Any:
    """The input in a document's ``field``, or in a form's "data". Raises MissingField, and UnusableInput if in both."""
    if not isinstance(document, Fields):
        return read_field(document, field)
    given = [document[name] for name in (field, "data") if name in document]
    if len(given) > 1:
        raise UnusableInput(ONE_INPUT)
    if not given:
        raise MissingField(
            'The form has no field named "%s" or "data"; if the body is no form, send its own Content-Type.' % field
        )
    return given[0]


def decode_base64(text: Any, max_bytes: int) -> bytes:
    """Base64 text as bytes; a data URL's head and line breaks are allowed. Raises as ``read_bytes``.

    Of either alphabet, but not of both (RFC 4648), and without its padding too.
    """
    if not isinstance(text, str):
        raise MalformedBase64("The field must hold base64 text.")
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        packed = text.encode("ascii").translate(None, WHITE_SPACE)
        if any(letter in packed for letter in URLSAFE):
            if any(letter in packed for letter in USUAL):
                raise MalformedBase64("The field mixes the two alphabets of base64.")
            packed = packed.translate(bytes.maketrans(URLSAFE, USUAL))
        # Four letters carry three bytes; told apart before they are decoded.
        if len(packed) * 3 // 4 - packed[-2:].count(b"=") > max_bytes:
            raise PayloadTooLarge("The input is larger than the allowed %d bytes." % max_bytes)
        if not packed.endswith(b"="):
            packed += b"=" * (-len(packed) % 4)
        return within_limit(base64.b64decode(packed, validate=True), max_bytes)
    except (UnicodeEncodeError, binascii.Error):
        raise MalformedBase64("The field does not hold valid base64.") from None


def within_limit(data: bytes, max_bytes: int) -> bytes:
    if not data:
        raise EmptyBody("The input is empty.")
    if len(data) > max_bytes:
        raise PayloadTooLarge("The input has %d bytes; at most %d are allowed." % (len(data), max_bytes))
    return data
