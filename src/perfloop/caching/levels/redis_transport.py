"""The way to a Redis server: redis-py's connections, one set a process and one an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
import weakref
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

import msgspec

from ...clock import MONOTONIC, Clock
from ...exceptions import ConfigurationError, LevelFailed
from .redis_clock import ServerClock
from .redis_errors import explained, failures, redis
from .redis_scripts import RUN_LENGTH

__all__ = ["Lookup", "RedisOptions", "RedisRequest", "RedisTransport", "pack"]

Connection: TypeAlias = Any  # redis-py's own, of many classes: TCP, TLS, unix socket; of threads or an event loop


class RedisOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the server is talked to."""

    connect_timeout: float = 0.5
    """Seconds to connect in."""
    answer_timeout: float = 1.0
    """Seconds to wait for a part of an answer, or for a connection when all are in use."""
    max_connections: int = 32
    """At once; for each event loop, and for all threads together."""
    max_value_bytes: int = 500 << 20
    """Longer values are not kept, and reported; Redis itself refuses more than 512 MB."""


class RedisRequest(Protocol):
    """Commands in Redis' protocol, with one answer."""

    def packed(self, run: bytes) -> bytes:
        """The command, for a server whose run has this name."""

    def again(self, run: bytes) -> bytes | None:
        """What to send when the server does not know the script, or None."""


def pack(*parts: bytes) -> bytes:
    """A command as it is sent."""
    return b"*%d\r\n" % len(parts) + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


class Lookup:
    """Native commands that change nothing."""

    __slots__ = ("_command",)

    def __init__(self, command: bytes) -> None:
        self._command = command

    def packed(self, run: bytes) -> bytes:
        return self._command

    def again(self, run: bytes) -> None:
        return None


class _Loop:
    """The connections of one event loop."""

    def __init__(self) -> None:
        self.idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        self.made: list[Connection] = []


