"""Who gets in: names and origins at the door, and the ports that the model servers have beside it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.attack.exchange import Client, Reply, write_request
from benchmarks.attack.findings import Finding
from benchmarks.attack.target import STORE, Target, attacked, sample_of

FIGURE = "access"
TIMEOUT_S = 5
EVIL = "evil.example"
# Of TorchServe, MMS and Marina itself: nothing of it is anyone's business at the door.
PRIVATE = (
    *(
        "/metrics",
        "/api-description",
        "/models",
        "/models/resnet18",
        "/workflows",
        "/wfpredict/x",
        "/explanations/resnet18",
    ),
    *(
        "/v1/models/resnet18",
        "/v2",
        "/v2/models",
        "/ready.json",
        "/state.json",
        "/authorization",
        "/server/key_file.json",
    ),
    *("/nginx.conf", "/errors/503", "/../state.json", "/..%2fstate.json", "/%2e%2e/authorization", "/.git/config"),
)


@dataclass(frozen=True)
class Plan:
    store: Path = STORE
    tell: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class Check:
    """A request, and whether it is to be answered (2xx) or refused (4xx)."""

    name: str
    wire: bytes
    is_allowed: bool


def measure_access(place: str, plan: Plan) -> list[Finding]:
    """Rows of what got in and should not have, of what did not and should, and of what is open beside the door."""
    with attacked(place, plan.store) as target:
        return on_server(target, plan)


def on_server(target: Target, plan: Plan) -> list[Finding]:
    """The same on a server that runs."""
    return [*check_door(target, plan), *check_ports(target, plan)]


def door_checks(target: Target) -> list[Check]:
    body, port = sample_of("resnet18"), target.port
    address = "/predictions/resnet18"

    def get(host: str, path: str = "/models.json", line: str = "", more: str = "") -> bytes:
        return f"{line or f'GET {path} HTTP/1.1'}\r\nHost: {host}\r\n{more}\r\n".encode()

    def post(host: str, *headers: tuple[str, str]) -> bytes:
        return write_request(host, address, body.content, body.content_type, headers)

    good, evil = f"127.0.0.1:{port}", f"{EVIL}:{port}"
    allowed = [
        Check(f"GET with Host {name.replace(f':{port}', ':port')}", get(name), True)
        for name in (good, f"localhost:{port}", f"[::1]:{port}")
    ]
    allowed += [
        Check("POST without an Origin", post(good), True),
        Check("POST with the door's own Origin", post(good, ("Origin", f"http://{good}")), True),
        Check(
            "POST with Host and Origin localhost",
            post(f"localhost:{port}", ("Origin", f"http://localhost:{port}")),
            True,
        ),
    ]
    names = (
        evil,
        EVIL,
        f"127.0.0.1.{EVIL}:{port}",
        f"localhost.{EVIL}",
        f"{EVIL}.",
        "10.1.2.3",
        "127.0.0.1@evil.example",
    )
    refused = [Check(f"GET with Host {name.replace(f':{port}', ':port')}", get(name), False) for name in names]
    refused += [
        Check(f"GET {path} with Host {EVIL}", get(evil, path), False)
        for path in ("/", "/ping", "/openapi.json", "/docs/")
    ]
    refused += [
        Check(f"POST with Host {EVIL}", post(evil), False),
        Check(f"POST with Origin {EVIL}", post(good, ("Origin", f"http://{evil}")), False),
        Check("POST with Origin null", post(good, ("Origin", "null")), False),
        Check("POST with Origin of another port", post(good, ("Origin", f"http://127.0.0.1:{port ^ 1}")), False),
        Check("GET of http://evil.example/", get(good, line=f"GET http://{EVIL}/models.json HTTP/1.1"), False),
        Check("two Hosts", get(good, more=f"Host: {evil}\r\n"), False),
        Check("no Host", b"GET /models.json HTTP/1.1\r\n\r\n", False),
        Check("OPTIONS /", get(good, line="OPTIONS / HTTP/1.1"), False),
        Check("OPTIONS *", get(good, line="OPTIONS * HTTP/1.1"), False),
        Check(f"OPTIONS {address}", get(good, line=f"OPTIONS {address} HTTP/1.1"), False),
        Check("TRACE /", get(good, line="TRACE / HTTP/1.1"), False),
        Check("CONNECT", get(good, line=f"CONNECT {EVIL}:80 HTTP/1.1"), False),
    ]
    refused += [Check(f"GET {path}", get(good, path), False) for path in PRIVATE]
    refused += [
        Check(f"{line} /models", get(good, line=f"{line} /models?url=x HTTP/1.1"), False)
        for line in ("POST", "PUT", "DELETE")
    ]
    return allowed + refused


def check_door(target: Target, plan: Plan) -> list[Finding]:
    checks = door_checks(target)
    replies = asyncio.run(ask_each(target.host.partition(":")[0], target.port, [check.wire for check in checks]))
    wrong: dict[bool, list[str]] = {True: [], False: []}
    for check, reply in zip(checks, replies, strict=True):
        # No answer at all is a refusal too.
        is_right = 200 <= reply.status < 300 if check.is_allowed else not 100 <= reply.status < 400
        if not is_right:
            wrong[check.is_allowed].append(f"{check.name}: {reply.status}")
        plan.tell(f"{target.place}: {check.name}: {reply.status}{'' if is_right else '  WRONG'}")
    attack = f"{len(checks)} requests at the door"
    return [
        Finding(
            FIGURE, target.place, attack, "refused wrongly", len(wrong[True]), at_most=0, note=", ".join(wrong[True])
        ),
        Finding(
            FIGURE, target.place, attack, "let in wrongly", len(wrong[False]), at_most=0, note=", ".join(wrong[False])
        ),
    ]


def check_ports(target: Target, plan: Plan) -> list[Finding]:
    """Every TCP port that a process of the target listens on, asked without a token and with an evil Host."""
    found = {each.laddr for process in target.family() for each in listening_sockets(process)}
    listening = sorted((address.ip.removeprefix("::ffff:"), address.port) for address in found)
    beyond = [f"{host}:{port}" for host, port in listening if not host.startswith("127.") and host != "::1"]
    beside = [(host, port) for host, port in listening if port != target.port]
    opened = []
    for host, port in beside:
        wires = [
            f"{method} {path} HTTP/1.1\r\nHost: {EVIL}\r\n\r\n".encode()
            for method, path in (("GET", "/metrics"), ("OPTIONS", "/"), ("GET", "/api-description"), ("GET", "/models"))
        ]
        wires.append(b"GET /ping HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        replies = asyncio.run(ask_each(host, port, wires))
        names = [wire.decode().partition(" HTTP")[0] for wire in wires]
        opened += [f"{name} on {port}" for name, reply in zip(names, replies, strict=True) if 200 <= reply.status < 300]
    told = ", ".join(str(port) for _, port in beside) or "none"
    plan.tell(f"{target.place}: ports beside the door: {told}; open: {', '.join(opened) or 'nothing'}")
    attack = "every TCP port that listens"
    return [
        Finding(FIGURE, target.place, attack, "ports beside the door", len(beside)),
        Finding(
            FIGURE,
            target.place,
            attack,
            "addresses there that answer anybody",
            len(opened),
            at_most=0,
            note=without_numbers(opened),
        ),
        Finding(FIGURE, target.place, attack, "ports beyond loopback", len(beyond), at_most=0, note=", ".join(beyond)),
    ]


def without_numbers(opened: Sequence[str]) -> str:
    """The addresses alone: ports are others each time."""
    return ", ".join(dict.fromkeys(name.rpartition(" on ")[0] for name in opened))


def listening_sockets(process: psutil.Process) -> list[Any]:
    try:
        return [each for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    except psutil.Error:
        return []


async def ask_each(host: str, port: int, wires: Sequence[bytes]) -> list[Reply]:
    """Each on a connection of its own, one after another."""
    replies = []
    for wire in wires:
        client = Client(host, port)
        replies.append(await client.ask(wire, TIMEOUT_S))
        client.close()
    return replies
