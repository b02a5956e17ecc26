"""Clients that do not wait for each other: calls come at random, time out, and are tried again.

Each call is due at its moment, whatever became of others, and its latency counts from then. An attempt that gets no
answer in time is given up, and its connection closed; a call is attempted anew after a timeout, a broken connection or
a status of 500 and more, with an exponential, jittered wait between, as client libraries do by default. Retry-After is
not heeded: clients that are that polite overload nobody.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import NamedTuple, cast

import numpy as np

__all__ = ["OK", "TIMED_OUT", "Attempt", "Call", "Clients", "p99"]

ATTEMPTS = 3
_FIRST_BACKOFF = 0.05
OK = 200
TIMED_OUT = 0


class Attempt(NamedTuple):
    """One request."""

    sent: float
    """When it was due, or sent if it is a repetition."""
    seconds: float
    status: int
    """0: no answer in time."""


class Call(NamedTuple):
    """What somebody wanted, with all its attempts."""

    due: float
    lag: float
    """Seconds after which it was begun."""
    attempts: tuple[Attempt, ...]

    @property
    def answered(self) -> bool:
        return self.attempts[-1].status == OK


class Clients:
    """All clients of one service."""

    def __init__(self, port: int, timeout: float, *, seed: int = 7) -> None:
        """Clients that wait `timeout` seconds for each attempt."""
        self._port = port
        self._timeout = timeout
        self._draw = random.Random(seed)
        self._idle: list[_Connection] = []
        self._loop = asyncio.get_running_loop()

    async def open(self, path: str, *phases: tuple[float, float], attempts: int = ATTEMPTS) -> list[list[Call]]:
        """Calls at random, and how all of them ended.

        Args:
            phases: calls a second and seconds, one phase right after the other.
            attempts: the most for one call.

        Returns:
            the calls of each phase, all ended.
        """
        request = self._request(path)
        calls: list[list[asyncio.Task[Call]]] = []
        start = time.monotonic()
        for rate, seconds in phases:
            calls.append([])
            due = start + self._draw.expovariate(rate)
            start += seconds
            while due < start:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                now = time.monotonic()
                while due <= min(now, start):
                    calls[-1].append(self._loop.create_task(self._call(request, due, attempts)))
                    due += self._draw.expovariate(rate)
        return [list(await asyncio.gather(*phase)) for phase in calls]

    async def closed(self, path: str, clients: int, seconds: float) -> float:
        """Answers a second that so many clients get who ask again at once."""
        request = self._request(path)
        end = time.monotonic() + seconds
        answers = 0

        async def ask() -> None:
            nonlocal answers
            while time.monotonic() < end:
                attempt = await self._attempt(request, time.monotonic())
                answers += attempt.status == OK

        await asyncio.gather(*(ask() for _ in range(clients)))
        return answers / seconds

    def _request(self, path: str) -> bytes:
        milliseconds = round(self._timeout * 1000)
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nx-envoy-expected-rq-timeout-ms: {milliseconds}\r\n\r\n"
        return head.encode()

    async def _call(self, request: bytes, due: float, most: int) -> Call:
        began = time.monotonic()
        attempts = [await self._attempt(request, due)]
        while len(attempts) < most and (attempts[-1].status == TIMED_OUT or attempts[-1].status >= 500):
            await asyncio.sleep(_FIRST_BACKOFF * 2 ** len(attempts) * self._draw.uniform(0.5, 1))
            attempts.append(await self._attempt(request, time.monotonic()))
        return Call(due, began - due, tuple(attempts))

    async def _attempt(self, request: bytes, due: float) -> Attempt:
        connection = None
        while self._idle and connection is None:
            connection = self._idle.pop()
            if connection.closed:  # the server ended it: it had been idle for long
                connection = None
        answer: asyncio.Future[int] = self._loop.create_future()
        timer = self._loop.call_later(self._timeout, _expire, answer)
        status = TIMED_OUT
        try:
            if connection is None:
                made = await asyncio.wait_for(
                    self._loop.create_connection(_Connection, "127.0.0.1", self._port), self._timeout
                )
                connection = made[1]
            connection.ask(request, answer)
            status = await answer
        except (OSError, TimeoutError):
            pass
        finally:
            timer.cancel()
        if connection is not None:
            if status == TIMED_OUT or connection.closed:
                connection.close()
            else:
                self._idle.append(connection)
        return Attempt(due, time.monotonic() - due, status)


def _expire(answer: asyncio.Future[int]) -> None:
    if not answer.done():
        answer.set_result(TIMED_OUT)


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.closed = False
        self._received = b""
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def ask(self, request: bytes, answer: asyncio.Future[int]) -> None:
        assert self._transport is not None
        self._received, self._answer = b"", answer
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or self._answer is None or self._answer.done():
            return
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if len(body) >= int(length[15:]):
            self._answer.set_result(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(TIMED_OUT)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.abort()


def p99(seconds: list[float]) -> float:
    """The 99th percentile."""
    return float(np.percentile(seconds, 99)) if seconds else float("inf")
