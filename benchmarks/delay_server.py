"""A lean HTTP server that delays its answers, and logs when each request came and the delay it really gave.

The log is kept in memory and fetched after a run. Every request is expected in one segment, as load generators send it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import select
import socket
import subprocess
import sys
import time
import urllib.request
from array import array
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from .machine import on_core

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

__all__ = ["DELAYS", "DelayServer", "Log", "delay_server"]

DELAYS: dict[str, Callable[[random.Random], float]] = {
    "none": lambda _: 0.0,
    "constant": lambda _: 0.020,
    "bimodal": lambda generator: 0.010 if generator.random() < 0.8 else 0.040,
    "pareto": lambda generator: min(0.005 * generator.paretovariate(2.0), 0.050),
}
"""Seconds, by name."""

_REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_SOCKETS = 32
_monotonic = time.monotonic


class Log(NamedTuple):
    """What the server saw of each request, in the order it answered. Seconds; arrivals on `time.monotonic`'s clock."""

    arrived: NDArray[np.float64]
    delay: NDArray[np.float64]
    """From the request read to its answer being written."""
    port: NDArray[np.float64]
    """The client's, of the connection it came over."""


class DelayServer:
    """A running server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/"

    def fetch_log(self) -> Log:
        """What it saw since it was last asked."""
        with urllib.request.urlopen(f"{self.url}log", timeout=30) as response:
            entries = np.frombuffer(response.read()).reshape(-1, 3)
        return Log(entries[:, 0], entries[:, 1], entries[:, 2])

    def probe(self, rate: float, seconds: float) -> NDArray[np.float64]:
        """Seconds on the way of each request of a bare client: what it took, less the delay that the server logged.

        Some sockets and an epoll: as little as a client can do, with requests at random times as a load generator's
        open model sends them.

        Args:
            rate: requests a second.
            seconds: for so long.
        """
        took: dict[int, list[float]] = {}
        gaps = random.Random(2)
        with contextlib.ExitStack() as stack:
            ready = stack.enter_context(select.epoll())
            sockets = {}
            for _ in range(_SOCKETS):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=10))
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ready.register(connection, select.EPOLLIN)
                sockets[connection.fileno()] = connection
                took[connection.fileno()] = []
            idle = list(sockets)
            written: dict[int, float] = {}
            due = _monotonic()
            ends = due + seconds
            while due < ends or written:
                for descriptor, _ in ready.poll(max(0.0, due - _monotonic()) if due < ends else None):
                    sockets[descriptor].recv(4096)
                    took[descriptor].append(_monotonic() - written.pop(descriptor))
                    idle.append(descriptor)
                if due <= _monotonic() and due < ends and idle:
                    descriptor = idle.pop(0)
                    written[descriptor] = _monotonic()
                    sockets[descriptor].send(_REQUEST)
                    due += gaps.expovariate(rate)
            log = self.fetch_log()
            ways = [
                np.array(took[descriptor]) - log.delay[log.port == connection.getsockname()[1]]
                for descriptor, connection in sockets.items()
            ]
        return np.concatenate(ways)


@contextlib.contextmanager
def delay_server(core: int, delays: str) -> Iterator[DelayServer]:
    """A server in a process of its own, on that core.

    Args:
        delays: a name of `DELAYS`.
    """
    process = subprocess.Popen(
        on_core(core, [sys.executable, "-m", "benchmarks.delay_server", delays]), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield DelayServer(int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class _Serving(asyncio.Protocol):
    def __init__(self, delay: Callable[[], float], log: array[float]) -> None:
        self._delay = delay
        self._log = log
        self._call_later = asyncio.get_running_loop().call_later

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._descriptor = connection.fileno()
        self._port = float(connection.getpeername()[1])

    def data_received(self, data: bytes) -> None:
        arrived = _monotonic()
        if data.startswith(b"GET /log"):
            body = self._log.tobytes()
            del self._log[:]
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            return
        delay = self._delay()
        if delay:
            self._call_later(delay, self._answer, arrived)
        else:
            self._answer(arrived)

    def _answer(self, arrived: float) -> None:
        # Straight to the socket: a transport may write later, at the end of the loop's round.
        self._log.extend((arrived, _monotonic() - arrived, self._port))
        os.write(self._descriptor, _ANSWER)


async def _serve(delays: str) -> None:
    log = array("d")
    generator = random.Random(1)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Serving(lambda: DELAYS[delays](generator), log), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(sys.argv[1]))
