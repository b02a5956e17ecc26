"""From agents' frames to observations: the parent's side, off the hot path. The bytes are not trusted.

A decoder goes on from where it was: what was said of a process stays known until the process is forgotten, records are
handed out once. So a diagnosis decodes all at once, and a monitor every second for weeks, with the same code.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import msgspec

from ..agent import protocol
from ..agent.accounting import BusyLoop, account
from ..agent.events import CACHE, KEY_SHIFT, STATEMENT, STEP, TRANSACTION_SHIFT, VALUES_SHIFT, WAIT_STATEMENT, WIDTH
from ..agent.protocol import UNMATCHED, ProtocolError, decode_integers, decode_json
from ..records import Parameter
from ..telemetry.caches import CacheReport
from ..telemetry.resilience import PartReport
from .observations import (
    CacheLoad,
    CacheSample,
    Explain,
    Frame,
    GcPause,
    LongStep,
    Observations,
    PartSample,
    ProcessInfo,
    RequestTrace,
    ResourceSample,
    Sample,
    Stack,
    StatementCall,
)

__all__ = ["ServiceDecoder", "merge_processes"]

_SECOND = 1e-9
_NUMBER, _ROWS = (1 << KEY_SHIFT) - 1, (1 << TRANSACTION_SHIFT) - 1
_TRANSACTION = {1: False, 2: True}
_NO_FRAMES: list[Frame] = []
_CACHES = msgspec.json.Decoder(CacheReport)
_PARTS = msgspec.json.Decoder(PartReport)
_MOST_STATEMENTS = 20_000
_MOST_SITES = 50_000
_OTHER = "(other statements)"
_REMEMBERED_NS = 2_000_000_000
"""For so long it is known when a loop was busy: who waited for it ends a little later than what it waited for."""

RawFrames = Sequence[tuple[int, bytes]]


class _Names:
    """The statements and sites of one service, shared by its processes; a full table has one entry for all others."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.sites: list[list[Frame]] = []
        self._statements: dict[str, int] = {}
        self._sites: dict[tuple[Frame, ...], int] = {}

    def statement(self, text: str) -> int:
        known = self._statements.get(text)
        if known is None and len(self.statements) >= _MOST_STATEMENTS and text != _OTHER:
            return self.statement(_OTHER)
        if known is None:
            known = self._statements[text] = len(self.statements)
            self.statements.append(text)
        return known

    def site(self, frames: tuple[Frame, ...]) -> int:
        known = self._sites.get(frames)
        if known is None and len(self.sites) >= _MOST_SITES and frames:
            return self.site(())
        if known is None:
            known = self._sites[frames] = len(self.sites)
            self.sites.append(list(frames))
        return known


