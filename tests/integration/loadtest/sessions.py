"""What tests of WebSocket and server-sent events need: a server's frames by hand, and an outcome's counts."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import TYPE_CHECKING, Any

from perfloop.loadtest import LoadOptions, LoadOutcome, PythonScenario

if TYPE_CHECKING:
    from .serving import Exchange

TEXT, BINARY, CONTINUED, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
CONNECT, ROUND_TRIP = "WS /ws/{room} connect", "WS /ws/{room} round trip"
ASK = """\
async def chat(user):
    async with user.websocket('/ws/{room}', room=1) as ws:
        await ws.request('?')
"""


def options(url: str, scenario: PythonScenario, **more: Any) -> LoadOptions:
    given = {"connections": 1, "request_limit": 1, "duration": None, "timeout": 5.0, **more}
    return LoadOptions(url=url, scenario=scenario, **given)


def frame(opcode: int, payload: bytes = b"", *, final: bool = True) -> bytes:
    size = len(payload)
    if size < 126:
        length = struct.pack("!B", size)
    else:
        length = struct.pack("!BH", 126, size) if size < 65536 else struct.pack("!BQ", 127, size)
    return bytes((opcode | final << 7,)) + length + payload


async def upgrade(exchange: Exchange, *lines: str, behind: bytes = b"") -> None:
    key = exchange.header("sec-websocket-key")
    assert key is not None
    digest = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    head = (
        "HTTP/1.1 101 Switching Protocols",
        "upgrade: WebSocket",
        "connection: keep-alive, Upgrade",
        f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}",
        *lines,
    )
    await exchange.send("".join(f"{line}\r\n" for line in head).encode() + b"\r\n" + behind)


async def read_frame(exchange: Exchange) -> tuple[int, bytes]:
    """A client's next frame, which must be masked."""
    first, second = await exchange.reader.readexactly(2)
    assert second & 0x80
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", await exchange.reader.readexactly(2))
    mask = await exchange.reader.readexactly(4)
    payload = await exchange.reader.readexactly(size)
    return first & 15, bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def endpoints(outcome: LoadOutcome) -> dict[str, tuple[int, int]]:
    return {each.label: (each.requests, each.errors) for each in outcome.results.endpoints}


def groups(outcome: LoadOutcome) -> dict[str, tuple[int, int]]:
    return {each.name: (each.count, each.failed) for each in outcome.results.groups}
