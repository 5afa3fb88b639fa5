"""Ports that are free, and a clear word where one is not."""

import socket

from marina.errors import MarinaError


def claim_port(purpose: str, port: int, host: str = "127.0.0.1") -> int:
    """The port itself if nothing listens on it, or any free one for 0. Raises MarinaError naming a busy port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise MarinaError(f"port {port} on {host}, for {purpose}, can't be used: {error.strerror}") from error
        return int(probe.getsockname()[1])
