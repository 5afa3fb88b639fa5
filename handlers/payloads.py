"""A server's row to one payload: raw body, multipart part or JSON field, the same on every server."""

import base64
import binascii
import json
from email.message import Message
from typing import Any, Mapping, Union

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

# Where servers put the input: a raw body, or the part of a multipart form.
PARTS = ("body", "data")
# Content types that say nothing about the bytes.
UNTYPED = ("", "application/octet-stream", "application/x-www-form-urlencoded")
JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain"
# As clients name UTF-8, and a part of it.
CHARSETS = ("", "utf-8", "utf8", "us-ascii", "ascii")
# Digits of a whole number in JSON; what has more is read as a float, for it would take long.
LONGEST_INT = 20
# Bytes of one code point in JSON, as a pair of escapes; and of what may stand around the text.
LONGEST_ESCAPE = 12
JSON_AROUND = 65536


class Payload:
    """What one request brings: ``value`` as the server gave it, its media type and its content encoding."""

    def __init__(self, value: Any, content_type: str = "", content_encoding: str = "") -> None:
        self.value = value
        self.content_type = content_type.split(";")[0].strip().lower()
        self.charset = read_charset(content_type)
        self.content_encoding = content_encoding.strip().lower()

    def read_bytes(self, field: str, accepted: str, max_bytes: int) -> bytes:
        """The input as bytes: the body itself, or the base64 text in the ``field`` of a JSON body.

        ``accepted`` is what the media type of a raw body may begin with, such as "image/".
        Raises EmptyBody, PayloadTooLarge, UnsupportedType, MalformedJson, MalformedBase64, MissingField.
        """
        if self.is_json(accepted):
            return decode_base64(read_field(parse_json(self.value), field), max_bytes)
        if not isinstance(self.value, (bytes, bytearray)):
            raise UnsupportedType("The body is text; send bytes.")
        return within_limit(bytes(self.value), max_bytes)

    def read_text(self, field: str, max_bytes: int, max_chars: int, min_chars: int) -> str:
        """The input as text: the body itself in UTF-8, or the text in the ``field`` of a JSON body.

        ``max_bytes`` limits a raw body; ``min_chars`` leaves the white space at both ends out.
        Raises EmptyBody, PayloadTooLarge, TextTooLong, UnsupportedType, WrongEncoding, UnusableInput,
        MalformedJson, MissingField.
        """
        text = self.value
        if self.is_json(TEXT_TYPE):
            if isinstance(text, (bytes, bytearray)):
                within_limit(bytes(text), LONGEST_ESCAPE * max_chars + JSON_AROUND)
            text = read_field(parse_json(text), field)
        if isinstance(text, (bytes, bytearray)):
            text = self.decode_text(within_limit(bytes(text), max_bytes))
        if not isinstance(text, str):
            raise UnusableInput('The field "%s" must hold text.' % field)
        return usable_text(text, max_chars, min_chars)

    def read_json(self, accepted: str) -> Any:
        """The JSON document that holds the input, or None where the body is the input itself.

        Raises EmptyBody, UnsupportedType, MalformedJson.
        """
        return parse_json(self.value) if self.is_json(accepted) else None

    def is_json(self, accepted: str) -> bool:
        """Whether the input is in a JSON document; raises UnsupportedType where it is nothing that is taken."""
        if self.content_encoding not in ("", "identity"):
            raise UnsupportedType("The body is compressed; send it without a Content-Encoding.")
        if self.content_type == JSON_TYPE or isinstance(self.value, (dict, list)):
            return True
        is_family = accepted.endswith("/")
        fits = self.content_type.startswith(accepted) if is_family else self.content_type == accepted
        if self.content_type not in UNTYPED and not fits:
            wanted = accepted + "*" if is_family else accepted
            raise UnsupportedType("This content type is not taken; send %s or %s." % (wanted, JSON_TYPE))
        return False

    def decode_text(self, data: bytes) -> str:
        """Strict UTF-8 as text. Raises UnsupportedType and WrongEncoding."""
        if self.charset not in CHARSETS:
            raise UnsupportedType("This charset is not taken; send the text in UTF-8.")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise WrongEncoding("The body is not valid UTF-8.") from None


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
    Raises EmptyBody and MissingField.
    """
    part = next((name for name in PARTS if row.get(name) is not None), None)
    if part is None:
        if row:
            raise MissingField("The form has no field named data.")
        raise EmptyBody("The body is empty.")
    lowered = {name.lower(): value for name, value in headers.items() if isinstance(value, str)}
    own = headers.get(part)
    own = own if isinstance(own, dict) else {}
    # Of a raw body the server's note of the type lacks the parameters, which the request's own header has.
    content_type = own.get("content-type", "") if part == "data" else lowered.get("content-type", "")
    return Payload(row[part], content_type, lowered.get("content-encoding", ""))


def parse_json(value: Any) -> Any:
    """A JSON body, parsed strictly: UTF-8, no NaN, no Infinity. Raises EmptyBody and MalformedJson."""
    if not isinstance(value, (bytes, bytearray, str)):
        return value
    if not value.strip():
        raise EmptyBody("The body is empty.")
    try:
        text = value if isinstance(value, str) else bytes(value).decode("utf-8")
        return json.loads(text, parse_constant=refuse_constant, parse_int=read_whole_number)
    except (ValueError, RecursionError):
        raise MalformedJson("The body is not valid JSON.") from None


def read_whole_number(digits: str) -> Union[int, float]:
    return int(digits) if len(digits) <= LONGEST_INT else float(digits)


def refuse_constant(name: str) -> None:
    raise ValueError("JSON has no such number")


def read_field(document: Any, field: str) -> Any:
    """A field of a JSON object. Raises MissingField."""
    if not isinstance(document, dict) or document.get(field) is None:
        raise MissingField('The JSON must be an object with the field "%s".' % field)
    return document[field]


def decode_base64(text: Any, max_bytes: int) -> bytes:
    """Base64 text as bytes; a data URL's head and line breaks are allowed. Raises as ``read_bytes``."""
    if not isinstance(text, str):
        raise MalformedBase64("The field must hold base64 text.")
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        packed = "".join(text.split()).encode("ascii")
        # Four letters carry three bytes; told apart before they are decoded.
        if len(packed) // 4 * 3 - packed[-2:].count(b"=") > max_bytes:
            raise PayloadTooLarge("The input is larger than the allowed %d bytes." % max_bytes)
        return within_limit(base64.b64decode(packed, validate=True), max_bytes)
    except (UnicodeEncodeError, binascii.Error):
        raise MalformedBase64("The field does not hold valid base64.") from None


def within_limit(data: bytes, max_bytes: int) -> bytes:
    if not data:
        raise EmptyBody("The input is empty.")
    if len(data) > max_bytes:
        raise PayloadTooLarge("The input has %d bytes; at most %d are allowed." % (len(data), max_bytes))
    return data
