"""Several nodes with one cache, in one thread, a step at a time: whose step is next is the schedule's choice.

The programs are the cache's own; only what they ask for is done here. A step is one request to a level, one half of a
load, one message that arrives. Whatever is between two steps happens at once, as it does under the interpreter's lock
or a level's own atomicity.
"""

from __future__ import annotations

import contextvars
import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from perfloop.caching.core import Core
from perfloop.caching.effects import Call, Load, Program, Sleep
from perfloop.caching.encoding import KeyCodec, ValueCodec
from perfloop.caching.flights import Start, Wait
from perfloop.caching.insight import Insight
from perfloop.caching.levels import MemoryLevel
from perfloop.caching.limits import LoadLimit
from perfloop.caching.local import LocalLevel
from perfloop.caching.options import EntryOptions
from perfloop.caching.search import SingleLoader
from perfloop.caching.shared import SharedLevel, SimpleBreaker
from perfloop.caching.stores import LRUStore
from perfloop.exceptions import LevelFailed
from perfloop.telemetry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfloop.caching.backplane import Invalidation

__all__ = ["Actor", "Node", "World"]

KEYS: KeyCodec[str] = KeyCodec(str)
VALUES = ValueCodec(int)
OPTIONS = EntryOptions(ttl=1e6, jitter=0, tags=("tag",))
LONG = 1000.0
"""Longer than any lease or hold, shorter than any TTL."""


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


@dataclass(eq=False)
class Node:
    """One process."""

    local: LocalLevel
    core: Core
    inbox: deque[tuple[Invalidation, dict[str, int]]] = field(default_factory=deque)
    has_gap: bool = False
    alive: bool = True
    seen: dict[str, int] = field(default_factory=dict)
    """The least version a reader that begins now may be given."""


class _Post:
    """Sends to the other nodes' inboxes."""

    def __init__(self, world: World, node_number: int) -> None:
        self._world = world
        self._number = node_number

    def send(self, message: Invalidation) -> None:
        versions = dict(self._world.source)
        for number, node in enumerate(self._world.nodes):
            if number != self._number and node.alive:
                node.inbox.append((message, versions))

    async def send_async(self, message: Any) -> None:
        raise NotImplementedError


