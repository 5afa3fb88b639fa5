"""HTTP/1.1 of an attacker's own making: bytes as they are, answers read whole, connections kept."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

CHUNKED = b"\r\ntransfer-encoding: chunked"


@dataclass(frozen=True)
class Reply:
    """An answer; status 0 where there was none."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    took_s: float = 0.0


NO_REPLY = Reply(0)


class Client(asyncio.Protocol):
    """One kept connection, opened when it is needed, that carries one request at a time."""

    def __init__(self, host: str, port: int, source: str | None = None) -> None:
        self.address = (host, port)
        self.source = (source, 0) if source else None
        self.transport: asyncio.Transport | None = None
        self.waiter: asyncio.Future[Reply] | None = None
        self.received = bytearray()

    async def ask(self, request: bytes | Sequence[bytes], timeout_s: float, again: bool = True) -> Reply:
        """The answer to a request, given in one or several pieces.

        A kept connection that the server closed just then is opened again, once, where ``again`` allows it.
        """
        was_open = self.transport is not None
        began = time.perf_counter()
        reply = await self.ask_once(request, timeout_s)
        took_s = time.perf_counter() - began
        if reply.status == 0 and was_open and again and took_s < 1:
            return await self.ask(request, timeout_s, again=False)
        return Reply(reply.status, reply.headers, reply.body, took_s)

    async def ask_once(self, request: bytes | Sequence[bytes], timeout_s: float) -> Reply:
        loop = asyncio.get_running_loop()
        self.received.clear()
        if self.transport is None:
            try:
                await loop.create_connection(lambda: self, *self.address, local_addr=self.source)
            except OSError:
                return NO_REPLY
        transport = self.transport
        if transport is None:
            return NO_REPLY
        self.waiter = loop.create_future()
        for piece in (request,) if isinstance(request, bytes) else request:
            transport.write(piece)
            if not isinstance(request, bytes):
                await asyncio.sleep(0)
        try:
            return await asyncio.wait_for(self.waiter, timeout_s)
        except TimeoutError:
            self.close()
            return NO_REPLY

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0 and self.received[9:10] == b"1":
            del self.received[: end + 4]  # 100 Continue
        if end < 0:
            return
        head = bytes(self.received[:end])
        body = read_body(head.lower(), self.received, end + 4)
        if body is not None:
            if b"\r\nconnection: close" in head.lower():
                self.close()
            self.answer(make_reply(head, body))

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        end = self.received.find(b"\r\n\r\n")
        head = bytes(self.received[:end])
        if end >= 0 and b"\r\ncontent-length:" not in head.lower():  # an answer that ends with its connection
            self.answer(make_reply(head, bytes(self.received[end + 4 :])))
        else:
            self.answer(NO_REPLY)

    def answer(self, reply: Reply) -> None:
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(reply)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()
            self.transport = None


def read_body(head: bytes, received: bytearray, begin: int) -> bytes | None:
    """The body if it is all there; an answer that tells neither length nor chunks ends with its connection."""
    if CHUNKED in head:
        return join_chunks(bytes(received[begin:])) if received.endswith(b"0\r\n\r\n") else None
    place = head.find(b"\r\ncontent-length:")
    if place < 0:
        return None
    length = int(head[place + 17 :].partition(b"\r\n")[0])
    return bytes(received[begin : begin + length]) if len(received) - begin >= length else None


def join_chunks(content: bytes) -> bytes | None:
    """The content of a chunked body, or None where its last chunk is missing."""
    joined = bytearray()
    while True:
        size, found, content = content.partition(b"\r\n")
        if not found:
            return None
        length = int(size.partition(b";")[0], 16)
        if length == 0:
            return bytes(joined)
        joined += content[:length]
        content = content[length + 2 :]


def make_reply(head: bytes, body: bytes) -> Reply:
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    status = lines[0][9:12]
    return Reply(int(status) if status.isdigit() else 0, headers, body)


def write_request(
    host: str,
    path: str,
    content: bytes,
    content_type: str | None,
    headers: Sequence[tuple[str, str]] = (),
    method: str = "POST",
) -> bytes:
    """A request with a declared length, as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [] if content_type is None else [f"Content-Type: {content_type}"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines += [f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + content


def write_chunked(
    host: str, path: str, content: bytes, content_type: str | None, chunks: Sequence[int], extension: str = ""
) -> bytes:
    """The same in chunks of these sizes, then the rest in one."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Transfer-Encoding: chunked"]
    lines += [] if content_type is None else [f"Content-Type: {content_type}"]
    pieces = ["\r\n".join([*lines, "", ""]).encode("latin-1", "replace")]
    begin = 0
    for size in [*chunks, max(0, len(content) - sum(chunks))]:
        piece = content[begin : begin + size]
        begin += size
        if piece:
            pieces.append(b"%x%s\r\n%s\r\n" % (len(piece), extension.encode(), piece))
    return b"".join(pieces) + b"0\r\n\r\n"
