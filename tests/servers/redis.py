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
    pid: int = 0

    @property
    def url(self) -> str:
        """Database 0 on 127.0.0.1."""
        return f"redis://127.0.0.1:{self.port}/0"


@contextlib.contextmanager
def run_redis(*options: str, port: int | None = None, directory: Path | None = None) -> Iterator[Redis]:
    """Start a Redis and stop it at the end.

    Args:
        options: as on its command line; by default nothing is written to disk.
        port: one of 127.0.0.1; a free one by default.
        directory: where it keeps its data; one of its own by default.
    """
    program = require("redis-server", package="redis-server")
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="perfloop-redis-") as own:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        command += ["--repl-diskless-sync-delay", "0", *options]  # else five seconds, for the sake of further replicas

        def ready(_: Server) -> bool:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))

        with run_server(command, ready=ready, cwd=directory or Path(own)) as server:
            yield Redis(port, server.pid)
