"""Several nodes with one cache, in one thread, a step at a time: whose step is next is the schedule's choice.

The programs are the cache's own; only what they ask for is done here. A step is one request to a level, one half of a
load, one message that arrives. Whatever is between two steps happens at once, as it does under the interpreter's lock
or a level's own atomicity.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from perfloop.caching.core import Core
from perfloop.caching.effects import Call, Load, Program, Sleep
from perfloop.caching.encoding import ValueCodec
from perfloop.caching.flights import Start, Wait
from perfloop.caching.insight import Insight
from perfloop.caching.keys import KeyCodec
from perfloop.caching.levels import MemoryLevel
from perfloop.caching.limits import LoadLimit
from perfloop.caching.local import LocalLevel
from perfloop.caching.options import EntryOptions
from perfloop.caching.search import BatchLoader
from perfloop.caching.shared import SharedLevel, SimpleBreaker
from perfloop.caching.stores import LRUStore
from perfloop.exceptions import LevelFailed, LoadTimedOut
from perfloop.telemetry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from perfloop.caching.backplane import Invalidation
    from perfloop.caching.flights import Flight

__all__ = ["Actor", "Node", "World", "is_ready"]

KEYS: KeyCodec[str] = KeyCodec(str)
VALUES = ValueCodec(int)
OPTIONS = EntryOptions(ttl=1e6, jitter=0, tags=("tag",))
LONG = 1000.0
"""Longer than any lease or hold, shorter than any TTL."""
HOLD = 30.0


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds


class Silent:
    """Nobody is told of what goes wrong."""

    def level_failed(self, level: str, error: Exception) -> None: ...
    def undecodable(self, level: str, key: str, error: Exception) -> None: ...
    def load_failed(self, key: str, error: BaseException) -> None: ...


@dataclass(eq=False)
class Actor:
    """A program under way on a node."""

    node: Node
    program: Program[Any]
    effect: Any = None
    half: Any = None
    """What the loader has read, but not returned yet."""
    loading: bool = False
    context: contextvars.Context = field(default_factory=contextvars.Context)
    then: Callable[[Any], None] | None = None
    number: int = 0
    changes: bool = False
    recovers: bool = False
    versions: dict[str, int] = field(default_factory=dict)
    """What he who changes something has found in the source just before he told the cache."""


@dataclass(eq=False)
class Node:
    """One process."""

    number: int
    local: LocalLevel
    core: Core
    inbox: deque[tuple[Invalidation, dict[str, int], int]] = field(default_factory=deque)
    """Messages, what who has had them is to be given at least, and the number of who has sent them."""
    lost_from: set[int] = field(default_factory=set)
    """Whose messages did not come."""
    has_gap: bool = False
    alive: bool = True
    recovers: bool = False
    """Its worker tells somebody what was missed."""
    seen: dict[str, int] = field(default_factory=dict)
    """The least version a reader that begins now may be given."""


class _Breaker(SimpleBreaker):
    def would_allow(self) -> bool:
        return self._until is None or self._clock.now() >= self._until


class _Post:
    """Sends to the other nodes' inboxes."""

    def __init__(self, world: World, node_number: int) -> None:
        self._world = world
        self._number = node_number

    def send(self, message: Invalidation) -> None:
        versions = self._world.versions_of_message(self._number)
        for number, node in enumerate(self._world.nodes):
            if number != self._number and node.alive:
                node.inbox.append((message, versions, self._number))

    async def send_async(self, message: Any) -> None:
        raise NotImplementedError


