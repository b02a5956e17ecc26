"""A backplane over Redis' publish and subscribe."""

from __future__ import annotations

import contextlib
from typing import Any

from ...clock import MONOTONIC, Clock
from ..effects import Call, Program
from ..levels.redis_errors import explained, failures
from ..levels.redis_transport import Lookup, RedisOptions, RedisTransport, pack
from .listening import ListeningBackplane

__all__ = ["RedisBackplane"]


class RedisBackplane(ListeningBackplane):
    """Tells the other processes of a namespace by PUBLISH; one thread listens.

    Args:
        url: as of `RedisLevel`; any database of a server hears all others.
        namespace: what the processes have in common.
        name: in messages and telemetry.
        options: time limits of connecting and publishing.
        transport: another's way to the same server, to share its connections; `url` is not used then.
        deaf_after: seconds without hearing itself after which a process distrusts what it has.

    Raises:
        ConfigurationError: the URL is none.
    """

    def __init__(
        self,
        url: str = "redis://127.0.0.1:6379/0",
        *,
        namespace: str = "",
        name: str = "redis",
        options: RedisOptions | None = None,
        transport: RedisTransport | None = None,
        deaf_after: float = 3.0,
        clock: Clock = MONOTONIC,
    ) -> None:
        self.transport = transport or RedisTransport(url, options or RedisOptions())
        self._subject = b"perfloop:" + namespace.encode("utf-8", "surrogatepass")
        super().__init__(
            name,
            open_channel=lambda: _Subscription(self.transport, self._subject),
            send=self._publish,
            deaf_after=deaf_after,
            clock=clock,
        )

    def _publish(self, payload: bytes) -> Program[None]:
        yield Call(self.transport, Lookup(pack(b"PUBLISH", self._subject, payload)))


class _Subscription:
    """Two connections of its own: who is subscribed may not publish."""

    def __init__(self, transport: RedisTransport, subject: bytes) -> None:
        self._transport = transport
        self._subject = subject
        self._ears, self._mouth = transport.connection(), transport.connection()
        try:
            self._ears.send_command("SUBSCRIBE", subject, check_health=False)
            self._ears.read_response()
        except (failures.RedisError, OSError) as error:
            self.close()
            raise self._explained(error) from error

    def send(self, payload: bytes) -> None:
        try:
            self._mouth.send_command("PUBLISH", self._subject, payload, check_health=False)
            self._mouth.read_response()
        except (failures.RedisError, OSError) as error:
            raise self._explained(error) from error

    def receive(self, timeout: float) -> bytes | None:
        try:
            if not self._ears.can_read(timeout):
                return None
            answer: list[Any] = self._ears.read_response()
        except (failures.RedisError, OSError) as error:
            raise self._explained(error) from error
        kind, _, payload = answer
        return payload if kind == b"message" else None

    def close(self) -> None:
        for connection in (self._ears, self._mouth):
            with contextlib.suppress(failures.RedisError, OSError):
                connection.disconnect()

    def _explained(self, error: Exception) -> Exception:
        return explained(error, self._transport.where, self._transport.options.answer_timeout)
