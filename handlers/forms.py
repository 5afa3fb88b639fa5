"""Forms to their fields: ``multipart/form-data`` (RFC 7578, RFC 2046) and ``application/x-www-form-urlencoded``.

Read here and not by the server, which answers a faulty form in words of its own, and drops what it does not expect.
"""

import base64
import binascii
import re
from typing import Dict, List, NamedTuple, Optional, Tuple
from urllib.parse import unquote_to_bytes

from .errors import MalformedBase64, MalformedForm, PayloadTooLarge, UnsupportedType, WrongEncoding

# What a form may have; one that has more is not for a model.
MOST_PARTS = 100
MOST_HEAD_BYTES = 8192  # of the headers of one part
MOST_FALSE_BOUNDARIES = 1000  # what begins like one and goes on; clients choose one that is not in their data
MOST_ESCAPES = 1000000  # of a urlencoded form, half a second's work
MOST_BOUNDARY_CHARS = 70  # RFC 2046, section 5.1.1
# A parameter of a header, its value in quotes or not (RFC 9110, section 5.6.6).
PARAMETER = re.compile(r';[ \t]*(?:([!#$%&\'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^;"]*))?[ \t]*')
ESCAPED = re.compile(r'\\(["\\])')
BOUNDARY = re.compile(r"[!-~](?:[ -~]*[!-~])?")  # ASCII that can be printed, no blank at an end
BLANKS = re.compile(rb"[ \t]*")
# What a urlencoded form is written in, and how much of a body tells in most cases that it is none.
URLENCODED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-._~+%&="
NO_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
FIRST_BYTES = 64
PIECE_BYTES = 65536
# Content-Transfer-Encoding (RFC 2045) of parts whose bytes are as they stand.
PLAIN_ENCODINGS = ("", "7bit", "8bit", "binary")


class Part(NamedTuple):
    """One field of a form."""

    name: str
    content: bytes
    content_type: str  # its own; empty if it has none


def read_parameters(header: str) -> Tuple[str, Dict[str, str]]:
    """A header's value, such as a media type, in lower case, and its parameters by their names in lower case.

    Raises MalformedForm where they are no parameters, or one is given twice.
    """
    value, _, _ = header.partition(";")
    parameters: Dict[str, str] = {}
    place = len(value)
    while place < len(header):
        found = PARAMETER.match(header, place)
        if not found or (found.end() < len(header) and header[found.end()] != ";"):
            raise MalformedForm("A header of the form has malformed parameters.")
        place = found.end()
        if found.group(1):
            name, text = found.group(1).lower(), found.group(2)
            if name in parameters:
                raise MalformedForm("A header of the form has a parameter twice.")
            parameters[name] = ESCAPED.sub(r"\1", text[1:-1]) if text.startswith('"') else text.strip()
    return value.strip().lower(), parameters


def parse_multipart(body: bytes, content_type: str) -> List[Part]:
    """The parts of a form, in their order; ``content_type`` is the request's.

    Lines end with CR LF, or all of them with LF alone. In time linear to the body, which is searched for the boundary
    and not read line by line. Raises MalformedForm, PayloadTooLarge, MalformedBase64, UnsupportedType.
    """
    boundary = read_boundary(content_type)
    delimiter = b"--" + boundary
    parts: List[Part] = []
    newline, start = find_first(body, delimiter)
    while start is not None:
        if len(parts) == MOST_PARTS:
            raise PayloadTooLarge("The form has more than %d parts." % MOST_PARTS)
        end, following = find_next(body, newline + delimiter, newline, start)
        parts.append(read_part(body, start, end, newline))
        start = following
    return parts


def read_boundary(content_type: str) -> bytes:
    """The boundary that a request's type names. Raises MalformedForm."""
    boundary = read_parameters(content_type)[1].get("boundary", "")
    if not boundary:
        raise MalformedForm("The form's content type names no boundary.")
    if len(boundary) > MOST_BOUNDARY_CHARS or not BOUNDARY.fullmatch(boundary):
        raise MalformedForm("A form's boundary is 1 to %d printable ASCII characters." % MOST_BOUNDARY_CHARS)
    return boundary.encode("ascii")


def find_first(body: bytes, delimiter: bytes) -> Tuple[bytes, Optional[int]]:
    """How the form's lines end, and where its first part starts, None if it has none; what stands before is skipped."""
    place = 0 if body.startswith(delimiter) else body.find(b"\n" + delimiter) + 1
    for _ in range(MOST_FALSE_BOUNDARIES):
        if not body.startswith(delimiter, place):
            break
        after = skip_blanks(body, place + len(delimiter))
        for newline in (b"\r\n", b"\n"):
            if body.startswith(newline, after):
                return newline, after + len(newline)
        if body.startswith(b"--", place + len(delimiter)):
            return b"\r\n", None
        place = body.find(b"\n" + delimiter, after) + 1 or len(body)
    raise MalformedForm("The form does not begin with the boundary that its content type names.")


