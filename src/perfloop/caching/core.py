"""The programs of a cache of several levels: look up, load, change. They decide; effects and levels do.

The order of things is what keeps an invalidation from being lost (the rules stand in `levels/protocol.py`): a look-up
takes the fence or lease of each level before it looks into the one below; a change goes from the lowest level up.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import structs

from ..exceptions import LoadTimedOut, ReentrantLoad
from .backplane import Invalidation
from .encoding import Decoded, Undecodable, ValueCodec
from .flights import WAITS, Flight, Flights, Outcome, Start, Wait
from .keys import KeyCodec, checked_tags, distinct
from .levels import Level, Stored
from .local import Entry, LocalLevel
from .options import EntryOptions, lifetime, refresh_early
from .outbox import Outbox
from .search import LOADING, Found, LoadedElsewhere, Loader, Search

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from ..clock import Clock
    from .effects import Program
    from .insight import Insight
    from .limits import LoadLimit
    from .missed import Missed
    from .reports import Report
    from .shared import SharedLevel

__all__ = ["Core"]

_AGAIN = object()
"""In the place of a value: it is to be looked up anew."""


class Core:
    """What all shells of one cache share."""

    def __init__(
        self,
        local: LocalLevel,
        levels: Sequence[SharedLevel],
        *,
        keys: KeyCodec[Any],
        values: ValueCodec,
        options: EntryOptions,
        clock: Clock,
        draw: Callable[[], float],
        token: Callable[[], str],
        report: Report,
        publish: Callable[[Invalidation], Program[None]],
        copies: bool,
        weighs: bool,
        limit: LoadLimit,
        insight: Insight,
        lease_seconds: float = 30.0,
    ) -> None:
        """A core.

        Args:
            levels: from the highest to the lowest.
            draw: a random number from 0 up to, but not including, 1.
            token: a text that nobody has had before.
            publish: tells other processes.
            copies: whether entries hold encoded values, so that each reader gets one of his own.
            weighs: whether the store must know how long the encoded values are.
            limit: how many loaders run at one time.
            insight: counts.
        """
        self.local = local
        self.levels = levels
        self.flights = Flights(local)
        self.options = options
        self.limit = limit
        self.insight = insight
        for shared, counts in zip(levels, insight.levels, strict=True):
            shared.counts = counts
        self.tasks: set[Any] = set()
        self._keys = keys
        self._values = values
        self.clock = clock
        self.draw = draw
        self.token = token
        self._report = report
        self.outbox = Outbox(publish, clock)
        self._copies = copies
        self._encodes = copies or weighs or bool(levels)
        self.lease_seconds = lease_seconds
        for depth, shared in enumerate(levels):
            shared.told_late = partial(self._told_late, depth)

    # Looking up

    def get(self, keys: Sequence[Hashable], options: EntryOptions, *, stale: bool = False) -> Program[dict[Any, Any]]:
        """The fresh values there are; with `stale` also the others that are kept, the lowest level's first."""
        values: dict[Any, Any] = {}
        old: dict[Any, Any] = {}
        fences = []
        try:
            for key in distinct(keys):
                entry = self._current(key)
                if entry is not None:
                    values[key] = self.given(entry)
                else:
                    fences.append((self._keys.encode(key), self.local.begin(key)))
                    if stale and (entry := self._stale(key)) is not None:
                        old[key] = self.given(entry)
            yield from self.outbox.say()
            missing = dict(fences)
            for shared in self.levels:
                texts, at = [text for text, fence in missing.items() if not fence.held], self.clock.now()
                answer = (yield from shared.read(texts, self.clock.now)) if texts else None
                for text, stored in zip(texts, answer or (), strict=answer is not None and bool(texts)):
                    if stored is None or not (stale or stored.fresh > 0) or missing[text].is_held(stored.tags):
                        continue
                    decoded = self.decoded(shared, text, stored)
                    if decoded is not None and stored.fresh <= 0:
                        old[missing[text].key] = decoded.value
                    elif decoded is not None:
                        fence = missing.pop(text)
                        found = Found(decoded.value, stored, decoded.load_seconds, at)
                        self.local.keep(fence, self._entry(found, options))
                        values[fence.key] = decoded.value
        finally:
            for _, fence in fences:
                self.local.end(fence)
        self.insight.stale.inc(len(old.keys() - values.keys()))
        return old | values

    def get_or_load(self, keys: Sequence[Hashable], loader: Loader, options: EntryOptions) -> Program[dict[Any, Any]]:
        """The values of all keys; one call of the loader for those that nobody has and nobody loads."""
        values: dict[Any, Any] = {}
        missing = list(distinct(keys))
        loading = LOADING.get(frozenset())
        yield from self.outbox.say()
        while missing:
            for key in missing:
                if any(flight.owner is self.flights and flight.fence.key == key for flight in loading):
                    raise ReentrantLoad("Expected a loader that does not ask the cache for the key it loads", got=key)
                self._keys.encode(key)
            missing = yield from self._get_or_load_once(missing, loader, options, values)
        return values

    def _get_or_load_once(
        self, keys: Sequence[Hashable], loader: Loader, options: EntryOptions, values: dict[Any, Any]
    ) -> Program[list[Hashable]]:
        """Add to `values`; the keys whose leader gave up."""
        mine: list[Flight] = []
        joined: list[tuple[Flight, Entry | None]] = []
        again: list[Hashable] = []
        try:
            for key in keys:
                entry = self._current(key)
                if entry is not None:
                    values[key] = self.given(entry)
                    continue
                stale = self._stale(key)
                flight, leads = self.flights.join(key)
                joined.append((flight, stale))
                if leads:
                    mine.append(flight)
            if mine:
                later = all(self._may_wait(stale, options) for flight, stale in joined if flight in mine)
                detached = later or options.soft_timeout is not None or options.hard_timeout is not None
                yield Start(self._lead(mine, loader, options), mine, detached, self.tasks)
            loading = LOADING.get(frozenset())
            for flight, stale in joined:
                waiting = WAITS.waiting(loading, flight) if loading else contextlib.nullcontext()
                with waiting:
                    outcome = yield from self._outcome(flight, stale, options, leads=flight in mine)
                if outcome is _AGAIN:
                    again.append(flight.fence.key)
                else:
                    values[flight.fence.key] = outcome
        finally:
            for flight, _ in joined:
                if flight in mine and not flight.begun and flight.loop is None:  # no thread could be had
                    self.flights.give_up(flight)
                self.flights.leave(flight)
        return again

    def _outcome(self, flight: Flight, stale: Entry | None, options: EntryOptions, *, leads: bool) -> Program[Any]:
        """What a flight brings, or a stale value in its place."""
        now = self.clock.now()
        if stale is not None and self._may_wait(stale, options) and not flight.future.done():
            return self.given(stale)
        soft = options.soft_timeout if stale is not None and now < stale.fresh_until + options.stale_on_error else None
        timeout = options.hard_timeout if soft is None else soft
        if not (yield Wait(flight.future, timeout, flight)):
            if flight.is_stranded:
                return _AGAIN
            if soft is not None and stale is not None:
                self.insight.stale.inc()
                return self.given(stale)
            raise LoadTimedOut(
                f"Expected the loader to return within {timeout} s; it goes on in the background",
                got=flight.fence.key,
                hint="raise hard_timeout, or allow a stale value with stale_on_error and soft_timeout",
            )
        outcome = flight.future.result()
        if outcome.dropped and not (leads and outcome.error is not None):
            return _AGAIN
        if outcome.error is not None:
            raise outcome.error
        return self._values.decode(outcome.value).value if self._copies else outcome.value

    def _lead(
        self, flights: Sequence[Flight], loader: Loader, options: EntryOptions, *, anew: bool = False
    ) -> Program[None]:
        """Look up and load for all who wait for these flights."""
        for flight in flights:
            flight.begun = True
        by_text = {self._keys.encode(flight.fence.key): flight for flight in flights}
        search = Search(self, loader, options, by_text, anew=anew)
        try:
            found = yield from search.descend(0, list(by_text))
        except BaseException as error:
            for text, flight in by_text.items():
                self._failed(text, flight, error, search.stale.get(text), options)
            if not isinstance(error, Exception):
                raise
        else:
            for text, flight in by_text.items():
                entry = self._entry(found[text], options)
                if found[text].keep:
                    self.local.keep(flight.fence, entry)
                flight.land(Outcome(entry.value))
        finally:
            for flight in flights:
                self.flights.give_up(flight)
        for text in search.outdated:
            yield from self._refresh(by_text[text].fence.key, loader, options)

    def _failed(
        self, text: str, flight: Flight, error: BaseException, found: Found | None, options: EntryOptions
    ) -> None:
        """Give those who wait the stale value if there is one that may be given, else the error."""
        if isinstance(error, LoadedElsewhere):
            flight.land(Outcome(dropped=True))
            return
        if not isinstance(error, Exception):  # for who leads; the others have their own loaders
            flight.land(Outcome(error=error, dropped=True))
            return
        self._report.load_failed(text, error)
        self.insight.load_failures.inc()
        now = self.clock.now()
        stale = self._stale(flight.fence.key)
        if stale is None and found is not None:
            stale = self._entry(found, options)
        if stale is None or now >= stale.fresh_until + options.stale_on_error:
            flight.land(Outcome(error=error))
            return
        self.insight.stale.inc()
        # Kept for a moment, so that not every caller has the loader fail once more.
        again = Entry(
            stale.value,
            deadline=min(now + options.retry_after, stale.fresh_until + options.stale_on_error),
            fresh_until=stale.fresh_until,
            kept_until=stale.kept_until,
            tags=stale.tags,
            weight=stale.weight,
        )
        self.local.keep(flight.fence, again)
        flight.land(Outcome(stale.value))

    def _refresh(self, key: Hashable, loader: Loader, options: EntryOptions) -> Program[None]:
        """Load anew in the background, unless somebody does."""
        flight, leads = self.flights.join(key)
        if leads:
            yield Start(self._lead([flight], loader, options, anew=True), [flight], True, self.tasks)
        self.flights.leave(flight)

    def reload(self, key: Hashable, loader: Loader, options: EntryOptions) -> Program[None]:
        """Load anew although it may be fresh, under leases: what is deleted meanwhile does not come back by it."""
        flight, leads = self.flights.join(key)
        try:
            if leads:
                yield Start(self._lead([flight], loader, options, anew=True), [flight], False, self.tasks)
            yield from self._outcome(flight, None, options, leads=leads)
        finally:
            self.flights.leave(flight)

    # Changing

    def set(self, values: Mapping[Any, Any], options: EntryOptions) -> Program[None]:
        """Put values in. The lowest level that can be reached decides the order of several writers; those above are
        filled from it."""
        made = {self._keys.encode(key): self.made(value, options, 0.0) for key, value in values.items()}
        texts, entries = list(made), {text: each.stored for text, each in made.items()}
        written = False

        def request(level: Level) -> Program[None]:
            nonlocal written
            if written:
                yield from level.delete(texts)
            else:
                yield from level.write(entries)
                written = True

        def here() -> None:
            # Where there are shared levels the next reader takes it from them: it may be that somebody holds the key.
            for key, each in zip(values, made.values(), strict=True):
                self.local.replace(key, None if self.levels else self._entry(each, options))

        yield from self._change(request, Invalidation(tuple(texts)), here)

    def delete(self, keys: Sequence[Hashable]) -> Program[None]:
        """Remove."""
        texts = self._texts(keys)
        yield from self._change(lambda level: level.delete(texts), Invalidation(texts))

    def expire(self, keys: Sequence[Hashable]) -> Program[None]:
        """Make stale."""
        texts = self._texts(keys)
        yield from self._change(lambda level: level.expire(texts), Invalidation(expired=texts))

    def remove_tags(self, tags: Sequence[str]) -> Program[None]:
        """Remove all that has one of the tags."""
        names = checked_tags(tags)
        yield from self._change(lambda level: level.remove_tags(names), Invalidation(tags=names))

    def clear(self) -> Program[None]:
        """Remove everything."""
        yield from self._change(lambda level: level.clear(), Invalidation(all=True))

    def hold(self, keys: Sequence[Hashable], tags: Sequence[str], token: str, seconds: float) -> Program[None]:
        """Remove, and let nothing be filled in until `release`."""
        texts = self._texts(keys)
        invalidation = Invalidation(texts, tuple(tags), holder=token, held_for=seconds)
        yield from self._change(lambda level: level.hold(texts, tags, token, seconds), invalidation)

    def release(self, keys: Sequence[Hashable], tags: Sequence[str], token: str) -> Program[None]:
        """Remove once more, and end the hold."""
        texts = self._texts(keys)
        invalidation = Invalidation(texts, tuple(tags), holder=token)
        yield from self._change(lambda level: level.release(texts, tags, token), invalidation)

    def invalidate_here(self, invalidation: Invalidation) -> None:
        """Do in this process' own level what has been done in all others."""
        local = self.local
        keys, expired = self._known(invalidation.keys), self._known(invalidation.expired)
        if invalidation.all or keys is None or expired is None:
            local.clear()
        elif invalidation.held_for:
            local.hold(keys, invalidation.tags, invalidation.holder, invalidation.held_for)
        elif invalidation.holder:
            local.release(keys, invalidation.tags, invalidation.holder)
        else:
            local.delete(keys)
            local.expire(expired)
            local.remove_tags(invalidation.tags)

    def heard(self, invalidation: Invalidation) -> None:
        """Another process has changed something. What it could not tell a level is ours to tell, too: it may die."""
        for shared in self.levels:
            if shared.level.name in invalidation.missed:
                shared.miss(invalidation)
            elif not invalidation.held_for:
                shared.forget_hold(invalidation.holder)
        self.invalidate_here(invalidation)

    def _known(self, texts: Iterable[str]) -> list[Hashable] | None:
        """The keys; None if there is one that cannot be read."""
        try:
            return [self._keys.decode(text) for text in texts]
        except Undecodable as error:
            self._report.undecodable("backplane", "", error)
            return None

    def _texts(self, keys: Iterable[Hashable]) -> tuple[str, ...]:
        return tuple(map(self._keys.encode, keys))

    def _change(
        self,
        request: Callable[[Level], Program[None]],
        invalidation: Invalidation,
        here: Callable[[], None] | None = None,
        *,
        above: int | None = None,
    ) -> Program[None]:
        """Tell the levels, or those `above` one, do it `here`, and tell the other processes."""
        untold, missed = list(reversed(self.levels if above is None else self.levels[:above])), list[str]()
        try:
            while untold:
                if not (yield from untold[0].change(request, invalidation)):
                    missed.append(untold[0].level.name)
                del untold[0]
        finally:
            for shared in untold:  # we are cancelled: they hear of it before they are asked again
                shared.miss(invalidation)
                missed.append(shared.level.name)
            if here is None:
                self.invalidate_here(invalidation)
            else:
                here()
            own = structs.replace(invalidation, missed=tuple(missed)) if missed else invalidation
            if missed:
                self.outbox.owe(own)
            if untold:
                self.outbox.add(own)
        yield from self.outbox.say(own)

    def when_behind(self, call: Callable[[], None]) -> None:
        """Have it called when a level or the other processes have missed something."""
        self.outbox.fell_behind = call
        for shared in self.levels:
            shared.fell_behind = call

    @property
    def is_behind(self) -> bool:
        """Whether a level or the other processes have missed something."""
        return bool(self.outbox) or any(shared.is_behind for shared in self.levels)

    def recover(self, *, anyway: bool = False) -> Program[None]:
        """Tell them, as far as they can be told now.

        Args:
            anyway: though a breaker says no.
        """
        for shared in reversed(self.levels):
            yield from shared.recover(anyway=anyway)
        yield from self.outbox.say()
        yield from self.outbox.say_again({shared.level.name for shared in self.levels if shared.is_behind})

    def begin_in_fork(self) -> None:
        """Whatever other threads had under way is not in this process."""
        self.local.begin_in_fork()
        self.limit.begin_in_fork()
        self.outbox.begin_in_fork()
        for shared in self.levels:
            shared.begin_in_fork()

    def _told_late(self, depth: int, missed: Missed) -> Program[None]:
        """A level has heard only now of changes: who read it until then may have put old values in above it."""
        invalidation = Invalidation(tuple(missed.keys), tuple(missed.tags), missed.everything)
        yield from self._change(missed.tell, invalidation, above=depth)

    # Entries

    def given(self, entry: Entry) -> Any:
        """The value as a reader gets it."""
        return self._values.decode(entry.value).value if self._copies else entry.value

    def _current(self, key: Hashable) -> Entry | None:
        entry = self.local.store.get(key)
        if entry is None or entry.deadline <= self.clock.now():
            self.insight.process.misses.inc()
            return None
        entry.hits += 1
        return entry

    def _stale(self, key: Hashable) -> Entry | None:
        entry = self.local.store.get(key)
        return entry if entry is not None and entry.kept_until > self.clock.now() else None

    def _may_wait(self, stale: Entry | None, options: EntryOptions) -> bool:
        """Whether the stale value is given at once while it is loaded anew."""
        return stale is not None and self.clock.now() < stale.fresh_until + options.stale_while_revalidate

    def made(self, value: Any, options: EntryOptions, load_seconds: float) -> Found:
        """A value as it is to be kept.

        Raises:
            InvalidValue: it cannot be encoded, its ttl is negative, or a tag is no text.
        """
        life = lifetime(options, value, self.draw())
        tags = checked_tags(options.tags(value) if callable(options.tags) else options.tags)
        data = self._values.encode(value, load_seconds) if self._encodes else b""
        return Found(value, Stored(data, life.fresh, life.kept, tags), load_seconds, self.clock.now())

    def decoded(self, shared: SharedLevel, text: str, stored: Stored) -> Decoded | None:
        """The value a level has; None, and reported, if it is none."""
        try:
            return self._values.decode(stored.data)
        except Undecodable as error:
            self._report.undecodable(shared.level.name, text, error)
            return None

    def _entry(self, found: Found, options: EntryOptions) -> Entry:
        at, stored = found.at, found.stored
        fresh = stored.fresh if options.local_ttl is None else min(stored.fresh, options.local_ttl)
        return Entry(
            stored.data if self._copies else found.value,
            deadline=at + fresh - refresh_early(options, found.load_seconds, 1 - self.draw()),
            fresh_until=at + fresh,
            kept_until=at + stored.kept,
            tags=stored.tags,
            weight=len(stored.data) or 1,
        )
