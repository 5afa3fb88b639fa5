"""Slow clients in great numbers, while good ones go on: headers, bodies and readers that take a byte at a time.

The attackers come from loopback addresses of their own, as they would come from other machines; the good clients from
127.0.0.1, with photos of 4 MB among what they ask. With ``shared`` all of them have the one address: what then becomes
of the good clients is only reported, for nobody can tell the ones from the others.
"""

import asyncio
import io
import itertools
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.attack.exchange import Client, write_request
from benchmarks.attack.findings import Finding
from benchmarks.attack.formats.changes import noisy
from benchmarks.attack.target import MODELS, STORE, Target, attacked, sample_of
from marina.bodies import Body
from marina.traffic import percentile

FIGURE = "slow clients"
OWN = "127.0.0.1"  # of the good clients
LARGE = 8_000_000  # bytes of a body that is told and never comes
SMALL = 2000
PHOTO_BYTES = 4_000_000
EVERY_S = 3.0  # between two bytes: less than what counts as a stall
PAUSE_S = 0.3  # before a connection that was ended is opened again
BURST = 100  # connections that are opened at a time
OPEN_FILES = 8192


@dataclass(frozen=True)
class Plan:
    clients: int = 1000
    addresses: int = 20  # that they come from
    seconds: float = 20  # of each kind, once they are there
    good_clients: int = 6
    kinds: Sequence[str] = ()  # of these alone
    shared: bool = True  # once more with one address
    timeout_s: float = 30  # within which a good client must be answered
    store: Path = STORE
    tell: Callable[[str], None] = lambda line: None


@dataclass
class Held:
    """What the attackers got."""

    opened: int = 0
    refused: int = 0
    open_now: int = 0
    most_open: int = 0
    statuses: Counter[str] = field(default_factory=Counter)


def slow_headers(host: str) -> Iterator[bytes]:
    yield f"POST /predictions/resnet18 HTTP/1.1\r\nHost: {host}\r\nX-Slow: ".encode()
    while True:
        yield b"a"


def slow_body(host: str, length: int, begin: int = 1) -> Iterator[bytes]:
    """A body of a declared length, a byte at a time."""
    head = f"POST /predictions/resnet18 HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/jpeg\r\n"
    yield f"{head}Content-Length: {length}\r\n\r\n".encode() + bytes(begin)
    while True:
        yield b"a"


def slow_chunks(host: str) -> Iterator[bytes]:
    head = f"POST /predictions/resnet18 HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/jpeg\r\n"
    yield f"{head}Transfer-Encoding: chunked\r\n\r\n".encode()
    while True:
        yield b"1\r\na\r\n"


def slow_reader(host: str) -> Iterator[bytes]:
    """Asks for many pages at once, and does not read them."""
    yield f"GET /openapi.json HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() * 50
    while True:
        yield b""


def idle(host: str) -> Iterator[bytes]:
    """Connects and says nothing."""
    while True:
        yield b""


KINDS: dict[str, Callable[[str], Iterator[bytes]]] = {
    "headers": slow_headers,
    "large bodies": lambda host: slow_body(host, LARGE),
    "large bodies, half sent at once": lambda host: slow_body(host, 3_000_000, 1_500_000),
    "large bodies in chunks": slow_chunks,
    "small bodies": lambda host: slow_body(host, SMALL),
    "readers": slow_reader,
    "silence": idle,
}


class Attack:
    """So many connections of a kind, each opened again when the server ends it."""

    def __init__(self, target: Target, kind: str, plan: Plan, addresses: Sequence[str]) -> None:
        self.target, self.make, self.plan, self.addresses = target, KINDS[kind], plan, addresses
        self.reads = kind != "readers"
        self.held = Held()
        self.is_over = False

    async def run(self) -> None:
        gate = asyncio.Semaphore(BURST)
        sources = itertools.islice(itertools.cycle(self.addresses), self.plan.clients)
        await asyncio.gather(*(self.attack_on(source, gate, number) for number, source in enumerate(sources)))

    async def attack_on(self, source: str, gate: asyncio.Semaphore, number: int) -> None:
        await asyncio.sleep(number * 2.0 / self.plan.clients)
        while not self.is_over:
            async with gate:
                connection = await self.connect(source)
            if connection is None:
                self.held.refused += 1
                await asyncio.sleep(1)
                continue
            with connection:
                self.held.opened += 1
                self.held.open_now += 1
                self.held.most_open = max(self.held.most_open, self.held.open_now)
                try:
                    await self.trickle(connection)
                finally:
                    self.held.open_now -= 1
            await asyncio.sleep(PAUSE_S)

    async def connect(self, source: str) -> socket.socket | None:
        connection = socket.socket()
        connection.setblocking(False)
        if not self.reads:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        try:
            connection.bind((source, 0))
            address = (self.target.host.partition(":")[0], self.target.port)
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(connection, address), 5)
        except (OSError, TimeoutError):
            connection.close()
            return None
        return connection

    async def trickle(self, connection: socket.socket) -> None:
        """Sends piece by piece until the server has enough of it."""
        loop = asyncio.get_running_loop()
        pieces = self.make(self.target.host)
        while not self.is_over:
            try:
                await asyncio.wait_for(loop.sock_sendall(connection, next(pieces)), 30)
            except (OSError, TimeoutError):
                return
            try:
                answer = await asyncio.wait_for(self.wait_for_end(connection), EVERY_S)
            except TimeoutError:
                continue
            self.held.statuses[answer] += 1
            return

    async def wait_for_end(self, connection: socket.socket) -> str:
        """What the server ends it with; a reader that does not read waits for nothing."""
        if not self.reads:
            await asyncio.sleep(EVERY_S + 1)
        with suppress(OSError):
            answer = await asyncio.get_running_loop().sock_recv(connection, 64)
            return answer[9:12].decode("latin-1") if answer else "closed"
        return "reset"


