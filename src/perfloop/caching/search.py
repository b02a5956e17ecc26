"""One look-up: down the levels under their leases, into the loader, and up again with what was found."""

from __future__ import annotations

import contextvars
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec import structs

from ..exceptions import InvalidValue
from .effects import Load, Program, Sleep
from .levels import Lease, LeaseState, Stored
from .options import EntryOptions, refresh_early

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from .core import Core
    from .flights import Flight
    from .shared import SharedLevel

__all__ = ["LOADING", "BatchLoader", "Found", "LoadedElsewhere", "Loader", "Search", "SingleLoader"]

_POLL_FIRST, _POLL_MOST = 0.002, 0.05
LOADING: contextvars.ContextVar[frozenset[Flight]] = contextvars.ContextVar("LOADING")
"""The look-ups, of whatever cache, that whoever runs just now is a loader of."""


class Loader(Protocol):
    """The user's loader, for one key or for many."""

    def ask(self, keys: Sequence[Hashable]) -> Program[Mapping[Any, Any]]:
        """The values of the keys; those it does not have may be missing."""


class SingleLoader(msgspec.Struct, frozen=True):
    """A function without arguments that loads one key."""

    function: Callable[[], Any]

    def ask(self, keys: Sequence[Hashable]) -> Program[Mapping[Any, Any]]:
        value = yield Load(self.function)
        return {keys[0]: value}


class BatchLoader(msgspec.Struct, frozen=True):
    """A function that is given a list of keys and returns a mapping.

    Raises:
        InvalidValue: it returned something else.
    """

    function: Callable[[list[Any]], Any]

    def ask(self, keys: Sequence[Hashable]) -> Program[Mapping[Any, Any]]:
        values = yield Load(self.function, (list(keys),))
        if not isinstance(values, Mapping):
            raise InvalidValue(
                f"Expected the loader to return a mapping of keys to values, got a {type(values).__name__}",
                hint="return dict(zip(keys, values))",
            )
        return values


class LoadedElsewhere(Exception):
    """Another process is about to load anew what we would."""


class Found(msgspec.Struct):
    """A value and where it may be kept."""

    value: Any
    stored: Stored
    load_seconds: float
    at: float
    """The moment that the times of `stored` count from."""
    keep: bool = True
    """Whether every level below that can be reached has it, so that one above may keep it too."""

    def left(self, now: float) -> Stored:
        """What is to be stored now: others of the same look-up may have taken long since."""
        passed = now - self.at
        return structs.replace(self.stored, fresh=self.stored.fresh - passed, kept=self.stored.kept - passed)


