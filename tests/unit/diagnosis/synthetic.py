"""Runs that never happened: requests with known parts, arriving at a known rate, with both sides' view of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perfloop.diagnosis.evidence import Evidence
from perfloop.diagnosis.matching import match
from perfloop.monitoring.observations import (
    CacheLoad,
    CacheSample,
    Explain,
    Frame,
    LongStep,
    Observations,
    ProcessInfo,
    RequestTrace,
    ResourceSample,
    Stack,
    StatementCall,
)
from perfloop.sources import Sources

if TYPE_CHECKING:
    from perfloop.diagnosis.index_trial import IndexTrial, NoTrial

ROOT = "/srv/shop"
MS = 1e-3


@dataclass
class FakeSamples:
    """The generator's arrays."""

    number: Any
    request_index: Any
    due: Any
    free: Any
    written: Any
    done: Any
    status: Any


@dataclass
class Call:
    """One statement of a request: where in Run.statements and Run.sites, and how long."""

    statement: int
    site: int
    seconds: float
    rows: int = 1
    on_loop: bool = False


@dataclass
class Sent:
    """One request as it shall have gone."""

    route: str = "/orders"
    parts: dict[str, float] = field(default_factory=lambda: {"cpu": 2 * MS})
    calls: list[Call] = field(default_factory=list)
    gap: float = 0.2 * MS
    """Seconds of computing after each statement; part of `cpu`."""
    before: float = 0.1 * MS
    after: float = 0.1 * MS
    queue: float = 0.0
    send_lag: float = 0.0
    status: int = 200
    is_async: bool = False
    handler: Frame | None = None
    pid: int = 100
    cache_loads: list[CacheLoad] = field(default_factory=list)


@dataclass
class Run:
    """A run under construction."""

    requests: list[Sent] = field(default_factory=list)
    interval: float = 0.05
    statements: list[str] = field(default_factory=list)
    sites: list[list[Frame]] = field(default_factory=list)
    stacks: list[Stack] = field(default_factory=list)
    long_steps: list[LongStep] = field(default_factory=list)
    explains: list[Explain] = field(default_factory=list)
    caches: list[CacheSample] = field(default_factory=list)
    frameworks: list[str] = field(default_factory=lambda: ["FastAPI 0.116", "SQLAlchemy 2.0"])
    texts: dict[str, str] = field(default_factory=dict)
    trials: dict[int, IndexTrial | NoTrial] = field(default_factory=dict)
    loop: bool = True
    capacity_rps: float = 40.0
    in_flight: int = 64
    cores: int = 2
    allowed_cores: int | None = None

    def observations(self) -> Observations:
        """What the agent would have sent."""
        return Observations(
            processes={
                100: ProcessInfo(pid=100, parent=1, python="3.12", argv=["uvicorn"], frameworks=self.frameworks)
            },
            statements=self.statements,
            sites=self.sites,
            requests=[self._trace(number, sent) for number, sent in enumerate(self.requests, 1)],
            long_steps=self.long_steps,
            stacks=self.stacks,
            explains=self.explains,
            caches=self.caches,
            resources=[
                ResourceSample(
                    pid=100, at=0, cpu_seconds=0, rss_bytes=0, threads=1, loop_lag=0.0 if self.loop else None, commits=0
                )
            ],
        )

    def samples(self) -> FakeSamples:
        """What the generator would have kept."""
        count = len(self.requests)
        due = np.array([self._due(number) for number in range(1, count + 1)])
        free = due + np.array([sent.queue for sent in self.requests])
        written = free + np.array([sent.send_lag for sent in self.requests])
        inside = np.array([self._inside(sent) for sent in self.requests])
        done = written + inside + np.array([sent.before + sent.after for sent in self.requests])
        return FakeSamples(
            number=np.arange(1, count + 1),
            request_index=np.zeros(count, dtype=np.int32),
            due=due,
            free=free,
            written=written,
            done=done,
            status=np.array([sent.status for sent in self.requests]),
        )

    def evidence(self) -> Evidence:
        """Both sides joined."""
        observations = self.observations()
        return Evidence(
            observations=observations,
            requests=match(observations, self.samples()).requests,
            capacity_rps=self.capacity_rps,
            in_flight=self.in_flight,
            sources=Sources(ROOT, self.texts),
            cores=self.cores,
            allowed_cores=self.allowed_cores or self.cores,
            index_trials=self.trials,
        )

    def _due(self, number: int) -> float:
        return 1_000.0 + number * self.interval

    @staticmethod
    def _inside(sent: Sent) -> float:
        return sum(sent.parts.values()) + sum(call.seconds for call in sent.calls)

    def _trace(self, number: int, sent: Sent) -> RequestTrace:
        started = self._due(number) + sent.queue + sent.send_lag + sent.before
        ended = started + self._inside(sent)
        at = started + 0.1 * MS
        calls = []
        for call in sent.calls:
            calls.append(StatementCall(call.statement, call.site, at, call.seconds, call.rows, call.on_loop))
            at += call.seconds + sent.gap
        parts = dict(sent.parts)
        if sent.calls:
            parts["database"] = parts.get("database", 0.0) + sum(call.seconds for call in sent.calls)
        return RequestTrace(
            pid=sent.pid,
            span=number,
            method="GET",
            route=sent.route,
            status=sent.status,
            started=started,
            first_byte=ended,
            ended=ended,
            parts=parts,
            statements=calls,
            is_async=sent.is_async,
            handler=sent.handler,
            cache_loads=sent.cache_loads,
        )


def frame(line: int, file: str = "orders.py", function: str = "list_orders", *, user: bool = True) -> Frame:
    """A line of the user's code; `library` files lie in site-packages."""
    return Frame(file=str(Path(ROOT, file)), line=line, function=function, user=user)


def library(package: str, function: str = "inner") -> Frame:
    """A line of an installed package."""
    return Frame(f"/venv/lib/python3.12/site-packages/{package}/core.py", 10, function, user=False)


def source(text: str, file: str = "orders.py") -> dict[str, str]:
    """One file of the service."""
    return {str(Path(ROOT, file)): text}
