"""What every backplane does alike: numbers, heartbeats, and one thread that listens."""

from __future__ import annotations

import atexit
import collections
import contextlib
import logging
import os
import random
import secrets
import threading
from typing import TYPE_CHECKING, Protocol

import msgspec

from ...clock import MONOTONIC, Clock
from ...exceptions import LevelFailed
from .protocol import Invalidation
from .watch import Event, Kind, Message, Numbers, Signal, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..effects import Program

__all__ = ["Channel", "ListeningBackplane", "encode_unnumbered"]

_LOG = logging.getLogger("perfloop.caching")
_HEARTBEAT = 1.0
_LONGEST_WAIT = 0.1
_LONGEST_PAUSE = 2.0
_decode = msgspec.msgpack.Decoder(Message).decode
_encode = msgspec.msgpack.Encoder().encode


class Channel(Protocol):
    """A connection that hears what is sent to all, itself included. Used by one thread; raises LevelFailed."""

    def send(self, payload: bytes) -> None: ...

    def receive(self, timeout: float) -> bytes | None:
        """The next message, or None after so many seconds without one."""

    def close(self) -> None:
        """Never raises."""


def encode_unnumbered(invalidation: Invalidation) -> bytes:
    """A message of no process', for what sends each exactly once, like a database at a commit."""
    return _encode(Message("", 0, Kind.INVALIDATION, 0.0, invalidation))


class ListeningBackplane:
    """A backplane over any way that carries bytes to all.

    One daemon thread a process listens and sends the heartbeats; it begins with the first `listen` or `publish`, in a
    forked child with the child's own, and ends with `close`.

    Args:
        name: in messages and telemetry.
        open_channel: connects; raises LevelFailed.
        send: the program that publishes bytes from where the caller is, a thread or an event loop.
        largest: bytes of a message; larger invalidations go in parts.
        deaf_after: seconds without hearing itself after which a process distrusts what it has.
    """

    def __init__(
        self,
        name: str,
        *,
        open_channel: Callable[[], Channel],
        send: Callable[[bytes], Program[None]],
        largest: int | None = None,
        deaf_after: float = 3.0,
        clock: Clock = MONOTONIC,
    ) -> None:
        self.name = name
        self._open_channel = open_channel
        self._send = send
        self._largest = largest
        self._deaf_after = deaf_after
        self._clock = clock
        self._pid = 0
        self._forget()

    def _forget(self) -> None:
        self._starting = threading.Lock()
        self._thread: _Thread | None = None
        self._listener: _Listener | None = None

    def listen(
        self, on_message: Callable[[Invalidation], None], on_gap: Callable[[], None], on_deaf: Callable[[], None]
    ) -> None:
        """See `Backplane.listen`."""
        self._check_process()
        on_deaf()
        listener = _Listener(on_message, on_gap, on_deaf)
        with self._starting:
            self._listener = listener
            if self._thread is not None:
                self._thread.listener = listener
        self._running()

    def publish(self, invalidation: Invalidation) -> Program[None]:
        """See `Backplane.publish`."""
        thread = self._running()
        for part in self._parts(invalidation):
            number = thread.numbers.take()
            try:
                yield from self._send(_encode(thread.message(Kind.INVALIDATION, number, part)))
            finally:
                thread.numbers.settle(number)

    def close(self) -> None:
        """See `Backplane.close`."""
        self._check_process()
        with self._starting:
            thread, self._thread = self._thread, None
        if thread is not None:
            atexit.unregister(thread.stop)
            thread.stop()

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._forget()

    def _running(self) -> _Thread:
        self._check_process()
        with self._starting:
            if self._thread is None:
                self._thread = _Thread(self.name, self._open_channel, self._listener, self._deaf_after, self._clock)
                atexit.register(self._thread.stop)
            return self._thread

    def _parts(self, whole: Invalidation) -> Iterator[Invalidation]:
        if self._largest is None or len(_encode(whole)) + 100 <= self._largest:
            yield whole
            return
        lists = {"keys": whole.keys, "tags": whole.tags, "expired": whole.expired}
        if sum(map(len, lists.values())) <= 1:
            yield Invalidation(all=True, missed=whole.missed)
            return
        for half in (0, 1):
            parts = {name: names[half::2] for name, names in lists.items()}
            if any(parts.values()):
                yield from self._parts(msgspec.structs.replace(whole, **parts))