class Search:
    """One look-up down the levels, and up again with what was found or loaded."""

    def __init__(
        self, core: Core, loader: Loader, options: EntryOptions, flights: Mapping[str, Flight], *, anew: bool = False
    ) -> None:
        self._core = core
        self._loader = loader
        self._options = options
        self._flights = flights
        self._anew = anew
        self._token = core.token()
        self._poisoned: set[str] = set()
        self._held = {text for text, flight in flights.items() if flight.fence.held}
        """What is about to change, as this process or a level knows: a level that says nothing of it may have missed
        that, so it is loaded, whatever is there, and kept nowhere."""
        self.stale: dict[str, Found] = {}
        """What is no longer fresh, but better than an error."""
        self.outdated: list[str] = []
        """What was given although it is to be loaded anew."""

    def descend(self, depth: int, texts: list[str]) -> Program[dict[str, Found]]:
        """The values, from this level or from below; kept at this level where its lease holds."""
        if depth == len(self._core.levels):
            return (yield from self._load(texts))
        shared = self._core.levels[depth]
        found: dict[str, Found] = {}
        held = [text for text in texts if text in self._held]
        asked = [text for text in texts if text not in self._held]
        if asked and not self._anew:
            at = self._core.clock.now()
            answer = yield from shared.read(asked, self._core.clock.now)
            for text, stored in zip(asked, answer or (), strict=answer is not None):
                self._take(shared, text, stored, at, found)
        missing = [text for text in asked if text not in found]
        until, pause = self._core.clock.now() + self._core.lease_seconds, _POLL_FIRST
        while missing or held:
            busy, at = [], self._core.clock.now()
            try:
                leases = (yield from self._lease(shared, missing)) if missing else {}
            except GeneratorExit:
                raise
            except BaseException:  # it may be that they were given, and nobody else would load until they end
                yield from self._abandon(shared, missing)
                raise
            for text, lease in leases.items():
                if lease is not None and not self._anew and text not in self._poisoned:
                    self._take(shared, text, lease.stored, at, found)
                if lease is not None and lease.state is LeaseState.BUSY and self._core.clock.now() < until:
                    if self._anew:
                        raise LoadedElsewhere
                    busy.append(text)
                if lease is not None and lease.state is LeaseState.HELD:
                    self._held.add(text)
            unused = [text for text, lease in leases.items() if text in found and _granted(lease)]
            yield from self._abandon(shared, unused)
            below = {text: leases[text] for text in missing if text not in found and text not in busy}
            below |= dict.fromkeys(held)
            held = []
            if below:
                found.update((yield from self._from_below(depth, below)))
            missing = [text for text in busy if text not in found]
            if missing:
                yield Sleep(pause)
                pause = min(pause * 2, _POLL_MOST)
        return found

    def _take(self, shared: SharedLevel, text: str, stored: Stored | None, at: float, found: dict[str, Found]) -> None:
        """Note what a level has, asked `at` that moment: it is found, or stale, or of no use."""
        if stored is None or self._flights[text].fence.is_held(stored.tags):
            return
        decoded = self._core.decoded(shared, text, stored)
        if decoded is None:
            self._poisoned.add(text)
            return
        each = Found(decoded.value, stored, decoded.load_seconds, at)
        if stored.fresh > -self._options.stale_while_revalidate:
            found[text] = each
            early = refresh_early(self._options, decoded.load_seconds, 1 - self._core.draw())
            if stored.fresh <= early:
                self.outdated.append(text)
        else:
            self.stale[text] = each

    def _lease(self, shared: SharedLevel, texts: Sequence[str]) -> Program[dict[str, Lease | None]]:
        """The leases; None where the level does not answer."""
        leases: dict[str, Lease | None] = dict.fromkeys(texts)
        for forced in (False, True):
            some = [text for text in texts if (self._anew or text in self._poisoned) is forced]
            if some:
                answer = yield from shared.ask(
                    lambda level, some=some, forced=forced: level.lease(  # type: ignore[misc]
                        some, self._token, self._core.lease_seconds, even_if_fresh=forced
                    )
                )
                leases.update(zip(some, answer or (), strict=False))
        return leases

    def _from_below(self, depth: int, leases: Mapping[str, Lease | None]) -> Program[dict[str, Found]]:
        """What is found below this level; filled in here under the leases."""
        shared = self._core.levels[depth]
        granted = [text for text, lease in leases.items() if _granted(lease)]
        try:
            found = yield from self.descend(depth + 1, list(leases))
        except GeneratorExit:
            raise
        except BaseException:
            yield from self._abandon(shared, granted)
            raise
        now = self._core.clock.now()
        good = {text: found[text].left(now) for text in granted if found[text].keep}
        filled = yield from shared.ask(lambda level: level.fill(good, self._token)) if good else _nothing()
        kept = dict(zip(good, filled or (), strict=False))
        yield from self._abandon(shared, [text for text in granted if text not in good])
        for text, lease in leases.items():
            # A level that does not answer, or no longer, forbids nothing to the others: it is told what it misses.
            if lease is not None and not kept.get(text, filled is None and text in good):
                found[text].keep = False
        return found

    def _abandon(self, shared: SharedLevel, texts: list[str]) -> Program[None]:
        if texts:
            yield from shared.ask(lambda level: level.abandon(texts, self._token))

    def _load(self, texts: Sequence[str]) -> Program[dict[str, Found]]:
        core = self._core
        flights = [self._flights[text] for text in texts]
        keys = [flight.fence.key for flight in flights]
        before = LOADING.get(frozenset())
        # A loader that asks for another key goes on in its own turn: if it waited for one, it might be for itself.
        has_turn = any(flight.owner is core.flights for flight in before)
        LOADING.set(before.union(flights))
        try:
            yield from _nothing() if has_turn else core.limit.enter()
            try:
                began = core.clock.now()
                values = yield from self._loader.ask(keys)
            finally:
                if not has_turn:
                    core.limit.leave()
        finally:
            LOADING.set(before)
        took = core.clock.now() - began
        core.insight.loaded(texts, took)
        found = {text: core.made(values.get(key), self._options, took) for text, key in zip(texts, keys, strict=True)}
        for text, flight in zip(texts, flights, strict=True):
            found[text].keep = not flight.fence.is_held(found[text].stored.tags)
        return found


def _granted(lease: Lease | None) -> bool:
    return lease is not None and lease.state is LeaseState.GRANTED


def _nothing() -> Program[None]:
    return
    yield
