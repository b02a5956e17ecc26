"""Response heads that were parsed before: the same bytes again need no parser.

A service answers with few different heads: they change with the length of the body, with the status, and with the
second in Date. A response that begins with a known head is framed as the first one was, byte for byte, so it is whole
when its length is the same.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["FRAMING", "SET_COOKIE", "KnownHead", "KnownHeads", "whole_length"]

FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding)[ \t]*:[ \t]*([^\r]*)", re.IGNORECASE)
"""The header lines that frame a body, in the bytes of a head."""
SET_COOKIE = re.compile(rb"\n[sS][eE][tT]-")
"""In the bytes of a response that sets a cookie; a quick look, which others may pass too."""

_END = b"\r\n\r\n"
_WITHOUT_BODY = (204, 304)
_MOST = 1024
_LONGEST = 2048
_LEARN_EVERY = 1e-3


def whole_length(head: bytes, status: int) -> int | None:
    """The bytes of a response with this head (its blank line included); None where the body itself tells its end."""
    if status in _WITHOUT_BODY:
        return len(head)
    framing = FRAMING.findall(head)
    if len(framing) != 1 or framing[0][0].lower() != b"content-length" or not framing[0][1].strip().isdigit():
        return None
    return len(head) + int(framing[0][1])


class KnownHead(NamedTuple):
    """A head that was parsed."""

    text: bytes
    status: int
    sets_cookies: bool


class KnownHeads:
    """`entries` maps the length of a whole response to the last head that such a response had.

    Learns once a millisecond at the most: a service whose heads are all different (a request id, say) costs nothing.
    """

    __slots__ = ("_next", "entries")

    def __init__(self) -> None:
        self.entries: dict[int, KnownHead] = {}
        self._next = 0.0

    def learn(self, response: bytes, status: int, now: float) -> None:
        """Take note of a response that arrived in one piece and leaves its connection open."""
        if now < self._next:
            return
        self._next = now + _LEARN_EVERY
        head = response[: response.find(_END) + len(_END)]
        if len(head) > _LONGEST or whole_length(head, status) != len(response):
            return
        if len(self.entries) >= _MOST:
            self.entries.clear()
        self.entries[len(response)] = KnownHead(head, status, SET_COOKIE.search(head) is not None)
