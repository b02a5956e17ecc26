"""Stack samples of the threads that work for requests, and four times a second the resources of the process."""

from __future__ import annotations

import os
import sys
from array import array
from time import monotonic_ns, process_time_ns, thread_time_ns
from typing import Any

from . import LIGHT
from .active import ACTIVE
from .channel import CHANNEL, Channel
from .events import STEP
from .frames import stack_of
from .loops import LOOPS, take_lag
from .originals import sleep, start_new_thread
from .protocol import RESOURCE, STACK
from .tables import TABLES

__all__ = ["SAMPLER", "Sampler", "thread_cpu_ns"]

_PERIOD = 0.009
_BUDGET = 0.01
"""The share of a processor that sampling may take; it gets rarer as stacks get deeper and threads more."""
_LONGEST_NS = 50_000_000
_SUSPICIOUS_NS = 8_000_000
_MOST = 3
"""So many threads at a time are sampled."""
_IDLE_PERIOD = 0.05
_IDLE_NS = 500_000_000
_FLUSH_NS = 250_000_000
_BLOCKS_NS = 5_000_000_000
"""Counting the interpreter's blocks walks its pools (40 µs for 100 MB of small objects), so it is done seldom."""
_LATE_NS = 5_000_000
_FINISH_STEP = 0.02
_FINISH_STEPS = 10


def thread_cpu_ns(native: int) -> int | None:
    """CPU time of a thread of this process by its kernel number; None when it is gone or the system cannot tell.

    The clock's number is made as glibc's pthread_getcpuclockid does, but from the kernel's number: unlike a pthread
    pointer, the number of a finished thread is an error, not a crash.
    """
    if sys.platform != "linux":
        return None
    try:
        from time import clock_gettime_ns

        return clock_gettime_ns((~native << 3) | 6)
    except OSError:
        return None