class RedisTransport:
    """Sends requests, each with the run of the server that it goes to; answers with both.

    Safe in threads, after a fork, and in several event loops. A connection that broke is opened again by the next
    request; a request that finds the server gone at once is sent a second time.
    """

    def __init__(self, url: str, options: RedisOptions, *, clock: Clock = MONOTONIC) -> None:
        self.options = options
        self._now = clock.now
        self._clock = clock
        self.where = _without_password(url)
        settings = {
            "socket_connect_timeout": options.connect_timeout,
            "retry": redis.retry.Retry(redis.backoff.NoBackoff(), 0),
            "protocol": 2,
            "max_connections": 2**31,  # we count them ourselves
            "encoding_errors": "surrogatepass",
        }
        try:
            self._threads_pool: Any = redis.ConnectionPool.from_url(
                url, redis_connect_func=self._greet, socket_timeout=options.answer_timeout, **settings
            )
            # Its own limits of time would cost a task and a timer for each command.
            self._loops_pool: Any = redis.asyncio.ConnectionPool.from_url(
                url, redis_connect_func=self._greet_async, socket_timeout=None, **settings
            )
        except (ValueError, TypeError):  # its message may have the password
            raise ConfigurationError(
                "Expected the URL of a Redis server",
                where=self.where,
                hint="redis://[[user]:password@]host[:port][/database], rediss:// with TLS, unix:///path",
            ) from None
        self._reset()

    def _after_fork(self) -> None:
        # Kept: to close what the parent's event loop waits for would end its waiting, too.
        self._of_parent = (self._loops, self._made)
        self._reset()

    def _reset(self) -> None:
        self.clock = ServerClock(self._clock)
        self._pid = os.getpid()
        self._making = threading.Lock()
        self._idle: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self._made: list[Connection] = []
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Loop] = weakref.WeakKeyDictionary()

    def send(self, request: RedisRequest) -> tuple[bytes, Any]:
        """Carry a request out in this thread."""
        if self._pid != os.getpid():
            self._after_fork()
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = self._another()
        try:
            return self._exchange(connection, request)
        except failures.ResponseError as error:
            raise explained(error, self.where, self.options.answer_timeout) from error
        except (failures.RedisError, OSError) as error:
            connection.disconnect()
            raise explained(error, self.where, self.options.answer_timeout) from error
        except BaseException:
            connection.disconnect()
            raise
        finally:
            self._idle.put(connection)

    def _another(self) -> Connection:
        with self._making:
            if len(self._made) < self.options.max_connections:
                self._made.append(self._threads_pool.make_connection())
                return self._made[-1]
        try:
            return self._idle.get(timeout=self.options.answer_timeout)
        except queue.Empty:
            raise self._none_free() from None

    def _exchange(self, connection: Connection, request: RedisRequest) -> tuple[bytes, Any]:
        used = connection._sock is not None
        try:
            if not used:
                connection.connect()
            elif self.clock.is_due():
                self._measure(connection)
            return self._ask(connection, request)
        except failures.ConnectionError:
            if not used:
                raise
            connection.disconnect()
            connection.connect()
            return self._ask(connection, request)

    def _ask(self, connection: Connection, request: RedisRequest) -> tuple[bytes, Any]:
        run: bytes = connection.perfloop_run
        connection.send_packed_command((request.packed(run),), check_health=False)
        try:
            return run, connection.read_response()
        except failures.NoScriptError:
            text = request.again(run)
            if text is None:
                raise
            connection.send_packed_command((text,), check_health=False)
            return run, connection.read_response()

    def _greet(self, connection: Connection) -> None:
        connection.on_connect()
        connection.send_command("INFO", "server", check_health=False)
        connection.perfloop_run = _run_of(connection.read_response(), self.where)
        self._measure(connection)

    def _measure(self, connection: Connection) -> None:
        asked = self._now()
        connection.send_command("TIME", check_health=False)
        seconds, microseconds = connection.read_response()
        self.clock.measured(int(seconds) + int(microseconds) / 1e6, asked, self._now())

    async def send_async(self, request: RedisRequest) -> tuple[bytes, Any]:
        """Carry a request out in this task."""
        if self._pid != os.getpid():
            self._after_fork()
        here = asyncio.get_running_loop()
        loop = self._loops.get(here)
        if loop is None:
            self._forget_closed()
            loop = self._loops[here] = _Loop()
        connection = await self._one_of(loop)
        try:
            return await self._exchange_async(connection, request)
        except failures.ResponseError as error:
            raise explained(error, self.where, self.options.answer_timeout) from error
        except (failures.RedisError, OSError) as error:
            await connection.disconnect(nowait=True)
            raise explained(error, self.where, self.options.answer_timeout) from error
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            loop.idle.put_nowait(connection)

    async def _one_of(self, loop: _Loop) -> Connection:
        if not loop.idle.empty():
            return loop.idle.get_nowait()
        if len(loop.made) < self.options.max_connections:
            loop.made.append(self._loops_pool.make_connection())
            return loop.made[-1]
        try:
            async with asyncio.timeout(self.options.answer_timeout):
                return await loop.idle.get()
        except TimeoutError:
            raise self._none_free() from None

    async def _exchange_async(self, connection: Connection, request: RedisRequest) -> tuple[bytes, Any]:
        used = connection.is_connected
        try:
            if not used:
                await connection.connect()
            elif self.clock.is_due():
                await self._measure_async(connection)
            return await self._ask_async(connection, request)
        except failures.ConnectionError:
            if not used:
                raise
            await connection.disconnect(nowait=True)
            await connection.connect()
            return await self._ask_async(connection, request)

    async def _ask_async(self, connection: Connection, request: RedisRequest) -> tuple[bytes, Any]:
        run: bytes = connection.perfloop_run
        async with asyncio.timeout(self.options.answer_timeout):
            await connection.send_packed_command((request.packed(run),), check_health=False)
            try:
                return run, await connection.read_response()
            except failures.NoScriptError:
                text = request.again(run)
                if text is None:
                    raise
                await connection.send_packed_command((text,), check_health=False)
                return run, await connection.read_response()

    async def _greet_async(self, connection: Connection) -> None:
        async with asyncio.timeout(self.options.answer_timeout):
            await connection.on_connect()
            await connection.send_command("INFO", "server", check_health=False)
            connection.perfloop_run = _run_of(await connection.read_response(), self.where)
        await self._measure_async(connection)

    async def _measure_async(self, connection: Connection) -> None:
        asked = self._now()
        async with asyncio.timeout(self.options.answer_timeout):
            await connection.send_command("TIME", check_health=False)
            seconds, microseconds = await connection.read_response()
        self.clock.measured(int(seconds) + int(microseconds) / 1e6, asked, self._now())

    def _forget_closed(self) -> None:
        for loop in [loop for loop in self._loops if loop.is_closed()]:
            for connection in self._loops.pop(loop).made:
                _drop(connection)

    def connection(self) -> Connection:
        """One more connection, for who keeps it; connected when it is first used."""
        made: Connection = self._threads_pool.make_connection()
        return made

    def close(self) -> None:
        """Close the connections of threads, and of event loops that have gone."""
        if self._pid != os.getpid():
            return
        self._forget_closed()
        idle = []
        with contextlib.suppress(queue.Empty):
            while True:
                idle.append(self._idle.get_nowait())
        for connection in idle:
            connection.disconnect()
            self._idle.put(connection)

    async def aclose(self) -> None:
        """Close the connections of this event loop, too."""
        self.close()
        loop = self._loops.pop(asyncio.get_running_loop(), None)
        for connection in loop.made if loop else ():
            await connection.disconnect(nowait=True)

    def _none_free(self) -> LevelFailed:
        options = self.options
        return LevelFailed(
            f"All {options.max_connections} connections to Redis were in use for {options.answer_timeout:g} s",
            where=self.where,
            hint="a higher max_connections, or fewer requests at once",
        )


def _drop(connection: Connection) -> None:
    """Close a socket whose event loop is closed: no callback of it will run any more."""
    writer, connection._writer, connection._reader = connection._writer, None, None
    if writer is not None:
        sock = getattr(writer.transport, "_sock", None)
        if sock is not None:
            sock.close()


def _run_of(info: bytes, where: str) -> bytes:
    for line in info.splitlines():
        if line.startswith(b"run_id:"):
            return line.removeprefix(b"run_id:").strip()[:RUN_LENGTH].ljust(RUN_LENGTH)
    raise LevelFailed("Expected the run_id of a Redis server in what it says of itself, got none", where=where)


def _without_password(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname or ''}:{parts.port}" if parts.port else parts.hostname or ""
        return f"{parts.scheme}://{host}{parts.path}"
    except ValueError:
        return "the URL"
