"""Blocking sockets: what a database driver or client library without a hook of its own waits for."""

from __future__ import annotations

from ..calls import begin_call, end_call, time_method
from ..events import BLOCKING

# Not from typing: importing that would cost every helper process of the service.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["apply"]


def apply(module: Any) -> None:
    """Time the calls that may block; non-blocking sockets, as event loops use them, pass at once."""
    if module.__name__ == "ssl":
        for name in ("do_handshake", "read", "write"):
            time_method(module.SSLSocket, name, BLOCKING)
        return
    for name in ("connect", "recv", "recv_into", "recvfrom", "send", "sendall", "accept"):
        _time_socket_call(module.socket, name)


def _time_socket_call(owner: Any, name: str) -> None:
    method = getattr(owner, name)

    def timed(self: Any, *args: Any, **options: Any) -> Any:
        mark = None if self.gettimeout() == 0 else begin_call()
        if mark is None:
            return method(self, *args, **options)
        try:
            return method(self, *args, **options)
        finally:
            end_call(mark, BLOCKING)

    timed.__name__ = name
    timed.__qualname__ = f"socket.{name}"
    timed.__doc__ = method.__doc__
    timed.__wrapped__ = method  # type: ignore[attr-defined]
    setattr(owner, name, timed)