class _Process:
    """What one connection has said: names first, then the records that use them."""

    def __init__(self, shared: _Names) -> None:
        self.into = Observations()
        self.info: ProcessInfo | None = None
        self.damaged = False
        self.pid = 0
        self._shared = shared
        self._busy: list[tuple[int, int]] = []
        """When its event loop was busy of late."""
        self.texts: dict[int, str] = {}
        self.statements: dict[int, int] = {}
        self.frames: dict[int, Frame] = {}
        self.sites: dict[int, int] = {}
        self.stacks: dict[int, list[Frame]] = {}

    def hello(self, payload: bytes) -> None:
        value = decode_json(payload)
        if not isinstance(value, dict) or type(value.get("pid")) is not int:  # a bool is an int, and no pid
            raise ProtocolError("Expected a hello with a pid")
        if self.pid not in (0, value["pid"]):
            raise ProtocolError("Expected the frames of one process")
        self.pid = value["pid"]
        parent = value.get("parent")
        self.info = ProcessInfo(
            pid=self.pid,
            parent=parent if isinstance(parent, int) else 0,
            python=str(value.get("python", "")),
            argv=_texts(value.get("argv")),
            frameworks=_texts(value.get("frameworks")),
        )

    def failed(self, payload: bytes) -> None:
        value = decode_json(payload)
        if self.info is not None and isinstance(value, dict):
            count = value.get("count")
            times = f" ({count:,} times)" if isinstance(count, int) and count > 1 else ""
            self.info.hooks_failed[str(value.get("hook", ""))] = f"{value.get('error', '')}{times}"

    def names(self, payload: bytes) -> None:
        value = decode_json(payload)
        if not isinstance(value, list):
            raise ProtocolError("Expected a list of names")
        for entry in value:
            if not (isinstance(entry, list) and len(entry) == 3 and isinstance(entry[1], int)):
                raise ProtocolError("Expected [table, number, value]")
            self._name(*entry)

    def _name(self, table: Any, number: int, value: Any) -> None:
        if table == "text":
            self.texts[number] = str(value)
        elif table == "statement":
            self.statements[number] = self._shared.statement(str(value))
        elif table == "frame":
            if not (isinstance(value, list) and len(value) == 4 and isinstance(value[1], int)):
                raise ProtocolError("Expected a frame")
            self.frames[number] = Frame(str(value[0]), value[1], str(value[2]), bool(value[3]))
        elif table == "site":
            self.sites[number] = self._shared.site(tuple(self._frames_of(value)))
        elif table == "stack":
            self.stacks[number] = self._frames_of(value)
        else:
            raise ProtocolError(f"Expected a known table, got {table!r}")

    def _frames_of(self, value: Any) -> list[Frame]:
        if not isinstance(value, list):
            raise ProtocolError("Expected a list of frames")
        return [self.frames[number] for number in value if isinstance(number, int) and number in self.frames]

    def route(self, number: int) -> str | None:
        return self.texts.get(number)

    def request(self, record: Sequence[int], loop: BusyLoop) -> RequestTrace:
        started, first_byte, ended, span, method, route, status, flags, handler, error = record[: protocol.REQUEST_HEAD]
        events = record[protocol.REQUEST_HEAD :]
        ended = max(ended, started)
        statements: list[StatementCall] = []
        loads: list[CacheLoad] = []
        for at in range(0, len(events), WIDTH):
            if events[at] == CACHE:
                _, _, start, duration, _, cache, keys, _ = events[at : at + WIDTH]
                name = self.texts.get(cache, "")
                loads.append(CacheLoad(name, start * _SECOND, max(duration, 0) * _SECOND, keys))
            elif events[at] in (STATEMENT, WAIT_STATEMENT):
                _, _, start, duration, _, statement, site, rows = events[at : at + WIDTH]
                key, statement = statement >> KEY_SHIFT, statement & _NUMBER
                values, transaction, rows = rows >> VALUES_SHIFT, rows >> TRANSACTION_SHIFT & 3, rows & _ROWS
                index = self.statements.get(statement)
                if index is None:
                    index = self._shared.statement(_OTHER)
                place = self.sites.get(site)
                if place is None:
                    place = self._shared.site(())
                statements.append(
                    StatementCall(
                        index,
                        place,
                        start * _SECOND,
                        max(duration, 0) * _SECOND,
                        rows >> 1,
                        bool(rows & 1),
                        max(key, 0),
                        max(values, 0),
                        _TRANSACTION.get(transaction),
                    )
                )
        statements.sort(key=_started)
        parts = account(started, ended, events, loop)
        return RequestTrace(
            pid=self.pid,
            span=span & 0xFFFFFFFFFFFFFFFF if flags & 1 else None,
            method=self.texts.get(method, ""),
            route=self.texts.get(route, UNMATCHED),
            status=status,
            started=started * _SECOND,
            first_byte=(first_byte or ended) * _SECOND,
            ended=ended * _SECOND,
            parts={part: spent * _SECOND for part, spent in parts.items() if spent},
            statements=statements,
            cache_loads=loads,
            is_async=bool(flags & 2),
            handler=self.frames.get(handler),
            error=self.texts.get(error) if error else None,
        )

    def long_step(self, payload: bytes, since: int) -> None:
        start, wall, cpu, stack, route = decode_integers(payload, 5)
        if start + wall >= since:
            self.into.long_steps.append(
                LongStep(
                    pid=self.pid,
                    route=self.route(route),
                    started=start * _SECOND,
                    wall=wall * _SECOND,
                    cpu=cpu * _SECOND,
                    stack=self.stacks.get(stack, _NO_FRAMES),
                )
            )

    def gc_pause(self, payload: bytes, since: int) -> None:
        start, duration, generation = decode_integers(payload, 3)
        if start >= since:
            self.into.gc_pauses.append(
                GcPause(pid=self.pid, started=start * _SECOND, duration=duration * _SECOND, generation=generation)
            )

    def resource(self, payload: bytes, since: int) -> None:
        at, cpu, rss, threads, lag, commits, blocks = decode_integers(payload, 7)
        if at >= since:
            self.into.resources.append(
                ResourceSample(
                    pid=self.pid,
                    at=at * _SECOND,
                    cpu_seconds=cpu * _SECOND,
                    rss_bytes=rss,
                    threads=threads,
                    loop_lag=lag * _SECOND if lag >= 0 else None,
                    commits=commits,
                    allocated_blocks=blocks if blocks >= 0 else None,
                )
            )

    def add_stacks(self, payload: bytes, since: int, into: dict[tuple[int, int], list[int]]) -> None:
        numbers = decode_integers(payload, 2, 4)
        if numbers[1] < since:
            return
        for at in range(2, len(numbers), 4):
            stack, route, samples, cpu = numbers[at : at + 4]
            counted = into.setdefault((stack, route), [0, 0])
            counted[0] += samples
            counted[1] += cpu

    def distinct_stacks(self, counted: dict[tuple[int, int], list[int]]) -> list[Stack]:
        """One Stack for each route and list of frames; agents may number the same lines more than once."""
        merged: dict[tuple[str | None, tuple[Frame, ...]], list[int]] = {}
        for (stack, route), (samples, cpu) in counted.items():
            frames = self.stacks.get(stack)
            if frames:
                total = merged.setdefault((self.route(route), tuple(frames)), [0, 0])
                total[0] += samples
                total[1] += cpu
        return [
            Stack(pid=self.pid, route=route, frames=list(frames), samples=samples, cpu_seconds=cpu * _SECOND)
            for (route, frames), (samples, cpu) in merged.items()
        ]

    def caches(self, payload: bytes) -> None:
        at = decode_integers(payload[:8], 1)[0] * _SECOND
        try:
            report = _CACHES.decode(payload[8:])
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise ProtocolError(f"Expected what caches have counted: {error}") from error
        self.into.caches.append(CacheSample(pid=self.pid, at=at, report=report))

    def parts(self, payload: bytes) -> None:
        at = decode_integers(payload[:8], 1)[0] * _SECOND
        try:
            report = _PARTS.decode(payload[8:])
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise ProtocolError(f"Expected what parts of policies have counted: {error}") from error
        self.into.parts.append(PartSample(pid=self.pid, at=at, report=report))

    def explain(self, payload: bytes) -> None:
        value = decode_json(payload)
        if not isinstance(value, dict):
            raise ProtocolError("Expected an explanation")
        number = value.get("statement", 0)
        statement = self.statements.get(number) if isinstance(number, int) else None
        if statement is None:
            return
        database, parameters, sql = value.get("database"), value.get("parameters"), value.get("sql")
        self.into.explains.append(
            Explain(
                statement=statement,
                plan=_texts(value.get("plan")),
                database=database if isinstance(database, str) else None,
                parameters=parameters if isinstance(parameters, str) else None,
                sql=sql if isinstance(sql, str) else None,
            )
        )

    def parameters(self, payload: bytes) -> None:
        value = decode_json(payload)
        if not isinstance(value, dict) or not isinstance(value.get("parameters"), list):
            raise ProtocolError("Expected the parameters of an execution")
        number, sql = value.get("statement", 0), value.get("sql")
        statement = self.statements.get(number) if isinstance(number, int) else None
        described = [_parameter(each) for each in value["parameters"]]
        if statement is not None:
            self.into.samples.append(Sample(statement, described, sql if isinstance(sql, str) else None))

    def decode(self, frames: RawFrames, since: int, into: Observations) -> None:
        """Add what the frames say to `into`.

        Raises:
            ProtocolError: a payload no agent sends; what came before it has been added, what follows never is.
        """
        self.into = into
        records: list[Sequence[int]] = []
        stacks: dict[tuple[int, int], list[int]] = {}
        problem: ProtocolError | None = None
        try:
            for kind, payload in () if self.damaged else frames:
                if kind == protocol.REQUEST:
                    record = decode_integers(payload, protocol.REQUEST_HEAD, WIDTH)
                    if record[2] >= since:
                        records.append(record)
                elif kind == protocol.NAMES:
                    self.names(payload)
                elif kind == protocol.STACK:
                    self.add_stacks(payload, since, stacks)
                elif kind == protocol.RESOURCE:
                    self.resource(payload, since)
                elif kind == protocol.CACHES:
                    self.caches(payload)
                elif kind == protocol.PARTS:
                    self.parts(payload)
                elif kind == protocol.GC_PAUSE:
                    self.gc_pause(payload, since)
                elif kind == protocol.LONG_STEP:
                    self.long_step(payload, since)
                elif kind == protocol.DROPPED:
                    into.dropped += max(decode_integers(payload, 1)[0], 0)
                elif kind == protocol.EXPLAIN:
                    self.explain(payload)
                elif kind == protocol.PARAMETERS:
                    self.parameters(payload)
                elif kind == protocol.FAILED:
                    self.failed(payload)
                elif kind == protocol.HELLO:
                    self.hello(payload)
        except ProtocolError as error:
            self.damaged = True
            problem = error
        if self.info is not None:
            into.processes[self.pid] = self.info
        if records:
            loop = BusyLoop([*self._busy, *_steps(records)])
            into.requests.extend(self.request(record, loop) for record in records)
            self._busy = loop.periods(max(record[2] for record in records) - _REMEMBERED_NS)
        into.stacks.extend(self.distinct_stacks(stacks))
        if problem is not None:
            raise problem


