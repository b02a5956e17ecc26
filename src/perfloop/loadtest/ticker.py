"""Wake-ups that are punctual: to the tens of microseconds without spinning, to a few with it.

An event loop's own timers have a resolution of 1 ms, and a shorter delay spins. On Linux a timerfd registered as a
reader wakes the loop by hrtimer; elsewhere the loop's timer is what there is. Two ways to use it, both measured: at
high rates a periodic wake-up is cheapest (no system call to arm it); at low rates arming it for the one next due time
wakes the process less often and more punctually. Spinning looks at the clock in every round of the event loop, and
takes a whole core for it.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["PERIOD", "LoopTicker", "SpinTicker", "Ticker", "TimerfdTicker", "open_ticker"]

PERIOD = 260e-6
"""Seconds between periodic wake-ups: half of it is the mean send lag they cause."""

_SECOND = 1_000_000_000
_CLOCK_MONOTONIC = 1
_TFD_NONBLOCK = 0o4000
_TFD_CLOEXEC = 0o2000000
_TFD_TIMER_ABSTIME = 1


class Ticker:
    """Calls `wake` on the loop: every PERIOD after `start_periodic`, or once at the moment given to `arm`."""

    def start_periodic(self) -> None:
        """Wake up every PERIOD from now on."""
        raise NotImplementedError

    def arm(self, at: float) -> None:
        """Wake up once at `at` seconds of the monotonic clock, or at once if that has passed."""
        raise NotImplementedError

    def close(self) -> None:
        """No wake-up after this. May be called twice."""
        raise NotImplementedError


class _Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class _Itimerspec(ctypes.Structure):
    _fields_ = [("interval", _Timespec), ("value", _Timespec)]


class _Timerfd:
    """Linux's timerfd_create and timerfd_settime through ctypes."""

    def __init__(self) -> None:
        try:
            library: Any = ctypes.CDLL(None, use_errno=True)
            create, self._settime = library.timerfd_create, library.timerfd_settime
        except (OSError, AttributeError) as error:
            raise OSError("this system has no timerfd") from error
        self.descriptor: int = create(_CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
        if self.descriptor < 0:
            self._raise()
        self._settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        self._spec = _Itimerspec()
        self._address = ctypes.addressof(self._spec)

    def set(self, flags: int, initial: int, interval: int) -> None:
        """Expire at `initial` nanoseconds, and then every `interval`, if that is not 0."""
        spec = self._spec
        spec.value.seconds, spec.value.nanoseconds = divmod(initial, _SECOND)
        spec.interval.seconds, spec.interval.nanoseconds = divmod(interval, _SECOND)
        if self._settime(self.descriptor, flags, self._address, None) != 0:
            self._raise()

    @staticmethod
    def _raise() -> None:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class _OsTimerfd:
    """The same through os, from Python 3.13 on."""

    def __init__(self) -> None:
        system: Any = os
        self._settime = system.timerfd_settime_ns
        self.descriptor: int = system.timerfd_create(_CLOCK_MONOTONIC, flags=_TFD_NONBLOCK | _TFD_CLOEXEC)

    def set(self, flags: int, initial: int, interval: int) -> None:
        """Expire at `initial` nanoseconds, and then every `interval`, if that is not 0."""
        self._settime(self.descriptor, flags=flags, initial=initial, interval=interval)


class TimerfdTicker(Ticker):
    """A timerfd on the monotonic clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        """Raises OSError where the system has no timerfd."""
        self._timer: _Timerfd | _OsTimerfd | None = _OsTimerfd() if hasattr(os, "timerfd_create") else _Timerfd()
        self._set = self._timer.set
        self._descriptor = self._timer.descriptor
        self._loop = loop
        self._wake = wake
        loop.add_reader(self._descriptor, self._readable)

    def _readable(self) -> None:
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:  # armed anew since it expired
            return
        self._wake()

    def start_periodic(self) -> None:
        nanoseconds = round(PERIOD * _SECOND)
        self._set(0, nanoseconds, nanoseconds)

    def arm(self, at: float) -> None:
        # Zero would disarm: a moment that has passed wakes at once.
        self._set(_TFD_TIMER_ABSTIME, max(1, int(at * _SECOND)), 0)

    def close(self) -> None:
        if self._timer is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._timer = None


class LoopTicker(Ticker):
    """The event loop's own timer, at its resolution of 1 ms."""

    _RESOLUTION = 1e-3

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        self._loop = loop
        self._wake = wake
        self._handle: asyncio.TimerHandle | None = None

    def _again(self) -> None:
        self._handle = self._loop.call_later(self._RESOLUTION, self._again)
        self._wake()

    def start_periodic(self) -> None:
        self.close()
        self._handle = self._loop.call_later(self._RESOLUTION, self._again)

    def arm(self, at: float) -> None:
        self.close()
        # The loop's clock need not be ours: only the difference counts. Never shorter than the resolution: it spins.
        delay = at - time.monotonic()
        self._handle = self._loop.call_later(max(delay, self._RESOLUTION), self._wake)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class SpinTicker(Ticker):
    """In every round of the event loop, which never sleeps."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        self._loop = loop
        self._wake = wake
        self._at = 0.0
        self._handle: asyncio.Handle | None = None

    def _again(self) -> None:
        self._handle = self._loop.call_soon(self._again)
        self._wake()

    def _once(self) -> None:
        if time.monotonic() < self._at:
            self._handle = self._loop.call_soon(self._once)
        else:
            self._handle = None
            self._wake()

    def start_periodic(self) -> None:
        self.close()
        self._handle = self._loop.call_soon(self._again)

    def arm(self, at: float) -> None:
        self.close()
        self._at = at
        self._handle = self._loop.call_soon(self._once)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


def open_ticker(loop: asyncio.AbstractEventLoop, wake: Callable[[], None], *, spin: bool = False) -> Ticker:
    """The most punctual ticker this system has, without spinning unless asked to."""
    if spin:
        return SpinTicker(loop, wake)
    if sys.platform == "linux":
        try:
            return TimerfdTicker(loop, wake)
        except OSError:
            return LoopTicker(loop, wake)
    return LoopTicker(loop, wake)
