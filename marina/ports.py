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
MOST = 65535
# Free ports are chosen below those that Linux gives to outgoing connections (32768 and up), which may take one of them
# before the server, a Java that takes seconds to start, listens on it.
FREE = range(10_000, 32_768)


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
            option = "--port" if use == "door" else f"--{use}-port"
            if not 0 <= port <= MOST:
                busy.append(f"{option} {port}: a port is a number from 0 to {MOST}")
                continue
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            probe = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just left is free
            try:
                bind(probe, host, port, highest)
                claimed[use] = int(probe.getsockname()[1])
            except (OSError, UnicodeError) as error:
                if isinstance(error, socket.gaierror | UnicodeError) or error.errno == errno.EADDRNOTAVAIL:
                    busy.append(f"--host {host}: this machine has no such address")
                else:
                    busy.append(f"port {port} on {host} can't be used: {error.strerror} ({option}, 0 for any free one)")
    if busy:
        raise MarinaError("; ".join(busy))
    return claimed


def bind(probe: socket.socket, host: str, port: int, highest: int) -> None:
    """Binds to the port; for 0 to any that is free, at most ``highest``. Raises OSError."""
    if port:
        probe.bind((host, port))
        return
    for number in random.sample(range(FREE.start, min(FREE.stop, highest + 1)), 100):
        try:
            probe.bind((host, number))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
