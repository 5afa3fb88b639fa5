"""One HTTP connection of a load generator: prepared requests, answers read no further than they must be."""

import asyncio
import time
from collections.abc import Mapping
from typing import cast

from marina.bodies import Body


class Connection(asyncio.Protocol):
    """One kept connection, opened when it is needed: a request at a time, its answer read no further than it must."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        self.transport: asyncio.Transport | None = None
        self.waiter: asyncio.Future[tuple[int, int]] | None = None
        self.asked = 0.0
        self.received = bytearray()

    async def ask(self, request: bytes) -> tuple[int, int]:
        """The answer's status and the size of its batch, where the server tells it; 0 for no answer."""
        loop = asyncio.get_running_loop()
        self.asked = time.perf_counter()
        self.received.clear()
        if self.transport is None:
            try:
                await loop.create_connection(lambda: self, *self.address)
            except OSError:
                return 0, 0
        if self.transport is None:
            return 0, 0
        self.waiter = loop.create_future()
        self.transport.write(request)
        return await self.waiter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head_end = self.received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(self.received[:head_end]).lower()
        if not is_whole(head, self.received, head_end + 4):
            return
        if b"\r\nconnection: close" in head:
            self.close()
        self.answer(int(head[9:12]), number_after(head, b"\r\nx-batch-size:"))

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.answer(0, 0)

    def answer(self, status: int, batch: int) -> None:
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result((status, batch))

    def close(self) -> None:
        """Ends the connection; a request that waits on it gets no answer."""
        if self.transport is not None:
            self.transport.abort()
            self.transport = None


def is_whole(head: bytes, received: bytearray, body_begin: int) -> bool:
    """Whether an answer is all there; one that tells neither length nor chunks ends with its connection (unread)."""
    if b"\r\ntransfer-encoding: chunked" in head:
        return received.endswith(b"\r\n0\r\n\r\n")
    return len(received) - body_begin >= number_after(head, b"\r\ncontent-length:")


def number_after(head: bytes, name: bytes) -> int:
    """The number in that header; 0 where there is none."""
    begin = head.find(name)
    if begin < 0:
        return 0
    value = head[begin + len(name) :].partition(b"\r\n")[0].strip()
    return int(value) if value.isdigit() else 0


def prepare(host: str, path: str, body: Body, headers: Mapping[str, str]) -> bytes:
    """A request as it goes over the wire (RFC 9112)."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Type: {body.content_type}"]
    lines += [f"Content-Length: {len(body.content)}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body.content