class ServiceDecoder:
    """The frames of one service's processes as observations, a batch at a time, in bounded memory.

    Names (statements, sites, routes) of earlier batches stay known; when the last process has been forgotten, as after
    the restart of a service, their tables begin anew.
    """

    def __init__(self) -> None:
        self._names = _Names()
        self._processes: dict[Hashable, _Process] = {}

    def decode(self, batches: Iterable[tuple[Hashable, RawFrames]], since: int = 0) -> tuple[Observations, list[str]]:
        """What the frames of each process say that was not said before, and notes on streams that are damaged.

        Args:
            batches: what stands for a process (its connection), and its frames (kind, payload) in the order received.
            since: leave out what ended before this moment, nanoseconds of the monotonic clock. Names always count.

        Returns:
            Observations with all processes that were not forgotten, all statements and sites known so far, requests in
            the order they ended. Of a damaged stream what came before the damage counts.
        """
        observations = Observations(statements=self._names.statements, sites=self._names.sites)
        notes: list[str] = []
        for key, frames in batches:
            process = self._processes.get(key)
            if process is None:
                process = self._processes[key] = _Process(self._names)
            try:
                process.decode(frames, since, observations)
            except ProtocolError as error:
                notes.append(f"an agent's records are damaged: {error}")
        observations.requests.sort(key=_ended)
        return observations, notes

    def forget(self, key: Hashable) -> None:
        """A process has ended: nothing more will come of it."""
        self._processes.pop(key, None)
        if not self._processes:
            self._names = _Names()


def merge_processes(processes: Iterable[RawFrames], since: int) -> tuple[Observations, list[str]]:
    """The observations of all processes, each given with all its frames; see `ServiceDecoder.decode`."""
    return ServiceDecoder().decode(enumerate(processes), since)


def _steps(records: Iterable[Sequence[int]]) -> list[tuple[int, int]]:
    steps: list[tuple[int, int]] = []
    for record in records:
        steps.extend(
            (record[at + 2], record[at + 2] + record[at + 3])
            for at in range(protocol.REQUEST_HEAD, len(record), WIDTH)
            if record[at] == STEP
        )
    return steps


def _parameter(value: Any) -> Parameter:
    """[type, size, value], the value only where it was asked for."""
    if not isinstance(value, list) or not 2 <= len(value) <= 3 or not isinstance(value[0], str):
        raise ProtocolError("Expected a parameter")
    size = value[1] if type(value[1]) is int else None
    return Parameter(type=value[0], size=size, value=value[2] if len(value) == 3 else None)


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _started(call: StatementCall) -> float:
    return call.started


def _ended(request: RequestTrace) -> float:
    return request.ended
