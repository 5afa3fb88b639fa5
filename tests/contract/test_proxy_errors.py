"""What nginx answers by itself comes in Marina's form too, whatever was sent."""

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from marina.nginx import ERRORS
from tests.servers import RunningServer, start_server

HEAD = b"Host: localhost\r\nConnection: close\r\n"
LARGE_CHUNKS = (b"100000\r\n" + bytes(0x100000) + b"\r\n") * 15
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"
# name: (request, status, type)
REQUESTS: dict[str, tuple[bytes, int, str]] = {
    "address of 9 kB": (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n", 404, "NotFound"),
    "address of 40 kB": (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n", 414, "UriTooLong"),
    "cookie of 40 kB": (
        b"GET /ping HTTP/1.1\r\n" + HEAD + b"Cookie: " + b"a" * 40_000 + b"\r\n\r\n",
        431,
        "HeadersTooLarge",
    ),
    "HTTP/3.0": (b"GET /ping HTTP/3.0\r\n" + HEAD + b"\r\n", 505, "HttpVersionNotSupported"),
    "HTTP/1.1 without a Host": (b"GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n", 400, "BadRequest"),
    "two Hosts": (b"GET /ping HTTP/1.1\r\nHost: x\r\n" + HEAD + b"\r\n", 400, "BadRequest"),
    "no HTTP": (b"GARBAGE\r\n\r\n", 400, "BadRequest"),
    "a header without a colon": (b"GET /ping HTTP/1.1\r\n" + HEAD + b"bad header\r\n\r\n", 400, "BadRequest"),
    "an address with a NUL": (b"GET /%00 HTTP/1.1\r\n" + HEAD + b"\r\n", 400, "BadRequest"),
    "CONNECT": (b"CONNECT x:80 HTTP/1.1\r\n" + HEAD + b"\r\n", 400, "BadRequest"),
    "TRACE": (b"TRACE / HTTP/1.1\r\n" + HEAD + b"\r\n", 405, "MethodNotAllowed"),
    "a folder": (b"GET /samples HTTP/1.1\r\n" + HEAD + b"\r\n", 404, "NotFound"),
    "a folder with a slash": (b"GET /samples/ HTTP/1.1\r\n" + HEAD + b"\r\n", 404, "NotFound"),
    "the docs without a slash": (b"GET /docs HTTP/1.1\r\n" + HEAD + b"\r\n", 301, "Moved"),
    "a range beyond the file": (
        b"GET /index.html HTTP/1.1\r\n" + HEAD + b"Range: bytes=99999999-\r\n\r\n",
        416,
        "RangeNotSatisfiable",
    ),
    "a length and chunks": (
        b"POST /predictions/colours HTTP/1.1\r\n" + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
        400,
        "BadRequest",
    ),
    "a negative length": (
        b"POST /predictions/colours HTTP/1.1\r\n" + HEAD + b"Content-Length: -5\r\n\r\n",
        400,
        "BadRequest",
    ),
    "an unknown transfer encoding": (
        b"POST /predictions/colours HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
        501,
        "NotImplemented",
    ),
    "a malformed chunk": (
        b"POST /predictions/colours HTTP/1.1\r\n" + CHUNKED + b"\r\nzz\r\n",
        400,
        "BadRequest",
    ),
    "a huge length": (
        b"POST /predictions/colours HTTP/1.1\r\n" + HEAD + b"Content-Length: 500000000\r\n\r\n",
        413,
        "PayloadTooLarge",
    ),
    "huge chunks": (
        b"POST /predictions/colours HTTP/1.1\r\n" + CHUNKED + b"\r\n" + LARGE_CHUNKS,
        413,
        "PayloadTooLarge",
    ),
    "an evil host": (b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 403, "HostNotAllowed"),
    "an evil address": (b"GET http://evil.example/ HTTP/1.1\r\n" + HEAD + b"\r\n", 403, "HostNotAllowed"),
}


@pytest.fixture(scope="module")
def replicas(store: Path) -> Iterator[RunningServer]:
    with start_server("--store", store, "--models", "colours", "--replicas", 2) as running:
        yield running


def exchange(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """The status, the headers (in lower case) and the body that a raw request is answered with."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        with contextlib.suppress(ConnectionError):  # refused before all of it was sent
            connection.sendall(request)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65_536):
                answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    if headers.get("transfer-encoding") == "chunked":
        body = body.split(b"\r\n")[1]
    return int(lines[0].split()[1]), headers, body


@pytest.mark.parametrize("name", REQUESTS)
def test_each_error_has_the_same_form(server: RunningServer, replicas: RunningServer, name: str) -> None:
    request, status, kind = REQUESTS[name]
    for each in (server, replicas):
        got, headers, body = exchange(each.port, request)
        assert (got, headers["content-type"].partition(";")[0]) == (status, "application/json")
        error = json.loads(body)
        assert set(error) == {"code", "type", "message"}
        assert (error["code"], error["type"]) == (status, kind)


def test_a_browser_full_of_cookies_can_open_the_page(server: RunningServer, replicas: RunningServer) -> None:
    """A browser sends localhost the cookies of every server that was ever run there."""
    for each in (server, replicas):
        request = b"GET / HTTP/1.1\r\n" + HEAD + b"Cookie: " + b"a" * 30_000 + b"\r\n\r\n"
        status, headers, body = exchange(each.port, request)
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert b"Marina" in body


def test_each_status_of_nginx_has_one_page() -> None:
    told = [status for error in ERRORS for status in error.nginx_statuses]
    assert len(told) == len(set(told))
    assert set(told) >= {400, 403, 404, 405, 408, 411, 413, 414, 416, 494, 495, 496, 497, 500, 501, 502, 503, 504, 505}