class World:
    """Nodes, shared levels, and what the values are loaded from: a version a key."""

    def __init__(
        self,
        nodes: int,
        levels: int,
        *,
        level: type[MemoryLevel] = MemoryLevel,
        local: type[LocalLevel] = LocalLevel,
        options: EntryOptions = OPTIONS,
    ) -> None:
        self.time = Time()
        self.source: dict[str, int] = {"a": 1, "b": 1}
        self.levels = [level(f"level {number + 2}", clock=self.time) for number in range(levels)]
        self.down: set[str] = set()
        self.nodes: list[Node] = []
        self.actors: list[Actor] = []
        self.crashed: list[Actor] = []
        self.stale_reads: list[str] = []
        self.options = options
        self._registry = Registry()
        tokens = itertools.count()
        for number in range(nodes):
            self.nodes.append(self._node(number, local, lambda: str(next(tokens))))

    def _node(self, number: int, local: type[LocalLevel], token: Callable[[], str]) -> Node:
        post = _Post(self, number)

        def publish(invalidation: Invalidation) -> Program[None]:
            yield Call(post, invalidation)

        own = local(LRUStore(max_entries=100), clock=self.time)
        shared = [
            SharedLevel(level, SimpleBreaker(self.time), report=lambda name, error: None) for level in self.levels
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
            insight=Insight("world", [level.name for level in self.levels], self._registry, own.hits),
        )
        return Node(own, core)

    # What is done

    def read(self, node: Node, key: str) -> None:
        """A reader begins."""
        least = node.seen.get(key, 0)

        def check(values: dict[str, int]) -> None:
            if values[key] < least:
                self.stale_reads.append(f"{key}: {values[key]} after {least}")

        self._begin(node, node.core.get_or_load([key], SingleLoader(lambda: self.source[key]), self.options), check)

    def peek(self, node: Node, key: str) -> None:
        """A reader that does not load begins."""
        least = node.seen.get(key, 0)

        def check(values: dict[str, int]) -> None:
            if values.get(key, least) < least:
                self.stale_reads.append(f"{key}: {values[key]} after {least}")

        self._begin(node, node.core.get([key], self.options), check)

    def refresh(self, node: Node, key: str) -> None:
        """A background refresh begins."""
        loader = SingleLoader(lambda: self.source[key])
        self._begin(node, node.core._refresh(key, loader, self.options))

    def change(self, node: Node, key: str, how: Callable[[Core], Program[None]]) -> None:
        """A writer changes what a key is loaded from, then tells the cache."""

        def program() -> Program[None]:
            self.source[key] += 1
            versions = dict(self.source)
            yield from how(node.core)
            if not any(shared.missed for shared in node.core.levels):
                _raise(node.seen, {key: versions[key]})

        self._begin(node, program())

    def write(self, node: Node, key: str, tags: Sequence[str] = ()) -> None:
        """A writer changes what a key is loaded from, inside `writing`; he may die at any step."""

        def program() -> Program[None]:
            token = node.core.token()
            keys = [] if tags else [key]
            yield from node.core.hold(keys, tags, token, 30.0)
            yield Sleep(0)
            self.source[key] += 1
            versions = dict(self.source)
            yield Sleep(0)
            yield from node.core.release(keys, tags, token)
            if not any(shared.missed for shared in node.core.levels):
                _raise(node.seen, versions if tags else {key: versions[key]})

        self._begin(node, program())

    def put(self, node: Node, key: str) -> None:
        """A writer who is alone changes what a key is loaded from, and puts the new value in."""

        def program() -> Program[None]:
            self.source[key] += 1
            versions = dict(self.source)
            yield from node.core.set({key: self.source[key]}, self.options)
            if not any(shared.missed for shared in node.core.levels):
                _raise(node.seen, {key: versions[key]})

        self._begin(node, program())

    # Steps

    def steps(self) -> list[tuple[str, Any]]:
        """What can happen next."""
        ready: list[tuple[str, Any]] = [("go", actor) for actor in self.actors if _ready(actor)]
        ready += [("arrive", node) for node in self.nodes if node.inbox]
        ready += [("notice", node) for node in self.nodes if node.has_gap]
        return ready

    def take(self, step: tuple[str, Any]) -> None:
        """Let it happen."""
        kind, what = step
        if kind == "go":
            self._go(what)
        elif kind == "arrive":
            invalidation, versions = what.inbox.popleft()
            what.core.invalidate_here(invalidation)
            if not what.has_gap and not self.down and not self._anywhere_missed():
                everything = invalidation.all or invalidation.tags
                _raise(what.seen, versions if everything else {key: versions[key] for key in invalidation.keys})
        elif kind == "notice":
            what.has_gap = False
            what.local.clear()
        elif kind == "lose":
            what.inbox.popleft()
            what.has_gap = True
        elif kind == "crash":
            what.alive = False
            what.inbox.clear()
            what.has_gap = False
            self.crashed += [actor for actor in self.actors if actor.node is what]
            self.actors = [actor for actor in self.actors if actor.node is not what]
        elif kind == "down":
            self._cut(what)
        elif kind == "up":
            self._mend(what)
            self.time.seconds += 2.0

    def settle(self) -> None:
        """Everything that is under way ends, every loss is noticed, what a dead one held ends."""
        for level in self.levels:
            self._mend(level)
        for _ in range(3):
            self.time.seconds += LONG
            for node in self.nodes:
                if node.alive:
                    self.peek(node, "none")
            while steps := self.steps():
                self.take(steps[0])
        for node in self.nodes:
            if node.has_gap:
                node.local.clear()

    def out_of_date(self) -> list[str]:
        """Where an old version is still given, after `settle`."""
        old = []
        for node in self.nodes:
            for key, version in self.source.items() if node.alive else ():
                entry = node.local.store.get(key)
                if entry is not None and entry.value != version:
                    old.append(f"{key}: {entry.value} of {version} in a process")
        for level in self.levels:
            texts = list(self.source)
            for key, stored in zip(texts, _answer(level.read(texts)), strict=True):
                if stored is not None and VALUES.decode(stored.data).value != self.source[key]:
                    old.append(f"{key}: {VALUES.decode(stored.data).value} of {self.source[key]} at {level.name}")
        return old

    def _begin(self, node: Node, program: Program[Any], then: Callable[[Any], None] | None = None) -> None:
        if node.alive:
            actor = Actor(node, program, then=then)
            self.actors.append(actor)
            self._resume(actor, None)

    def _go(self, actor: Actor) -> None:
        effect = actor.effect
        if isinstance(effect, Load) and not actor.loading:
            actor.half, actor.loading = effect.loader(*effect.arguments), True
            return
        if isinstance(effect, Load):
            actor.loading = False
            self._resume(actor, actor.half)
        elif isinstance(effect, Wait):
            self._resume(actor, True)
        elif isinstance(effect, Start):
            self._begin(actor.node, effect.program)
            self._resume(actor, None)
        elif isinstance(effect, Sleep):
            self._resume(actor, None)
        else:
            try:
                answer = effect.run()
            except LevelFailed as error:
                self._resume(actor, error, raised=True)
            else:
                self._resume(actor, answer)

    def _resume(self, actor: Actor, answer: Any, *, raised: bool = False) -> None:
        send = actor.program.throw if raised else actor.program.send
        try:
            actor.effect = actor.context.run(send, answer)
        except StopIteration as end:
            if actor in self.actors:
                self.actors.remove(actor)
            if actor.then is not None:
                actor.then(end.value)

    def _cut(self, level: MemoryLevel) -> None:
        self.down.add(level.name)
        level._transport = _Down()  # type: ignore[assignment]

    def _mend(self, level: MemoryLevel) -> None:
        if level.name in self.down:
            self.down.discard(level.name)
            level._transport = type(self.levels[0])("", clock=self.time)._transport

    def _anywhere_missed(self) -> bool:
        return any(shared.missed for node in self.nodes for shared in node.core.levels)


class _Down:
    def send(self, request: Any) -> Any:
        raise LevelFailed("down")

    async def send_async(self, request: Any) -> Any:
        raise LevelFailed("down")


def _ready(actor: Actor) -> bool:
    return not isinstance(actor.effect, Wait) or actor.effect.future.done()


def _raise(seen: dict[str, int], versions: dict[str, int]) -> None:
    for key, version in versions.items():
        seen[key] = max(seen.get(key, 0), version)


def _answer(program: Program[Any]) -> Any:
    try:
        effect = next(program)
        while True:
            effect = program.send(effect.run())
    except StopIteration as end:
        return end.value