def find_next(body: bytes, delimiter: bytes, newline: bytes, start: int) -> Tuple[int, Optional[int]]:
    """Where the part ends that starts there, and where the next one starts, None if it is the last.

    A part without headers may begin with its end. Raises MalformedForm.
    """
    end = body.find(delimiter, start - len(newline))
    for _ in range(MOST_FALSE_BOUNDARIES):
        if end < 0:
            break
        after = end + len(delimiter)
        if body.startswith(b"--", after):
            return end, None
        line = skip_blanks(body, after)
        if body.startswith(newline, line):
            return end, line + len(newline)
        end = body.find(delimiter, after)  # the boundary goes on: it is one of the part's own lines
    raise MalformedForm("The form ends before its closing boundary, or has it within a part.")


def skip_blanks(body: bytes, place: int) -> int:
    """Past the blanks that a mail server may have put there (RFC 2046)."""
    found = BLANKS.match(body, place)
    return found.end() if found else place


def read_part(body: bytes, start: int, end: int, newline: bytes) -> Part:
    """The part between these places. Raises MalformedForm, PayloadTooLarge, MalformedBase64, UnsupportedType."""
    blank = body.find(newline + newline, start, min(end, start + MOST_HEAD_BYTES) + 2 * len(newline))
    if blank < 0:
        if end - start > MOST_HEAD_BYTES:
            raise PayloadTooLarge("A part of the form has more than %d bytes of headers." % MOST_HEAD_BYTES)
        raise MalformedForm("A part of the form has no headers, or no empty line after them.")
    headers = read_headers(body[start:blank], newline)
    kind, parameters = read_parameters(headers.get("content-disposition", ""))
    if kind != "form-data" or not parameters.get("name"):
        raise MalformedForm("A part of the form has no name.")
    content = decode_part(body[blank + 2 * len(newline) : end], headers.get("content-transfer-encoding", ""))
    return Part(parameters["name"], content, headers.get("content-type", ""))


def read_headers(head: bytes, newline: bytes) -> Dict[str, str]:
    """The headers of a part by their names in lower case. Raises MalformedForm."""
    headers: Dict[str, str] = {}
    name = ""
    # Only names and types are read, which are ASCII; a file's name may be anything.
    for line in head.decode("latin-1").split(newline.decode("ascii")):
        if line[:1] in (" ", "\t") and headers:  # it goes on with the header before it
            headers[name] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not name or name != name.strip() or name in headers:
            raise MalformedForm("A part of the form has malformed headers.")
        headers[name] = value.strip()
    return headers


def decode_part(content: bytes, encoding: str) -> bytes:
    """What a part holds, its Content-Transfer-Encoding undone. Raises MalformedBase64 and UnsupportedType."""
    encoding = encoding.strip().lower()
    if encoding in PLAIN_ENCODINGS:
        return content
    if encoding != "base64":
        raise UnsupportedType("This Content-Transfer-Encoding is not taken; send the part as it is.")
    try:
        return base64.b64decode(bytes(content).translate(None, b" \t\r\n"), validate=True)
    except binascii.Error:
        raise MalformedBase64("A part of the form is not the base64 that its headers say.") from None


def is_urlencoded(body: bytes) -> bool:
    """Whether the bytes are a urlencoded form: of its characters alone, an equals sign among them."""
    if bytes(body[:FIRST_BYTES]).translate(None, URLENCODED) or b"=" not in body:
        return False
    return not bytes(body).translate(None, URLENCODED) and not NO_ESCAPE.search(body)


def parse_urlencoded(body: bytes) -> List[Tuple[str, str]]:
    """The fields of a urlencoded form, in their order. Raises PayloadTooLarge and WrongEncoding."""
    if body.count(b"&") >= MOST_PARTS or body.count(b"%") > MOST_ESCAPES:
        raise PayloadTooLarge("A form has at most %d fields, and %d escapes." % (MOST_PARTS, MOST_ESCAPES))
    pairs = [field.partition(b"=") for field in bytes(body).split(b"&") if field]
    return [(unquote(name), unquote(value)) for name, _, value in pairs]


def unquote(field: bytes) -> str:
    """The text of a name or a value; piece by piece, for what unquotes makes an object of every escape."""
    field = field.replace(b"+", b" ")
    text = bytearray()
    place = 0
    while place < len(field):
        end = place + PIECE_BYTES
        cut = field.rfind(b"%", end - 2, end)  # no escape is cut in two
        end = cut if cut >= 0 and end < len(field) else end
        text += unquote_to_bytes(field[place:end])
        place = end
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise WrongEncoding("The form is not valid UTF-8.") from None
