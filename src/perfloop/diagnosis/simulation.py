"""Queues that requests pass through, simulated over the arrivals of a measured run."""

from __future__ import annotations

import heapq
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Seconds", "first_come_first_served", "processor_sharing"]

Seconds: TypeAlias = NDArray[np.float64]


def first_come_first_served(arrivals: Seconds, work: Seconds, servers: int) -> Seconds:
    """When each job leaves a station that serves one job a server, in order of arrival, without interruption.

    Args:
        arrivals: seconds, in any order.
        work: seconds of service a job needs.
        servers: jobs served at once.
    """
    departures = np.empty_like(arrivals)
    free = [-np.inf] * servers
    for job in np.argsort(arrivals, kind="stable").tolist():
        begin = max(heapq.heappop(free), float(arrivals[job]))
        end = begin + float(work[job])
        heapq.heappush(free, end)
        departures[job] = end
    return departures


def processor_sharing(arrivals: Seconds, work: Seconds, servers: float) -> Seconds:
    """When each job leaves a station whose capacity all present jobs share evenly, none using more than one server.

    Threads under the GIL behave so (it goes round every 5 ms), and so do coroutines with many short steps. With n jobs
    present each proceeds at min(1, servers / n). Simulated in virtual time: one heap operation an event.

    Args:
        arrivals: seconds, in any order.
        work: seconds of service a job needs when alone.
        servers: processors or processes, 1 or more; not a whole number where others use a part of one.
    """
    departures = np.empty_like(arrivals)
    present: list[tuple[float, int]] = []  # (virtual time of completion, job)
    now = virtual = 0.0

    def leave_until(limit: float) -> None:
        nonlocal now, virtual
        while present:
            rate = min(1.0, servers / len(present))
            finish, job = present[0]
            end = now + (finish - virtual) / rate
            if end > limit:
                virtual += (limit - now) * rate
                break
            heapq.heappop(present)
            now, virtual = end, finish
            departures[job] = end
        now = limit

    order = np.argsort(arrivals, kind="stable").tolist()
    if order:
        now = float(arrivals[order[0]])
    for job in order:
        leave_until(float(arrivals[job]))
        heapq.heappush(present, (virtual + float(work[job]), job))
    leave_until(np.inf)
    return departures
