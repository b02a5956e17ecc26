"""A backplane over PostgreSQL's LISTEN and NOTIFY, which tells of a change in the transaction that makes it, too."""

from __future__ import annotations

import base64
import binascii
import collections
import contextlib
import hashlib
from typing import TYPE_CHECKING

from ...clock import MONOTONIC, Clock
from ..effects import Call, Program, run
from ..levels.postgresql_connections import On, psycopg
from ..levels.postgresql_faults import place_of
from ..levels.postgresql_transport import PostgreSQLTransport
from ..levels.sql import Transaction
from .listening import ListeningBackplane, encode_unnumbered
from .protocol import Invalidation

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PostgreSQLBackplane"]

_LARGEST = 5_900
"""Bytes; a NOTIFY carries less than 8,000 characters, of which base64 makes four out of three bytes."""
_NOTIFY = "SELECT pg_notify(?, payload) FROM unnest(CAST(? AS text[])) payload"


class PostgreSQLBackplane(ListeningBackplane):
    """Tells the other processes of a namespace by NOTIFY; one thread listens, with a connection of its own.

    Not through a pooler that gives each transaction another connection: it would hear nothing, and say so.

    Args:
        url: of the database, as libpq reads it; only the same database hears.
        namespace: what the processes have in common.
        name: in messages and telemetry.
        connections: how many at most for the threads of a process, and for each of its event loops.
        timeout: seconds to connect, and to publish.
        deaf_after: seconds without hearing itself after which a process distrusts what it has.

    Raises:
        InvalidValue: the URL cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        namespace: str = "",
        name: str = "postgresql",
        connections: int = 2,
        timeout: float = 2.0,
        deaf_after: float = 3.0,
        clock: Clock = MONOTONIC,
    ) -> None:
        place = f"{name} at {place_of(url)}"
        self._server = PostgreSQLTransport(url, size=connections, timeout=timeout, place=place)
        digest = hashlib.blake2b(namespace.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        self._channel = f"perfloop_{digest}"
        super().__init__(
            name,
            open_channel=lambda: _Subscription(self._server, self._channel),
            send=self._send_payload,
            largest=_LARGEST,
            deaf_after=deaf_after,
            clock=clock,
        )

    def statement(self, keys: Sequence[str] = (), tags: Sequence[str] = ()) -> tuple[str, tuple[str, list[str]]]:
        """What tells all processes, this one too, exactly if the transaction that it is executed in is committed.

        Args:
            keys: encoded keys, without the namespace.
            tags: what is removed besides.

        Returns:
            SQL with `%s` for parameters, and these: for psycopg, or whatever else takes them.
        """
        parts = self._parts(Invalidation(tuple(keys), tuple(tags)))
        payloads = [_text(encode_unnumbered(part)) for part in parts]
        return _NOTIFY.replace("?", "%s"), (self._channel, payloads)

    def close(self) -> None:
        """See `Backplane.close`."""
        super().close()
        self._server.close()

    async def aclose(self) -> None:
        """Close this event loop's connections, too."""
        self.close()
        await self._server.aclose()

    def _send_payload(self, payload: bytes) -> Program[None]:
        yield Call(self._server, _notification(self._channel, payload))


class _Subscription:
    """Listens by a connection of its own, and speaks by another."""

    def __init__(self, server: PostgreSQLTransport, channel: str) -> None:
        self._server = server
        self._channel = channel
        self._heard: collections.deque[str] = collections.deque()
        self._ears = server.connect()
        try:
            run(_listening(self._ears, channel))
        except psycopg.Error as error:
            self.close()
            raise server.explained(error) from error

    def send(self, payload: bytes) -> None:
        self._server.send(_notification(self._channel, payload))

    def receive(self, timeout: float) -> bytes | None:
        if not self._heard:
            try:
                self._heard.extend(each.payload for each in self._ears.notifies(timeout=timeout, stop_after=1))
            except psycopg.Error as error:
                raise self._server.explained(error) from error
        if not self._heard:
            return None
        text = self._heard.popleft()
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return text.encode()  # somebody else's: no message, which is said where messages are read

    def close(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self._ears.pgconn.finish()


def _listening(connection: object, channel: str) -> Program[None]:
    yield On(connection, Transaction(((f'LISTEN "{channel}"', ()),)), prepares=False)


def _notification(channel: str, payload: bytes) -> Transaction:
    return Transaction(((_NOTIFY, (channel, [_text(payload)])),))


def _text(payload: bytes) -> str:
    return base64.b64encode(payload).decode()
