"""Opening connections: the host is looked up once, and each connection goes to the next of its addresses."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

from ..exceptions import UnreachableTarget
from ..stats import Histogram
from . import failures
from .connection import Connection

if TYPE_CHECKING:
    from .lifecycle import Lifecycle
    from .target import Target

__all__ = ["PHASES", "Connector", "Openings"]

PHASES = ("dns", "connect", "tls")
"""Of opening a connection, as `Openings` has them."""

_OPENING_AT_ONCE = 64
_HINTS = {
    failures.REFUSED: "nothing listens there: start the service, or check the port",
    failures.NOT_HTTP2: "leave out --http2; on http:// the server must take HTTP/2 without asking for an upgrade",
    failures.CONNECT_TIMEOUT: "no answer in time: check the address, a firewall, or whether the service hangs",
    failures.TLS: "check the certificate and the host name, or pass --insecure not to verify it",
    "name resolution": "check the host name",
    "too many open files": "lower --connections, or raise the limit: ulimit -n",
    "no such file or directory": "check the socket's path",
}


class Openings:
    """How long the phases of opening connections took, in µs."""

    def __init__(self) -> None:
        self.dns = Histogram()
        self.connect = Histogram()
        self.tls = Histogram()


class Connector:
    """Opens connections of one engine to one target."""

    _protocol = "http/1.1"
    """As TLS negotiates it."""

    def __init__(self, engine: Lifecycle, target: Target, timeout: float) -> None:
        self._engine = engine
        self._target = target
        self._timeout = timeout
        self.openings = Openings()
        self._addresses: list[tuple[int, Any]] = []
        """Families with socket addresses; the next connection goes to the first."""
        self.connection_type: type[Connection] = Connection
        self._tls = _tls_context(target, self._protocol) if target.tls else None
        self._resume = engine.options.tls_resume
        self._last_tls: ssl.SSLObject | None = None

    async def open_all(self, count: int) -> set[Connection]:
        """So many connections, before the run.

        Raises:
            UnreachableTarget: the host has no address, or one of them cannot be opened.
        """
        await self._resolve()
        opened: set[Connection] = set()
        wanted = iter(range(count))

        async def open_some() -> None:
            for _ in wanted:
                opened.add(await self.open())

        tasks = [asyncio.ensure_future(open_some()) for _ in range(min(count, _OPENING_AT_ONCE))]
        try:
            await asyncio.gather(*tasks)
        except (OSError, TimeoutError) as error:
            # Over HTTP/2 those counted are streams, several on a connection.
            connections = min(count, self._engine.options.connections)
            raise self._unreachable(error, connections, len(opened) * connections // count) from error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return opened

    async def _resolve(self) -> None:
        target = self._target
        if target.unix_path is not None:
            return
        loop = asyncio.get_running_loop()
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError) as error:
            raise self._unreachable(error) from error
        self.openings.dns.record(_microseconds_since(began))
        self._addresses = list(dict.fromkeys((int(entry[0]), entry[4]) for entry in found))

    async def open(self, failed_attempts: int = 0) -> Connection:
        """A new connection, within the timeout.

        Raises:
            OSError: it cannot be opened; TimeoutError and ssl.SSLError are among these.
        """
        connection = self.connection_type(self._engine, failed_attempts)
        async with asyncio.timeout(self._timeout):
            await self.reach(connection)
        return connection

    async def reach(self, protocol: asyncio.Protocol) -> None:
        """Connect the protocol to the target.

        Raises:
            OSError: it cannot be reached.
        """
        loop = asyncio.get_running_loop()
        began = time.monotonic()
        if self._target.unix_path is not None:
            await loop.create_unix_connection(lambda: protocol, self._target.unix_path)
            self.openings.connect.record(_microseconds_since(began))
            return
        if self._resume and self._tls is not None:
            self._tls.take_session(self._last_tls)
        connected = await self._connected()
        self.openings.connect.record(_microseconds_since(began))
        began = time.monotonic()
        try:
            transport, _ = await loop.create_connection(
                lambda: protocol,
                sock=connected,
                ssl=self._tls,
                server_hostname=self._target.host if self._tls else None,
                ssl_handshake_timeout=self._timeout if self._tls else None,
            )
        except BaseException:
            connected.close()
            raise
        if self._tls is not None:
            self.openings.tls.record(_microseconds_since(began))
            self._last_tls = transport.get_extra_info("ssl_object")
            if self._last_tls is not None and self._last_tls.session_reused:
                self._engine.events.add("TLS session resumed", "")

    async def _connected(self) -> socket.socket:
        """A socket that is connected to one of the addresses, to the next of them each time.

        One that cannot be reached while another can is left out from then on.
        """
        failed: dict[tuple[int, Any], OSError] = {}
        for family, address in list(self._addresses):
            try:
                connected = await _connect(family, address)
            except OSError as error:
                failed[family, address] = error
                continue
            for (_, left_out), why in failed.items():
                kind, text = failures.classify(why)
                self._engine.events.add("address left out", f"{left_out[0]}: {kind}: {text}")
            others = [entry for entry in self._addresses if entry not in failed and entry != (family, address)]
            self._addresses = [*others, (family, address)]
            return connected
        raise next(reversed(failed.values()))

    def _unreachable(self, error: BaseException, count: int = 1, opened: int = 0) -> UnreachableTarget:
        kind, text = failures.classify(error)
        target = self._target
        wanted = f"Expected to open {count} connection{'s' if count > 1 else ''} to {target.address}"
        reached = f", opened {opened}" if opened else ""
        hint = _HINTS.get(kind)
        if kind == failures.TLS and "WRONG_VERSION_NUMBER" in text:
            hint = f"it does not speak TLS: use http://{target.host_header}{target.path}"
        if opened and kind in (failures.REFUSED, failures.CONNECT_TIMEOUT, failures.RESET):
            hint = "the service takes no more connections: lower --connections"
        detail = kind if kind in text.lower() or not text else f"{kind}: {text}"
        return UnreachableTarget(f"{wanted}{reached}: {detail}", where=target.address, hint=hint)


class _ResumingContext(ssl.SSLContext):
    """Begins each connection with the session of an earlier one, if it has one: event loops take no session."""

    session: ssl.SSLSession | None = None

    def take_session(self, earlier: ssl.SSLObject | None) -> None:
        """Resume that connection's session from now on, if the server has given a ticket or an id for it."""
        session = None if earlier is None else earlier.session
        if session is not None and (session.has_ticket or session.id):
            self.session = session

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session or self.session)


def _tls_context(target: Target, protocol: str) -> _ResumingContext:
    context = _ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    context.set_alpn_protocols([protocol])
    if not target.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _connect(family: int, address: Any) -> socket.socket:
    unconnected = socket.socket(family, socket.SOCK_STREAM)
    try:
        unconnected.setblocking(False)
        unconnected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(unconnected, address)
    except BaseException:
        unconnected.close()
        raise
    return unconnected


def _microseconds_since(began: float) -> int:
    return round((time.monotonic() - began) * 1e6)