class World:
    """Nodes, shared levels, and what the values are loaded from: a version a key."""

    def __init__(self, nodes: int, levels: int, *, options: EntryOptions = OPTIONS) -> None:
        self.time = Time()
        self.source: dict[str, int] = {"a": 1, "b": 1}
        self.levels = [MemoryLevel(f"level {number + 2}", clock=self.time) for number in range(levels)]
        self.cut: dict[tuple[Node, Any], bool] = {}
        """(Node, way to a level) → whether what it asks is done there although no answer comes."""
        self.nodes: list[Node] = []
        self.actors: list[Actor] = []
        self.deserted: list[Actor] = []
        """Look-ups that nobody waits for any more; they are to be cancelled."""
        self.late: list[Call[Any]] = []
        """What those who asked it have given up, and a level carries out some time."""
        self._begun = 0
        self.will_crash = False
        """A process will die; then no other mishap may make it keep to itself what it has changed."""
        self._going: Actor | None = None
        self.trace: list[str] = []
        """What has happened: two schedules are the same if their traces are."""
        self.stale_reads: list[str] = []
        self.options = options
        self._registry = Registry()
        tokens = itertools.count()
        for number in range(nodes):
            self.nodes.append(self._node(number, lambda: str(next(tokens))))

    def _node(self, number: int, token: Callable[[], str]) -> Node:
        post = _Post(self, number)

        def publish(invalidation: Invalidation) -> Program[None]:
            yield Call(post, invalidation)

        own = LocalLevel(LRUStore(max_entries=100), clock=self.time)
        shared = [
            SharedLevel(level, _Breaker(self.time), report=lambda name, error: None, clock=self.time)
            for level in self.levels
        ]
        core = Core(
            own,
            shared,
            keys=KEYS,
            values=VALUES,
            options=self.options,
            clock=self.time,
            draw=lambda: 0.5,
            token=token,
            report=Silent(),
            publish=publish,
            copies=False,
            weighs=False,
            limit=LoadLimit(100),
            insight=Insight("world", [level.name for level in self.levels], self._registry, own),
        )
        return Node(number, own, core)

    # What is done

    def read(self, node: Node, keys: Sequence[str]) -> None:
        """A reader begins."""
        least = dict(node.seen)
        program = node.core.get_or_load(keys, BatchLoader(self._load), self.options)
        self._begin(node, f"read {keys}", program, lambda values: self._check(values, least))

    def peek(self, node: Node, keys: Sequence[str]) -> None:
        """A reader that does not load begins."""
        least = dict(node.seen)
        self._begin(node, f"peek {keys}", node.core.get(keys, self.options), lambda got: self._check(got, least))

    def refresh(self, node: Node, key: str) -> None:
        """A background refresh begins."""
        self._begin(node, f"refresh {key}", node.core._refresh(key, BatchLoader(self._load), self.options))

    def change(self, node: Node, key: str, kind: str) -> None:
        """A writer changes what a key is loaded from, then tells the cache."""

        def program() -> Program[None]:
            self.source[key] += 1
            version = self.source[key]
            self._note([key] if kind in {"delete", "expire"} else self.source)
            yield from CHANGES[kind](node.core, key)
            if kind != "expire":
                self._known(node, {key: version})

        self._begin(node, f"{kind} {key}", program(), changes=True)

    def write(self, node: Node, key: str, tags: Sequence[str] = ()) -> None:
        """A writer changes what a key is loaded from, inside `writing`; he may die at any step."""

        def program() -> Program[None]:
            token, keys, began = node.core.token(), [] if tags else [key], self.time.now()
            self._note(keys or self.source)
            yield from node.core.hold(keys, tags, token, HOLD)
            yield Sleep(0)
            if self.time.now() - began < HOLD:  # later his hold may have ended, and he must not change anything
                self.source[key] += 1
            version = self.source[key]
            yield Sleep(0)
            self._note(keys or self.source)
            yield from node.core.release(keys, tags, token)
            self._known(node, {key: version})

        self._begin(node, f"write {key} {tags}", program(), changes=True)

    def put(self, node: Node, key: str) -> None:
        """A writer who is alone changes what a key is loaded from, and puts the new value in."""

        def program() -> Program[None]:
            self.source[key] += 1
            version = self.source[key]
            self._note([key])
            yield from node.core.set({key: version}, self.options)
            self._known(node, {key: version})

        self._begin(node, f"put {key}", program(), changes=True)

    def cut_off(self, node: Node, level: MemoryLevel, *, done: bool) -> None:
        """The node cannot reach the level, or does not hear its answers."""
        self.cut[node, level._transport] = done

    def crash(self, node: Node) -> None:
        """The process dies."""
        node.alive = False
        node.inbox.clear()
        node.has_gap = False
        self.actors = [actor for actor in self.actors if actor.node is not node]
        self.fall_silent(node)

    def fall_silent(self, node: Node) -> None:
        """Who has missed something that a dead one said will notice that it says nothing more: one more gap."""
        for other in self.nodes:
            other.has_gap = other.has_gap or (other.alive and node.number in other.lost_from)

    def pass_time(self, seconds: float) -> None:
        """So many seconds pass."""
        self.time.seconds += seconds

    def mend(self) -> None:
        """All levels can be reached again."""
        self.cut.clear()
        self.time.seconds += 2.0

    def cancel_deserted(self) -> None:
        """Cancel look-ups that nobody waits for any more."""
        while self.deserted:
            actor = self.deserted.pop()
            if actor in self.actors:
                self.take(("cancel", actor))

    def versions_of_message(self, number: int) -> dict[str, int]:
        """What a reader who has had the message that is sent just now is to be given at least; nothing is known while
        others of this node wait."""
        waits = self.nodes[number].core.outbox
        return self._going.versions if self._going is not None and self._going.changes and not waits else {}

    def _note(self, keys: Iterable[str]) -> None:
        if self._going is not None:
            self._going.versions = {key: self.source[key] for key in keys}

    def _load(self, keys: list[str]) -> dict[str, int]:
        return {key: self.source[key] for key in keys}

    def _check(self, values: dict[str, int], least: dict[str, int]) -> None:
        for key, value in values.items():
            if value < least.get(key, 0):
                self.stale_reads.append(f"{key}: {value} after {least[key]}")

    def _known(self, node: Node, versions: dict[str, int]) -> None:
        """Who reads on this node from now on may not be given anything older, if every level has been told."""
        shared = [shared for each in self.nodes for shared in each.core.levels]
        if not self.cut and not any(each.missed or each._telling for each in shared):
            for key, version in versions.items():
                node.seen[key] = max(node.seen.get(key, 0), version)

    # Steps

    def steps(self) -> list[tuple[str, Any]]:
        """What can happen next."""
        ready: list[tuple[str, Any]] = [("go", actor) for actor in self.actors if is_ready(actor)]
        ready += [("arrive", node) for node in self.nodes if node.inbox]
        ready += [("notice", node) for node in self.nodes if node.has_gap]
        ready += [("late", number) for number in range(len(self.late))]
        ready += [("recover", node) for node in self.nodes if self.may_recover(node)]
        return ready

    def take(self, step: tuple[str, Any]) -> None:
        """Let it happen."""
        kind, what = step
        self.trace.append(f"{kind} {what if kind == 'late' else what.number}")
        if kind == "go":
            self._go(what)
        elif kind == "fail":
            what.loading = False
            self._resume(what, OSError("the source is down"), raised=True)
        elif kind == "time out":
            self._resume(what, False)
        elif kind == "cancel":
            self._resume(what, asyncio.CancelledError(), raised=True)
        elif kind == "do and cancel":
            self._going = what
            what.effect.run()
            self._resume(what, asyncio.CancelledError(), raised=True)
        elif kind == "give up":
            self.late.append(what.effect)
            self._resume(what, LevelFailed("no answer in time"), raised=True)
        elif kind == "late":
            self.late.pop(what).run()
        elif kind == "arrive":
            invalidation, versions, _ = what.inbox.popleft()
            what.core.heard(invalidation)
            if not what.has_gap:
                everything = invalidation.all or invalidation.tags
                told = versions if everything else invalidation.keys
                self._known(what, {key: versions[key] for key in told if key in versions})
        elif kind == "lose":
            what.lost_from.add(what.inbox.popleft()[2])
            what.has_gap = True
        elif kind == "recover":
            what.recovers = True
            self._begin(what, "recover", what.core.recover(), recovers=True)
        else:
            self.close_gap(what)

    def is_asked(self, effect: Call[Any]) -> bool:
        """Whether it is a level that is asked."""
        return any(effect.transport is level._transport for level in self.levels)

    def may_recover(self, node: Node) -> bool:
        """Whether its worker has something to tell, and its breakers let it."""
        behind = [shared for shared in node.core.levels if shared.missed and shared._telling is None]
        may_tell = any(shared._breaker.would_allow() for shared in behind)  # type: ignore[attr-defined]
        return node.alive and not node.recovers and (may_tell or bool(node.core.outbox))

    def close_gap(self, node: Node) -> None:
        """It has noticed that it has missed something."""
        node.has_gap = False
        node.local.clear()

    def settle(self) -> None:
        """Everything that is under way ends, every loss is noticed, what a dead one held ends."""
        self.mend()
        for _ in range(3):
            self.time.seconds += LONG
            while steps := self.steps():
                self.take(min(steps, key=lambda step: step[0] == "late"))
            self.cancel_deserted()

    def out_of_date(self) -> list[str]:
        """Where an old version is still taken for fresh, after `settle`."""
        old, now = [], self.time.now()
        for node in self.nodes:
            for key, version in self.source.items() if node.alive else ():
                entry = node.local.store.get(key)
                if entry is not None and entry.value != version and entry.fresh_until > now:
                    old.append(f"{key}: {entry.value} of {version} in process {node.number}")
        for level in self.levels:
            texts = list(self.source)
            for key, stored in zip(texts, _answer(level.read(texts)), strict=True):
                value = None if stored is None or stored.fresh <= 0 else VALUES.decode(stored.data).value
                if value not in (None, self.source[key]):
                    old.append(f"{key}: {value} of {self.source[key]} at {level.name}")
        return old

    def _begin(
        self,
        node: Node,
        name: str,
        program: Program[Any],
        then: Callable[[Any], None] | None = None,
        *,
        changes: bool = False,
        recovers: bool = False,
        context: contextvars.Context | None = None,
    ) -> Actor | None:
        if not node.alive:
            return None
        self._begun += 1
        self.trace.append(f"{name} on {node.number}")
        actor = Actor(node, program, then=then, number=self._begun, changes=changes, recovers=recovers)
        if context is not None:
            actor.context = context
        self.actors.append(actor)
        self._resume(actor, None)
        return actor

    def _go(self, actor: Actor) -> None:
        effect = actor.effect
        if isinstance(effect, Load):
            if actor.loading:
                actor.loading = False
                self._resume(actor, actor.half)
            else:
                actor.half, actor.loading = effect.loader(*effect.arguments), True
        elif isinstance(effect, Call):
            done = self.cut.get((actor.node, effect.transport))
            self._going = actor
            if done is None:
                self._resume(actor, effect.run())
                return
            if done:
                effect.run()
            self._resume(actor, LevelFailed("no answer"), raised=True)
        else:  # a wait is over
            self._resume(actor, True)

    def _resume(self, actor: Actor, answer: Any, *, raised: bool = False) -> None:
        """On to its next effect. What takes no time happens at once."""
        while True:
            send = actor.program.throw if raised else actor.program.send
            raised = False
            self._going = actor
            try:
                actor.effect = effect = actor.context.run(send, answer)
            except StopIteration as end:
                self._end(actor)
                if actor.then is not None:
                    actor.then(end.value)
                return
            except (OSError, asyncio.CancelledError, LoadTimedOut):
                self._end(actor)
                return
            if isinstance(effect, Start):
                context = actor.context.copy()
                led = self._begin(actor.node, "lead", effect.program, context=context)
                if not effect.detached and led is not None:
                    for flight in effect.flights:
                        flight.cancel = partial(self._desert, led, effect.flights)
                answer = None
            elif isinstance(effect, Wait) and effect.future.done():
                answer = True
            else:
                return

    def _end(self, actor: Actor) -> None:
        if actor in self.actors:
            self.actors.remove(actor)
        if actor.recovers:
            actor.node.recovers = False

    def _desert(self, actor: Actor, flights: Sequence[Flight]) -> None:
        if actor in self.actors and all(flight.deserted for flight in flights):
            self.deserted.append(actor)


CHANGES: dict[str, Callable[[Core, str], Program[None]]] = {
    "delete": lambda core, key: core.delete([key]),
    "expire": lambda core, key: core.expire([key]),
    "tags": lambda core, key: core.remove_tags(["tag"]),
    "clear": lambda core, key: core.clear(),
}


def is_ready(actor: Actor) -> bool:
    """Whether it may take its next step."""
    return not isinstance(actor.effect, Wait) or actor.effect.future.done()


def _answer(program: Program[Any]) -> Any:
    try:
        effect = next(program)
        while True:
            effect = program.send(effect.run())
    except StopIteration as end:
        return end.value
