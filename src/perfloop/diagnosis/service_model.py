"""What the service does for each measured request, and a queueing model of it calibrated on that run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from .simulation import Seconds, first_come_first_served, processor_sharing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .matching import MatchedRequest

__all__ = ["Demand", "ServiceModel", "Work", "calibrate", "work_of"]

# Simulating more requests makes the prediction no better, only slower.
MOST_REQUESTS = 2_000
# How far the measured capacity may stretch the measured work. Downwards without much of a limit: work measured while
# other processes had the processor is too long, and only the capacity says by how much.
LEAST_STRETCH, MOST_STRETCH = 0.05, 2.0
# A statement that took longer than so many times its usual time met something else: another thread's turn at the
# interpreter, another process. That is not work of the request.
_USUAL = 4.0
# A closed loop whose requests spend this share of its connections' time at rest is limited by the connections.
CONNECTION_LIMITED = 0.8


@dataclass(frozen=True, slots=True)
class Work:
    """What each request needs, in seconds, one array entry a request: free of waiting for other requests."""

    cpu: Seconds
    """Computing in Python."""
    collecting: Seconds
    """Garbage collections that fell into the request."""
    database_on_loop: Seconds
    """Statements run on the event loop's own thread."""
    database: Seconds
    """All other statements."""
    blocking: Seconds
    """Sleeps, sockets, files on the request's own thread: holds the loop in async handlers, only a thread elsewhere."""
    wait: Seconds
    """Upstream calls, asyncio.sleep and everything else that keeps nothing busy."""
    offloaded: Seconds
    """Computing that was moved to a pool of processes."""
    handed_over: Seconds
    """Sending that work there and its result back."""

    @property
    def computing(self) -> Seconds:
        return self.cpu + self.collecting

    def take(self, index: NDArray[np.intp]) -> Work:
        """The same for the requests at `index`."""
        return Work(*(getattr(self, name)[index] for name in self.__slots__))

    def blend(self, other: Work, weight: float) -> Work:
        """This at weight 0, the other at weight 1."""
        return Work(*((1 - weight) * getattr(self, name) + weight * getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Demand:
    """Seconds each request spends at each station, one after the other."""

    exclusive: Seconds
    """The event loop, or a worker that serves one request at a time."""
    interpreter: Seconds
    """Threads that share one interpreter (the GIL)."""
    pool: Seconds
    """Processors, for offloaded computing."""
    delay: Seconds
    """In parallel with everything."""


@dataclass(frozen=True, slots=True)
class ServiceModel:
    """The service as three stations in a row and a delay; see docs/diagnosis.md for what it leaves out."""

    requests: tuple[MatchedRequest, ...]
    arrivals: Seconds
    work: Work
    is_async: NDArray[np.bool_]
    processes: int
    cores: float
    """Processors that work moved off the service's processes can have, with what those processes use."""
    capacity_rps: float
    """Measured."""
    in_flight: int
    """Connections of the step that reached the capacity, at most."""
    one_at_a_time: bool
    """Each process serves one request at a time (a sync worker without threads)."""
    overhead: float = 0.0
    """Seconds a request of the server's own work, outside the application."""
    stretch: float = 1.0
    """Measured work × this explains the measured capacity."""
    database_share: float = 1.0
    """Part of the threads' database time during which no other thread of the process gets on."""
    discipline: Literal["first come first served", "sharing"] = "first come first served"
    """Of the exclusive station."""

    def demand(self, work: Work) -> Demand:
        """How the work divides over the stations."""
        zero = np.zeros_like(work.cpu)
        if self.one_at_a_time:
            busy = self.stretch * (work.computing + work.database + work.database_on_loop) + work.blocking + work.wait
            return Demand(busy + self.overhead, zero, self._pool(work), zero)
        on_loop = self.stretch * (work.computing + work.database_on_loop) + work.blocking + self.overhead
        on_threads = self.stretch * (work.computing + self.database_share * work.database) + self.overhead
        in_parallel = (1.0 - self.database_share) * work.database + work.blocking
        return Demand(
            exclusive=np.where(self.is_async, on_loop, 0.0),
            interpreter=np.where(self.is_async, 0.0, on_threads),
            pool=self._pool(work),
            delay=work.wait + np.where(self.is_async, work.database, in_parallel),
        )

    def _pool(self, work: Work) -> Seconds:
        """Moved work is as long as it was where it came from: the same stretch explains it."""
        return self.stretch * work.offloaded + work.handed_over

    def with_fewer_cores(self, part: float) -> ServiceModel:
        """As if this part of the processors beyond the first, 0 to 1, were busy with something else."""
        return replace(self, cores=1.0 + (1.0 - part) * (self.cores - 1.0))

    def latencies(self, work: Work, rows: NDArray[np.intp] | None = None) -> Seconds:
        """Simulated latency of each request, in seconds; `rows` gives each arrival the work of another request."""
        model = self if rows is None else replace(self, is_async=self.is_async[rows])
        demand = model.demand(work if rows is None else work.take(rows))
        station = first_come_first_served if self.discipline == "first come first served" else processor_sharing
        left = station(self.arrivals, demand.exclusive, self.processes)
        left = processor_sharing(left, demand.interpreter, self.processes)
        if demand.pool.any():
            left = processor_sharing(left, demand.pool, self.cores)
        return left + demand.delay - self.arrivals

    def bottleneck_seconds(self, work: Work) -> float:
        """Mean seconds a request of the busiest station: 1 ÷ this is the highest rate (bottleneck law)."""
        demand = self.demand(work)
        here = float(demand.exclusive.mean()), float(demand.interpreter.mean())
        # Moved work takes its turn on the same processors as what stayed behind.
        moved = float(demand.pool.mean())
        return max(*(each / self.processes for each in here), (sum(here) + moved) / self.cores if moved else 0.0, 1e-6)

    def freed(self, work: Work) -> float:
        """Part of the busiest station's time, 0 to 1, that is left over when only `work` remains."""
        before, after = self.demand(self.work), self.demand(work)
        exclusive = float(before.exclusive.mean()), float(after.exclusive.mean())
        interpreter = float(before.interpreter.mean()), float(after.interpreter.mean())
        now, then = max(exclusive, interpreter)
        return 1.0 - then / now if now > 0 else 0.0

    def capacity(self, work: Work) -> float:
        """Requests a second after a change: the measured capacity × the ratio of the busiest stations' demands.

        No more than the load curve's connections could carry (Little's law), since that is how it would be measured.
        """
        faster = self.capacity_rps * self.bottleneck_seconds(self.work) / self.bottleneck_seconds(work)
        demand = self.demand(work)
        alone = demand.exclusive + demand.interpreter + demand.pool + demand.delay
        return max(min(faster, self.in_flight / max(float(alone.mean()), 1e-6)), self.capacity_rps)


def work_of(requests: Sequence[MatchedRequest]) -> Work:
    """The work of each request, from its measured parts. Waits that other requests cause are left out."""

    def part(*names: str) -> Seconds:
        return np.array([sum(request.parts.get(name, 0.0) for name in names) for request in requests])

    limits = _usual_durations(requests)

    def statements(*, on_loop: bool) -> Seconds:
        return np.array(
            [
                sum(
                    min(call.duration, limits[call.statement])
                    for call in request.trace.statements
                    if call.on_loop is on_loop
                )
                for request in requests
            ]
        )

    database = part("database")
    on_loop = np.minimum(statements(on_loop=True), database)
    issued = np.array([bool(request.trace.statements) for request in requests])
    database = np.where(issued, np.minimum(statements(on_loop=False), database), database - on_loop)
    return Work(
        cpu=part("cpu"),
        collecting=part("gc"),
        database_on_loop=on_loop,
        database=database,
        blocking=part("blocking"),
        wait=part("upstream", "sleep", "pool_wait", "unaccounted"),
        offloaded=np.zeros(len(requests)),
        handed_over=np.zeros(len(requests)),
    )


def _usual_durations(requests: Sequence[MatchedRequest]) -> dict[int, float]:
    """The longest time of each statement that is still its own."""
    durations: dict[int, list[float]] = {}
    for request in requests:
        for call in request.trace.statements:
            durations.setdefault(call.statement, []).append(call.duration)
    return {statement: _USUAL * float(np.median(seconds)) for statement, seconds in durations.items()}


def calibrate(
    requests: Sequence[MatchedRequest], *, capacity_rps: float, processes: int, cores: float, in_flight: int
) -> ServiceModel:
    """The model that explains the measured run and the measured capacity best.

    Args:
        requests: the judged run's, by due time; a long run's middle is used.
        capacity_rps: best rate of the closed-loop load curve, with the same mix of requests.
        processes: of the service that served requests.
        cores: processors that the service can have.
        in_flight: connections of the load curve's largest step.
    """
    if len(requests) > MOST_REQUESTS:
        first = (len(requests) - MOST_REQUESTS) // 2
        requests = requests[first : first + MOST_REQUESTS]
    arrivals = np.array([request.due for request in requests])
    is_async = np.array([request.trace.is_async for request in requests], dtype=np.bool_)
    outside = [
        request.parts["event_loop_wait"] + request.parts["worker_wait"] + request.parts["network"]
        for request in requests
    ]
    model = ServiceModel(
        requests=tuple(requests),
        arrivals=arrivals,
        work=work_of(requests),
        is_async=is_async,
        processes=max(processes, 1),
        cores=max(cores, 1.0),
        capacity_rps=capacity_rps,
        in_flight=in_flight,
        one_at_a_time=not is_async.any() and _most_at_once(requests) <= 1,
    )
    quiet = float(np.percentile(outside, 10)) if outside else 0.0
    return _choose_discipline(_fit_capacity(model, quiet))


def _fit_capacity(model: ServiceModel, quiet: float) -> ServiceModel:
    """Set overhead, stretch and database_share so that the busiest station's demand is 1 ÷ the measured capacity.

    `quiet`: seconds a request spends outside the application when nothing else goes on; no more than that is
    counted as work the server does for each request.
    """
    goal = model.processes / model.capacity_rps if model.capacity_rps > 0 else 0.0
    plain = model.demand(model.work)
    alone = float((plain.exclusive + plain.interpreter + plain.delay).mean())
    if goal <= 0 or model.capacity_rps * alone >= CONNECTION_LIMITED * model.in_flight:
        return model
    demand = max(float(plain.exclusive.mean()), float(plain.interpreter.mean()))
    overhead = min(max(goal - demand, 0.0), quiet)
    goal -= overhead
    work = model.work
    threads = ~model.is_async
    share = 1.0
    if not model.one_at_a_time and float(plain.interpreter.mean()) >= float(plain.exclusive.mean()):
        computing = float(np.where(threads, work.computing, 0.0).mean())
        statements = float(np.where(threads, work.database, 0.0).mean())
        share = min(max((goal - computing) / statements, 0.0), 1.0) if statements > 0 else 1.0
        stretched, rigid = computing + share * statements, 0.0
    elif model.one_at_a_time:
        stretched = float((work.computing + work.database + work.database_on_loop).mean())
        rigid = float((work.blocking + work.wait).mean())
    else:
        stretched = float(np.where(model.is_async, work.computing + work.database_on_loop, 0.0).mean())
        rigid = float(np.where(model.is_async, work.blocking, 0.0).mean())
    stretch = (goal - rigid) / stretched if stretched > 0 else 1.0
    return replace(
        model,
        overhead=overhead,
        stretch=min(max(stretch, LEAST_STRETCH), MOST_STRETCH),
        database_share=share,
    )


def _choose_discipline(model: ServiceModel) -> ServiceModel:
    """First come first served, or sharing, whichever comes nearer to the latencies measured."""
    if model.one_at_a_time or not model.is_async.any():
        return model
    measured = np.percentile([request.latency for request in model.requests], (50, 99))

    def distance(candidate: ServiceModel) -> float:
        simulated = np.percentile(candidate.latencies(candidate.work), (50, 99))
        return float(np.abs(np.log(np.maximum(simulated, 1e-6) / np.maximum(measured, 1e-6))).sum())

    sharing = replace(model, discipline="sharing")
    return min((model, sharing), key=distance)


def _most_at_once(requests: Sequence[MatchedRequest]) -> int:
    """The most requests any one process had inside the application at one moment."""
    most = 0
    for pid in {request.trace.pid for request in requests}:
        edges = [
            edge
            for request in requests
            if request.trace.pid == pid
            for edge in ((request.trace.started, 1), (request.trace.ended, -1))
        ]
        inside = 0
        for _, change in sorted(edges, key=lambda edge: (edge[0], edge[1])):
            inside += change
            most = max(most, inside)
    return most
