"""A scripted HTTP server on a real socket: what it sends, and when it closes, is up to each test."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from perfloop.loadtest import LoadOptions, LoadOutcome, run, run_sync

if TYPE_CHECKING:
    import ssl

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Exchange:
    """One request as the server got it, and the connection it came over."""

    def __init__(
        self, head: bytes, body: bytes, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], position: int
    ) -> None:
        self.head = head
        self.body = body
        self.reader, self.writer = streams
        self.position = position
        """How many requests came over this connection before."""
        self.at = time.monotonic()

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode()

    def header(self, name: str) -> str | None:
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None

    async def send(self, *parts: bytes, pause: float = 0.002) -> None:
        """Send the parts so that each arrives on its own."""
        for number, part in enumerate(parts):
            if number:
                await asyncio.sleep(pause)
            self.writer.write(part)
            await self.writer.drain()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Handler = Callable[[Exchange], Awaitable[None]]


class ScriptedServer:
    def __init__(self) -> None:
        self.url = ""
        self.exchanges: list[Exchange] = []
        self.connections = 0
        self.open = 0


@contextlib.asynccontextmanager
async def serve(
    handler: Handler,
    *,
    unix_path: str | None = None,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
) -> AsyncIterator[ScriptedServer]:
    """Answer each request with `handler` until the block ends."""
    server = ScriptedServer()
    tasks: set[asyncio.Task[Any]] = set()

    async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        server.connections += 1
        server.open += 1
        position = 0
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                exchange = Exchange(head, b"", (reader, writer), position)
                length = int(exchange.header("content-length") or 0)
                exchange.body = await reader.readexactly(length)
                position += 1
                server.exchanges.append(exchange)
                await handler(exchange)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            server.open -= 1
            tasks.discard(task)
            writer.close()

    if unix_path is not None:
        listening = await asyncio.start_unix_server(serve_connection, unix_path)
        server.url = "http+unix://" + unix_path.replace("/", "%2F") + "/"
    else:
        listening = await asyncio.start_server(serve_connection, host, 0, ssl=tls)
        port = listening.sockets[0].getsockname()[1]
        server.url = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}/"
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def answer_ok(exchange: Exchange) -> None:
    await exchange.send(OK)


async def load_here(options: LoadOptions) -> LoadOutcome:
    """On this loop, asyncio's own."""
    return await run(options)


async def load_in_thread(options: LoadOptions) -> LoadOutcome:
    """On uvloop, in a thread of its own."""
    return await asyncio.to_thread(run_sync, options)


def kinds(outcome: LoadOutcome) -> dict[str, int]:
    """The errors of a load test by kind."""
    return {kind.kind: kind.count for kind in outcome.results.error_kinds}
