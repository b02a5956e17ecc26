"""Opening connections of HTTP/2, and slots for requests on them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from .. import failures
from ..connector import Connector
from .session import Http2Session

if TYPE_CHECKING:
    from ..connection import Connection
    from ..lifecycle import Lifecycle
    from ..target import Target

__all__ = ["Http2Connector"]


class Http2Connector(Connector):
    """What it opens is a slot on a connection: of one that has room, else of a new one.

    Args:
        streams: slots a connection.
    """

    _protocol = "h2"

    def __init__(self, engine: Lifecycle, target: Target, timeout: float, streams: int) -> None:
        super().__init__(engine, target, timeout)
        self._scheme = b"https" if target.tls else b"http"
        self._streams = streams
        self._sessions: list[Http2Session] = []

    async def open(self, failed_attempts: int = 0) -> Connection:
        self._sessions = [session for session in self._sessions if not session.draining]
        session = next((one for one in self._sessions if len(one.slots) + one.reserved < self._streams), None)
        if session is None:
            session = Http2Session(self._engine, self._scheme)
            self._sessions.append(session)
            await self._begin(session)
        else:
            session.reserved += 1
            try:
                await asyncio.shield(session.ready)
            finally:
                session.reserved -= 1
        return cast("Connection", session.slot(failed_attempts))

    async def _begin(self, session: Http2Session) -> None:
        session.reserved += 1
        try:
            async with asyncio.timeout(self._timeout):
                await self.reach(session)
                if self._tls is not None and session.negotiated != self._protocol:
                    raise failures.NotHttp2Error("the server did not choose HTTP/2 in the TLS handshake (ALPN)")
                await asyncio.shield(session.ready)
        except BaseException as error:
            session.give_up(error)
            raise
        finally:
            session.reserved -= 1
