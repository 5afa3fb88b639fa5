"""Bodies that arrive slowly cost those who send them, and nobody else."""

import contextlib
import json
import select
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.servers import RunningServer, start_server

UPLOAD_TIMEOUT_S = 4
LARGE = 1_900_000  # bytes: held on disk while it arrives
SLOW = ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")  # further addresses of this machine


@pytest.fixture(scope="module", params=[[], ["--replicas", 2]], ids=["one", "replicas"])
def server(request: pytest.FixtureRequest, store: Path) -> Iterator[RunningServer]:
    options = ("--models", "resnet18", "--upload-timeout", UPLOAD_TIMEOUT_S, *request.param)
    with start_server("--store", store, *options) as running:
        yield running


def open_upload(server: RunningServer, address: str, framing: str) -> socket.socket:
    """A connection from an address, whose request's body is still to come."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30, source_address=(address, 0))
    connection.sendall(f"POST /predictions/resnet18 HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n".encode())
    return connection


def trickle(connections: Sequence[socket.socket], timeout_s: float) -> list[int]:
    """Sends a byte over each now and then until all are answered; their statuses."""
    waiting, statuses = list(connections), []
    deadline = time.monotonic() + timeout_s
    while waiting and time.monotonic() < deadline:
        for connection in select.select(waiting, [], [], 0.2)[0]:
            statuses.append(int(connection.recv(65_536).split()[1]))
            waiting.remove(connection)
        for connection in waiting:
            with contextlib.suppress(ConnectionError):
                connection.send(b"1")
    return statuses


@pytest.mark.parametrize("framing", [f"Content-Length: {LARGE}", "Content-Length: 500", "Transfer-Encoding: chunked"])
def test_a_body_that_trickles_is_ended_in_its_time(server: RunningServer, framing: str) -> None:
    with open_upload(server, "127.0.0.2", framing) as connection:
        began = time.monotonic()
        (status,) = trickle([connection], 60)
        assert status in ([400, 408] if "chunked" in framing else [408])  # such a size of a chunk ends as malformed
        assert "chunked" in framing or time.monotonic() - began > UPLOAD_TIMEOUT_S / 2


def test_chunks_that_trickle_are_ended_in_their_time(server: RunningServer) -> None:
    with open_upload(server, "127.0.0.2", "Transfer-Encoding: chunked") as connection:
        connection.sendall(b"ffff\r\n")
        assert trickle([connection], 60) == [408]


def test_the_error_says_what_happened(server: RunningServer) -> None:
    with open_upload(server, "127.0.0.2", f"Content-Length: {LARGE}") as connection:
        answer = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65_536):
                answer += piece
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == "UploadTimeout"


def test_slow_uploads_leave_room_for_others(server: RunningServer, jpeg: bytes) -> None:
    photo = jpeg + bytes(4_000_000 - len(jpeg))
    with contextlib.ExitStack() as stack:
        slow = [
            stack.enter_context(open_upload(server, address, f"Content-Length: {LARGE}"))
            for _ in range(100)
            for address in SLOW
        ]
        assert [server.predict("resnet18", photo, "image/jpeg").status_code for _ in range(10)] == [200] * 10
        statuses = Counter(trickle(slow, 60))
    assert set(statuses) == {408, 429}
    assert statuses[408] >= 32
    # Nobody holds a place any more.
    assert [server.predict("resnet18", photo, "image/jpeg").status_code for _ in range(10)] == [200] * 10


def test_uploads_that_are_given_up_free_their_places(server: RunningServer, jpeg: bytes) -> None:
    for _ in range(3):
        slow = [open_upload(server, "127.0.0.2", f"Content-Length: {LARGE}") for _ in range(300)]
        for connection in slow:
            connection.close()
    photo = jpeg + bytes(4_000_000 - len(jpeg))
    with open_upload(server, "127.0.0.2", f"Content-Length: {len(photo)}") as connection:
        connection.sendall(photo)
        assert connection.recv(65_536).split()[1] == b"200"