class _Listener(msgspec.Struct, frozen=True):
    on_message: Callable[[Invalidation], None]
    on_gap: Callable[[], None]
    on_deaf: Callable[[], None]

    def tell(self, event: Event) -> None:
        if isinstance(event, Invalidation):
            self.on_message(event)
        elif event is Signal.GAP:
            self.on_gap()
        else:
            self.on_deaf()


class _Thread:
    """The thread, and what this process is called and has published while it runs."""

    def __init__(
        self,
        name: str,
        open_channel: Callable[[], Channel],
        listener: _Listener | None,
        deaf_after: float,
        clock: Clock,
    ) -> None:
        self.publisher = secrets.token_hex(8)
        self.numbers = Numbers()
        self.listener = listener
        self._name = name
        self._open_channel = open_channel
        self._deaf_after = deaf_after
        self._now = clock.now
        self._ending = threading.Event()
        self._told, self._watch = listener, self._new_watch()
        self._untold: list[Event] = []
        self._said: set[str] = set()
        self._thread = threading.Thread(target=self._run, name=f"perfloop backplane {name}", daemon=True)
        self._thread.start()

    def message(self, kind: Kind, number: int, invalidation: Invalidation | None = None) -> Message:
        return Message(self.publisher, number, kind, self._now(), invalidation)

    def stop(self) -> None:
        """Say goodbye, and wait until it has ended."""
        self._ending.set()
        if self._thread is not threading.current_thread():
            self._thread.join(_LONGEST_PAUSE)

    def _run(self) -> None:
        pause = _LONGEST_WAIT
        while not self._ending.is_set():
            try:
                with contextlib.closing(self._open_channel()) as channel:
                    if "connection" in self._said:
                        self._said.discard("connection")
                        _LOG.info("backplane %s: connected to other processes again", self._name)
                    pause = _LONGEST_WAIT
                    self._listen(channel)
            except LevelFailed as error:
                self._report("connection", "not connected to other processes, trying again", error)
            finally:  # whatever happens, from now on it hears nothing
                self._tell(self._watch.lost())
            self._ending.wait(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _listen(self, channel: Channel) -> None:
        """Until it ends or the channel fails."""
        self._tell(self._watch.connected(self._now()))
        beat = ticked = heard = self._now()
        while not self._ending.is_set():
            if self._told is not self.listener:  # who listens from now on has to be told once more that it hears
                self._told, self._watch, self._untold = self.listener, self._new_watch(), []
                self._watch.connected(self._now())
                beat = self._now()
            if self._now() >= beat:
                channel.send(_encode(self.message(Kind.HEARTBEAT, self.numbers.settled())))
                beat = self._now() + _HEARTBEAT
            payload = channel.receive(max(0.0, min(beat - self._now(), _LONGEST_WAIT)))
            now = self._now()
            if payload is not None:
                self._tell(self._heard(payload, now))
            if payload is None or now - ticked >= _LONGEST_WAIT:
                ticked = now
                self._tell(self._watch.tick(now))
            heard = heard if self._watch.deaf else now
            if now - heard > 2 * self._deaf_after:
                raise LevelFailed(f"What is sent has not come back for {now - heard:.0f} s", where=self._name)
        channel.send(_encode(self.message(Kind.GOODBYE, self.numbers.settled())))

    def _heard(self, payload: bytes, now: float) -> list[Event]:
        try:
            message = _decode(payload)
        except msgspec.DecodeError as error:
            self._report("message", "a message of another process cannot be read, which counts as a gap", error)
            return self._watch.undecodable()
        return self._watch.heard(message, now)

    def _tell(self, events: list[Event]) -> None:
        if self._told is None:
            return
        to_tell = collections.deque([*self._untold, *events])
        self._untold = []
        while to_tell:
            event = to_tell.popleft()
            try:
                self._told.tell(event)
            except Exception:
                _LOG.exception("backplane %s: a listener failed at %s, which counts as a gap", self._name, event)
                if event is Signal.DEAF and self._watch.deaf:
                    self._untold = [event]
                else:
                    to_tell.extend(self._watch.failed(event))

    def _new_watch(self) -> Watch:
        return Watch(self.publisher, deaf_after=self._deaf_after)

    def _report(self, subject: str, words: str, error: Exception) -> None:
        """Say it once, so that an outage does not fill the log."""
        if subject not in self._said:
            self._said.add(subject)
            _LOG.warning("backplane %s: %s: %s", self._name, words, error)
