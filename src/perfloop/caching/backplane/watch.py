"""Whether this process hears all that the others say: a state machine without I/O or a clock of its own.

Each process numbers what it publishes, and says every second how far it has come (a heartbeat). A number that does not
come within `patience` is a gap. A process that is no longer heard and has not said goodbye may have said something
last: a gap. A process first heard of when it has published already: a gap. A process knows that it hears by its own
messages: the last one that came back must be younger than `deaf_after`, and sent over this connection.

So what is published at one moment is applied, or a gap is found, or the process is deaf, at most `deaf_after` + one
heartbeat + `patience` later. One thing cannot be found: what somebody said of whom not a single message ever came.
"""

from __future__ import annotations

import enum
import threading
from typing import Annotated, TypeAlias

import msgspec

from .protocol import Invalidation

__all__ = ["Event", "Kind", "Message", "Numbers", "Signal", "Watch"]

MOST_MISSING = 1000
"""Numbers that are waited for from one process; more of them are a gap at once."""


class Kind(enum.IntEnum):
    """What a message is."""

    INVALIDATION = 0
    HEARTBEAT = 1
    GOODBYE = 2


class Message(msgspec.Struct, frozen=True, array_like=True):
    """What goes from process to process."""

    publisher: str
    """Empty where it has no numbers: a database sent it for a transaction that was committed."""
    number: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    """Of an invalidation its own; of the others that of the last one that has been sent, 0 before the first."""
    kind: Kind
    sent: float
    """By the publisher's clock: means something only to itself."""
    invalidation: Invalidation | None = None


class Signal(enum.Enum):
    """What a listener is told besides invalidations."""

    GAP = "gap"
    DEAF = "deaf"


Event: TypeAlias = Invalidation | Signal


class Numbers:
    """The numbers of one publisher; safe in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._under_way: set[int] = set()

    def take(self) -> int:
        """The next number, for a message about to be sent."""
        with self._lock:
            self._last += 1
            self._under_way.add(self._last)
            return self._last

    def settle(self, number: int) -> None:
        """It was sent, or it failed: then the others will miss it."""
        with self._lock:
            self._under_way.discard(number)

    def settled(self) -> int:
        """The number up to which nothing is under way any more."""
        with self._lock:
            return min(self._under_way, default=self._last + 1) - 1


class _Peer:
    """What is known of another process."""

    __slots__ = ("heard", "last", "missing")

    def __init__(self, last: int, heard: float) -> None:
        self.last = last
        self.heard = heard
        self.missing: dict[int, float] = {}
        """Numbers that have not come, and when each is given up."""


class Watch:
    """What one process has heard; begins deaf. Each method gives what the listener is to be told, in order.

    Args:
        me: this process' own name among the publishers.
        deaf_after: seconds without hearing itself after which it is deaf, and without hearing another process after
            which that one is taken for dead.
        patience: seconds that a number may come later than those after it.
    """

    def __init__(self, me: str, *, deaf_after: float = 3.0, patience: float = 0.5) -> None:
        self._me = me
        self._deaf_after = deaf_after
        self._patience = patience
        self._peers: dict[str, _Peer] = {}
        self._connected = float("inf")
        self._heard_self = float("-inf")
        self.deaf = True

    def connected(self, now: float) -> list[Event]:
        """A new connection: it hears once it has heard itself over it."""
        self._connected = now
        return self._turn_deaf()

    def lost(self) -> list[Event]:
        """The connection is gone."""
        self._connected = float("inf")
        return self._turn_deaf()

    def heard(self, message: Message, now: float) -> list[Event]:
        """A message has come."""
        if message.publisher == self._me:
            return self._heard_myself(message, now)
        events: list[Event] = [] if message.invalidation is None else [message.invalidation]
        if not message.publisher:
            return self._after(events)
        peer = self._peers.get(message.publisher)
        first = 1 if message.kind is Kind.INVALIDATION else 0
        if peer is None:
            peer = self._peers[message.publisher] = _Peer(message.number, now)
            if message.number > first:
                events.append(Signal.GAP)
        else:
            peer.heard = now
            if message.kind is Kind.INVALIDATION:
                peer.missing.pop(message.number, None)
            skipped = range(peer.last + 1, message.number + 1 - first)
            peer.last = max(peer.last, message.number)
            goodbye = message.kind is Kind.GOODBYE
            if len(peer.missing) + len(skipped) > (0 if goodbye else MOST_MISSING):
                events.append(Signal.GAP)
            else:
                peer.missing.update(dict.fromkeys(skipped, now + self._patience))
        if message.kind is Kind.GOODBYE:
            del self._peers[message.publisher]
        return self._after(events)

    def undecodable(self) -> list[Event]:
        """Something has come that is no message."""
        return self._after([Signal.GAP])

    def failed(self, event: Event) -> list[Event]:
        """The listener could not take what it was told, so that it has missed it.

        One that cannot take a gap still has what may be stale: it is deaf until the next message of this process' own.
        """
        return self._turn_deaf() if event is Signal.GAP else self.undecodable() if event is not Signal.DEAF else []

    def tick(self, now: float) -> list[Event]:
        """Time has passed; asked several times a second."""
        if self.deaf:
            return []
        if now - self._heard_self > self._deaf_after:
            return self._turn_deaf()
        silent = [name for name, peer in self._peers.items() if now - peer.heard > self._deaf_after]
        for name in silent:
            del self._peers[name]
        late = any(until < now for peer in self._peers.values() for until in peer.missing.values())
        return self._after([Signal.GAP] if silent or late else [])

    def _heard_myself(self, message: Message, now: float) -> list[Event]:
        if message.sent < self._connected or now - message.sent > self._deaf_after:
            return []  # too old to say anything
        self._heard_self = max(self._heard_self, message.sent)
        if not self.deaf:
            return []
        self.deaf = False
        for peer in self._peers.values():
            peer.heard = now
        return self._after([Signal.GAP])

    def _turn_deaf(self) -> list[Event]:
        if self.deaf:
            return []
        self.deaf = True
        return [Signal.DEAF]

    def _after(self, events: list[Event]) -> list[Event]:
        """A gap covers all that is missing; while deaf there is nothing to be lost by one."""
        if Signal.GAP not in events:
            return events
        for peer in self._peers.values():
            peer.missing.clear()
        others: list[Event] = [event for event in events if event is not Signal.GAP]
        return others if self.deaf else [*others, Signal.GAP]
