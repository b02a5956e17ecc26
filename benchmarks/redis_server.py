"""A private Redis on the server's core: nothing of the system's configuration, nothing written to disk."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from .machine import on_core, server_core

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RedisServer", "redis_server"]


class RedisServer:
    """A server that can be killed and come back on the same port."""

    def __init__(self, program: str, *options: str) -> None:
        self._program = program
        self._options = options
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        command += self._options
        self._process = subprocess.Popen(
            on_core(server_core(), command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while not self._answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"redis-server on port {self.port} does not answer")
            time.sleep(0.01)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


@contextlib.contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """A server that runs until the block ends.

    Args:
        options: of its command line.

    Raises:
        RuntimeError: redis-server is not installed, or does not answer.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("redis-server is not installed: run `make setup`")
    server = RedisServer(program, *options)
    server.start()
    try:
        yield server
    finally:
        server.kill()
