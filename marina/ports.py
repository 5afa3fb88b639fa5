"""Ports that are free, and a clear word where one is not."""

import errno
import ipaddress
import os
import random
import socket
from collections.abc import Mapping
from contextlib import ExitStack

from marina.errors import MarinaError

LOOPBACK = "127.0.0.1"
# Of the ports that are tried if any will do. From 32768 on the system gives them to connections, at any moment.
LOWEST, MOST = 10_000, 32_767


def is_loopback(host: str) -> bool:
    """Whether an address or a name is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def claim_ports(wanted: Mapping[str, tuple[int, str]], highest: int = MOST) -> dict[str, int]:
    """Use -> port, for use -> (port, host): the port itself if nothing listens on it, or any free one for 0.

    No two uses get the same, and none gets a free one above ``highest``. Raises MarinaError naming every port that is
    busy.
    """
    claimed, busy = {}, []
    with ExitStack() as stack:
        for use, (port, host) in wanted.items():
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            probe = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just left is free
            try:
                bind(probe, host, port, highest)
                claimed[use] = int(probe.getsockname()[1])
            except (OSError, UnicodeError) as error:
                reason = getattr(error, "strerror", None) or "no such host"
                option = "--port" if use == "door" else f"--{use}-port"
                busy.append(f"port {port} on {host} can't be used: {reason} ({option}, 0 for any free one)")
    if busy:
        raise MarinaError("; ".join(busy))
    return claimed


def bind(probe: socket.socket, host: str, port: int, highest: int) -> None:
    """Binds to the port; for 0 to any, at most ``highest``. Raises OSError."""
    if port:
        probe.bind((host, port))
        return
    for number in random.sample(range(LOWEST, min(highest, MOST) + 1), 100):
        try:
            probe.bind((host, number))
        except OSError:
            continue
        return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
