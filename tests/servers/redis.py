"""A private Redis: nothing written to disk."""

from __future__ import annotations

import contextlib
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .processes import Server, free_port, require, run_server

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Redis", "run_redis"]


@dataclass(frozen=True)
class Redis:
    """Where it answers."""

    port: int

    @property
    def url(self) -> str:
        """Database 0 on 127.0.0.1."""
        return f"redis://127.0.0.1:{self.port}/0"


@contextlib.contextmanager
def run_redis() -> Iterator[Redis]:
    """Start a Redis without persistence and stop it at the end."""
    program = require("redis-server", package="redis-server")
    server = Redis(free_port())
    with tempfile.TemporaryDirectory(prefix="perfloop-redis-") as directory:
        command = [program, "--port", str(server.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]

        def ready(_: Server) -> bool:
            with socket.create_connection(("127.0.0.1", server.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")

        with run_server(command, ready=ready, cwd=Path(directory)):
            yield server