class Sampler:
    """One daemon thread; it sleeps long while nothing is being served."""

    def __init__(self) -> None:
        self.last_work = 0
        self._stacks: dict[tuple[int, int], list[int]] = {}
        self._since = 0
        self._last_cpu: dict[int, tuple[int, int]] = {}
        """Thread → (moment, CPU) at its previous sample."""
        self._last_tick = 0
        self._last_resource = 0
        self._last_blocks = 0
        self._turn = 0
        self._cost = 100_000
        """Mean CPU nanoseconds of a sample."""
        self._next = 0

    def attach(self, channel: Channel) -> None:
        """Start with the channel's first record in each process, and hand over before each of its sendings."""
        channel.at_connect.append(self.start)
        channel.at_flush.append(self.flush)
        channel.before_acknowledge.append(_let_finish)

    def start(self) -> None:
        """Begin sampling, unless only resources are wanted; once a process."""
        self._since = self._last_tick = monotonic_ns()
        self._stacks.clear()
        self._last_cpu.clear()
        self._last_resource = 0
        if not LIGHT:
            start_new_thread(self._run, ())

    def _run(self) -> None:
        try:
            while CHANNEL.open:
                now = monotonic_ns()
                if ACTIVE:
                    self.last_work = now
                idle = now - self.last_work > _IDLE_NS
                sleep(_IDLE_PERIOD if idle else _PERIOD)
                if ACTIVE or LOOPS:
                    self._tick()
        except Exception as error:
            CHANNEL.hook_failed("sampler", error)

    def _tick(self) -> None:
        """Sample, if the budget allows it or a step holds the loop for long and has not been seen yet."""
        now = monotonic_ns()
        if now < self._next and not any(
            segment.kind == STEP and segment.samples is None and now - segment.start > _SUSPICIOUS_NS
            for segment in list(ACTIVE.values())
        ):
            return
        before = thread_time_ns()
        self._sample(now)
        self._cost += (thread_time_ns() - before - self._cost) // 8
        self._next = now + min(int(self._cost / _BUDGET), _LONGEST_NS)

    def _sample(self, now: int) -> None:
        period = min(now - self._last_tick, 2 * _LONGEST_NS)
        self._last_tick = now
        active = dict(ACTIVE)
        if len(active) > _MOST:
            # A share of the threads, each counting for more, so that the cost does not grow with their number.
            period = period * len(active) // _MOST
            self._turn += _MOST
            threads = sorted(active)
            start = self._turn % len(threads)
            active = {thread: active[thread] for thread in (threads + threads)[start : start + _MOST]}
        late = {
            watch.thread: watch
            for watch in list(LOOPS.values())
            if watch.running and watch.thread not in active and now - watch.due > _LATE_NS
        }
        if not active and not late:
            return
        frames = sys._current_frames()
        try:
            for thread, segment in active.items():
                frame: Any = frames.get(thread)
                if frame is None or ACTIVE.get(thread) is not segment:
                    continue
                stack = stack_of(frame)
                # The walk let go of the interpreter's lock now and then: is it still the same piece of work?
                if stack == 0 or ACTIVE.get(thread) is not segment:
                    continue
                samples = segment.samples
                if samples is None:
                    samples = segment.samples = {}
                samples[stack] = samples.get(stack, 0) + 1
                self._count(stack, segment.request.resolve_route(), self._cpu_share(thread, segment, now) * period)
            for thread, watch in late.items():
                frame = frames.get(thread)
                if frame is not None and thread not in ACTIVE:
                    watch.stray = stack_of(frame)
                    self._count(watch.stray, None, 0.0)
        finally:
            # No reference to the service's frames outlives the sample.
            frames.clear()
            frame = None

    def _cpu_share(self, thread: int, segment: Any, now: int) -> float:
        """The part of the time since the thread's last sample (or its segment's start) it was on a processor."""
        cpu = thread_cpu_ns(segment.native)
        if cpu is None:
            return 0.0
        moment, before = self._last_cpu.get(thread, (0, 0))
        if moment < segment.start:
            moment, before = segment.start, segment.start_cpu
        if len(self._last_cpu) > 1000:
            self._last_cpu.clear()
        self._last_cpu[thread] = (now, cpu)
        wall = now - moment
        return min(max(cpu - before, 0) / wall, 1.0) if wall > 0 else 0.0

    def _count(self, stack: int, route: str | None, cpu: float) -> None:
        key = (stack, TABLES.texts.number(route) if route else 0)
        counted = self._stacks.get(key)
        if counted is None:
            if len(self._stacks) >= 5_000:
                CHANNEL.dropped += 1
                return
            counted = self._stacks[key] = [0, 0]
        counted[0] += 1
        counted[1] += int(cpu)

    def flush(self, now: int, asked: bool) -> None:
        """Called before the channel sends: hand over what was gathered since the last time."""
        if self._stacks:
            stacks, self._stacks = self._stacks, {}
            record = array("q", (self._since, now))
            for (stack, route), (samples, cpu) in stacks.items():
                record.extend((stack, route, samples, cpu))
            CHANNEL.put(STACK, record.tobytes())
        self._since = now
        if asked or now - self._last_resource >= _FLUSH_NS:
            self._last_resource = now
            blocks = -1
            if LIGHT and now - self._last_blocks >= _BLOCKS_NS:
                self._last_blocks = now
                blocks = sys.getallocatedblocks()
            CHANNEL.put(RESOURCE, _resources(now, blocks))


def _let_finish() -> None:
    """Give requests whose answer is out the moment they need to close their records."""
    for _ in range(_FINISH_STEPS):
        sleep(_FINISH_STEP)
        if not ACTIVE:
            return


def _resources(now: int, blocks: int) -> bytes:
    rss = threads = 0
    try:
        with open("/proc/self/stat", "rb", buffering=0) as file:
            fields = file.read(2048).rpartition(b")")[2].split()
        threads, rss = int(fields[17]), int(fields[21]) * _PAGE
    except (OSError, ValueError, IndexError):
        rss, threads = _resources_elsewhere()
    lag = take_lag()
    statements = sys.modules.get(f"{__package__}.statements")
    commits = statements.COUNTERS.commits if statements is not None else 0
    return array("q", (now, process_time_ns(), rss, threads, -1 if lag is None else lag, commits, blocks)).tobytes()


def _resources_elsewhere() -> tuple[int, int]:
    import resource

    threading = sys.modules.get("threading")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024, threading.active_count() if threading else 1


_PAGE = os.sysconf("SC_PAGE_SIZE")

SAMPLER = Sampler()