@dataclass
class Good:
    """What the good clients got."""

    statuses: Counter[int] = field(default_factory=Counter)
    photos: Counter[int] = field(default_factory=Counter)
    took_ms: list[float] = field(default_factory=list)


def photo() -> Body:
    """A photograph of about 4 MB, with noise in it, so that it stays as large."""
    side = 2000
    buffer = io.BytesIO()
    noisy(side, side).convert("RGB").save(buffer, "JPEG", quality=93)
    return Body(buffer.getvalue().ljust(PHOTO_BYTES, b"\0"), "image/jpeg")


async def ask_good(target: Target, large: Body, good: Good, plan: Plan, is_over: Callable[[], bool]) -> None:
    """Good clients, each on a new connection every few requests, as people come and go."""

    def write(model: str, body: Body) -> bytes:
        return write_request(target.host, f"/predictions/{model}", body.content, body.content_type)

    asked = [(model, write(model, sample_of(model))) for model in MODELS] + [("", write("resnet18", large))]
    turns = itertools.cycle(asked)

    async def ask_on() -> None:
        while not is_over():
            client = Client(target.host.partition(":")[0], target.port, OWN)
            for _ in range(3):
                model, wire = next(turns)
                reply = await client.ask(wire, plan.timeout_s, again=False)
                (good.statuses if model else good.photos)[reply.status] += 1
                good.took_ms.append(1000 * reply.took_s)
                if reply.status != 200:
                    await asyncio.sleep(0.2)
            client.close()

    await asyncio.gather(*(ask_on() for _ in range(plan.good_clients)))


async def measure_kind(
    target: Target, kind: str, plan: Plan, addresses: Sequence[str], large: Body
) -> tuple[Held, Good]:
    attack, good = Attack(target, kind, plan, addresses), Good()
    attacking = asyncio.create_task(attack.run())
    await asyncio.sleep(min(4, plan.seconds))
    end = time.monotonic() + plan.seconds
    await ask_good(target, large, good, plan, lambda: time.monotonic() >= end)
    attack.is_over = True
    attacking.cancel()
    with suppress(asyncio.CancelledError):
        await attacking
    return attack.held, good


def measure_slow(place: str, plan: Plan) -> list[Finding]:
    """A few rows for each kind of slow client, from other addresses and, if wanted, from the good clients' own."""
    with attacked(place, plan.store) as target:
        return on_server(target, plan)


def on_server(target: Target, plan: Plan) -> list[Finding]:
    """The same on a server that runs."""
    raise_open_files()
    found: list[Finding] = []
    many = [f"127.0.{1 + number // 250}.{2 + number % 250}" for number in range(plan.addresses)]
    many[0] = "127.0.0.2"
    large = photo()
    for kind in plan.kinds or KINDS:
        for addresses in [many, [OWN]] if plan.shared else [many]:
            held, good = asyncio.run(measure_kind(target, kind, plan, addresses, large))
            found += findings(target, kind, plan, addresses, held, good)
            target.wait_ready(30)
    return found


def findings(target: Target, kind: str, plan: Plan, addresses: Sequence[str], held: Held, good: Good) -> list[Finding]:
    is_shared = addresses == [OWN]
    whence = "the good clients' own address" if is_shared else f"{len(addresses)} other addresses"
    attack = f"{plan.clients:,} slow: {kind}, from {whence}"
    ended = ", ".join(f"{status}: {count:,}" for status, count in held.statuses.most_common(4))
    attackers = (
        f"attackers: {held.most_open:,} connections at most, {held.opened:,} opened; ended with {ended or 'nothing'}"
    )
    least = None if is_shared else 100.0

    def share(name: str, statuses: Counter[int], note: str = "") -> Finding:
        asked = statuses.total()
        told = ", ".join(f"{status or 'no answer'}: {count:,}" for status, count in sorted(statuses.items()))
        percent = 100 * statuses[200] / asked if asked else 0.0
        return Finding(
            FIGURE, target.place, attack, name, percent, "%", at_least=least, note="; ".join(filter(None, (told, note)))
        )

    found = [
        share("good requests answered with 200", good.statuses, attackers),
        share("photos of 4 MB answered with 200", good.photos),
        Finding(FIGURE, target.place, attack, "p99 of the good requests", percentile(good.took_ms, 99), "ms"),
    ]
    for each in found:
        plan.tell(f"{each.place}: {each.attack}: {each.measure}: {each.value:.1f} {each.unit}; {each.note}")
    return found


def raise_open_files() -> None:
    """As many open files as may be: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
