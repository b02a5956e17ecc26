"""One of the processes: threads and tasks that read, and two that write, until it is killed.

`python -m benchmarks.invalidation.killing.process SETTINGS`
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg

from perfloop.caching import EntryOptions, MultiLevelCache
from perfloop.caching.backplane.postgresql import PostgreSQLBackplane
from perfloop.caching.levels.postgresql import PostgreSQLLevel
from perfloop.caching.levels.redis import RedisLevel
from perfloop.exceptions import LevelFailed

from .journal import ARM, DELETE, HELD, PHASE, READ, TOLD, UNSAID, WRITE, Control, Journal
from .naive import NaiveCache

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfloop.caching.backplane import Invalidation
    from perfloop.caching.effects import Program
    from perfloop.caching.levels import Level

__all__ = ["FINAL", "GROUPS", "KEYS", "MOMENTS", "Settings", "files", "keys_of_tag"]

KEYS = 280
GROUPS = 20
_DELETED = range(160, 200)
_TOLD = range(200, 240)
_SHALLOW = range(240, KEYS)
"""Those of a cache over Redis alone, whose holds a restart of Redis loses."""
_TTL = 3600.0
_LEASE_SECONDS = 0.5
_PAUSE = 0.004
_WRITE_PAUSE = 0.4
_MOMENTS_LAST = 0.01
MOMENTS = BEFORE_COMMIT, AFTER_COMMIT, WHILE_HELD, WHILE_RELEASED = range(1, 5)
"""Of a write, at which a process can be told to die; the last two some ms after the call began."""
HOWS = SINGLE, BATCH, GET, ASYNC, FINAL = range(5)
"""How something was read."""


class Settings(msgspec.Struct, frozen=True):
    """What a process is told."""

    slot: int
    life: int
    slots: int
    directory: str
    redis: str
    postgresql: str
    """Without the user."""
    naive: bool
    hold: float

    def url(self, role: str) -> str:
        return self.postgresql.format(user=f"{role}{self.slot}", name=f"{role}-{self.slot}-{self.life}")


def files(settings: Settings) -> tuple[Path, Path, Path]:
    """The journals of what it writes and reads, and of when it could not tell the others."""
    stem = Path(settings.directory, f"{settings.slot}-{settings.life}")
    return stem.with_suffix(".writes"), stem.with_suffix(".reads"), stem.with_suffix(".unsaid")


def keys_of_tag(tag: str) -> list[int]:
    """The keys that a tag is written by."""
    return [key for key in range(_DELETED.start) if _tag(key) == tag]


def _tag(key: int) -> str:
    return f"group {key % GROUPS}" if key not in _TOLD else f"key {key}"


class _Backplane(PostgreSQLBackplane):
    """Writes down when it could not tell the others."""

    def __init__(self, url: str, namespace: str, unsaid: Journal) -> None:
        super().__init__(url, namespace=namespace)
        self._unsaid = unsaid

    def publish(self, invalidation: Invalidation) -> Program[None]:
        try:
            yield from super().publish(invalidation)
        except LevelFailed:
            self._unsaid.append(began=time.monotonic())
            raise


class _Process:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        writes, reads, unsaid = files(settings)
        self._writes, self._reads = Journal(writes, WRITE), Journal(reads, READ)
        self._unsaid = Journal(unsaid, UNSAID)
        self._control = Control(Path(settings.directory, "control"), settings.slots).cells[settings.slot]
        self._source = settings.url("source")
        self._cache, self._shallow, self._told = self._caches()
        self._threads = threading.local()
        self._connections: dict[asyncio.Task[Any], psycopg.AsyncConnection[Any]] = {}

    def _caches(self) -> tuple[Any, Any, Any]:
        """Over Redis and PostgreSQL, over Redis alone, and in the process alone, told by the source's transactions."""
        mine = self._settings
        if mine.naive:
            cache = NaiveCache(mine.redis.format(user="default"), keys_of_tag)
            return cache, cache, cache
        options = EntryOptions(ttl=_TTL, tags=lambda value: (_tag(value[0]),))
        address = mine.redis.format(user=f"level{mine.slot}")
        deep: list[Level] = [RedisLevel(address), PostgreSQLLevel(mine.url("level"), connections=4)]
        self._plane = self._backplane("told")
        return (
            self._over(deep, self._backplane("deep"), options),
            self._over([RedisLevel(address, namespace="shallow")], self._backplane("shallow"), options),
            self._over([], self._plane, options),
        )

    def _backplane(self, namespace: str) -> _Backplane:
        return _Backplane(self._settings.url("plane"), namespace, self._unsaid)

    def _over(self, levels: Sequence[Level], backplane: _Backplane, options: EntryOptions) -> Any:
        kept: Any = tuple[int, int]
        return MultiLevelCache(
            kept, key=int, levels=levels, backplane=backplane, options=options, lease_seconds=_LEASE_SECONDS
        )

    def run(self) -> None:
        """Until it is told to end."""
        draws = (random.Random(f"{self._settings}{number}") for number in itertools.count())
        jobs = [self._read_in_thread, self._read_in_thread, self._write_in_thread]
        threads = [threading.Thread(target=job, args=(next(draws),), daemon=True) for job in jobs]
        for thread in threads:
            thread.start()
        asyncio.run(self._tasks([next(draws) for _ in range(4)]))
        for thread in threads:
            thread.join(10)
        self._read_all()

    async def _tasks(self, draws: Sequence[random.Random]) -> None:
        await asyncio.gather(*map(self._read_in_task, draws[1:]), self._write_in_task(draws[0]))

    @property
    def _phase(self) -> int:
        return int(self._control[PHASE])

    def _of(self, key: int) -> Any:
        return self._told if key in _TOLD else self._shallow if key in _SHALLOW else self._cache

    # Reading

    def _read_in_thread(self, draw: random.Random) -> None:
        while self._phase < 2:
            time.sleep(draw.random() * 2 * _PAUSE)
            keys, how = _wanted(draw)
            began = time.monotonic()
            try:
                if how == SINGLE:
                    found = {keys[0]: self._of(keys[0]).get_or_load(keys[0], partial(self._load_one, keys[0]))}
                elif how == GET:
                    found = {keys[0]: self._of(keys[0]).get(keys[0])}
                else:
                    found = self._cache.get_or_load_many(keys, self._load)
            except psycopg.Error:
                continue
            self._note(found, began, how)

    async def _read_in_task(self, draw: random.Random) -> None:
        while self._phase < 2:
            await asyncio.sleep(draw.random() * 2 * _PAUSE)
            keys, how = _wanted(draw)
            load = self._loader()
            began = time.monotonic()
            try:
                if how == SINGLE:
                    found = {keys[0]: await self._of(keys[0]).aget_or_load(keys[0], load(keys))}
                elif how == GET:
                    found = {keys[0]: await self._of(keys[0]).aget(keys[0])}
                else:
                    found = await self._cache.aget_or_load_many(keys, load(None))
            except psycopg.Error:
                continue
            self._note(found, began, ASYNC)

    def _read_all(self) -> None:
        """Every key, after everything; whoever does not answer fails."""
        began = time.monotonic()
        found = self._cache.get_or_load_many(range(_TOLD.start), self._load)
        found |= self._told.get_or_load_many(_TOLD, self._load)
        found |= self._shallow.get_or_load_many(_SHALLOW, self._load)
        self._note(found, began, FINAL)

    def _note(self, found: dict[int, tuple[int, int] | None], began: float, how: int) -> None:
        took = time.monotonic() - began
        for key, value in found.items():
            if value is not None:
                if value[0] != key:
                    raise RuntimeError(f"got what belongs to {value[0]} for {key}")
                self._reads.append(key=key, version=value[1], took=took, how=how, began=began)

    def _load_one(self, key: int) -> tuple[int, int]:
        return self._load([key])[key]

    def _load(self, keys: Sequence[int]) -> dict[int, tuple[int, int]]:
        with self._connection() as connection:
            rows = connection.execute(_SELECT, [list(keys)]).fetchall()
        return {key: (key, version) for key, version in rows}

    def _loader(self) -> Callable[[Sequence[int] | None], Callable[..., Any]]:
        reader = asyncio.current_task()

        def of(keys: Sequence[int] | None) -> Callable[..., Any]:
            async def load(wanted: Sequence[int] = keys or ()) -> Any:
                connection = await self._connection_of(reader)
                try:
                    rows = await (await connection.execute(_SELECT, [list(wanted)])).fetchall()
                except psycopg.Error:
                    connection.pgconn.finish()
                    raise
                values = {key: (key, version) for key, version in rows}
                return values if keys is None else values[keys[0]]

            return load

        return of

    # Writing

    def _write_in_thread(self, draw: random.Random) -> None:
        while self._phase < 1:
            time.sleep(draw.random() * 2 * _WRITE_PAUSE)
            keys, tags, way = _changed(draw)
            told = [] if tags else keys
            began = time.monotonic()
            written: list[Any] = []
            # What makes the cache fail makes the source fail, too: nothing was promised, or the journal says so.
            with contextlib.suppress(psycopg.Error, LevelFailed):
                if way == HELD:
                    self._arm(WHILE_HELD)
                    with self._of(keys[0]).writing(*told, tags=tags, seconds=self._settings.hold):
                        self._change(keys, way, began, written)
                        self._arm(WHILE_RELEASED)
                else:
                    self._change(keys, way, began, written)
                    if way == DELETE or self._settings.naive:
                        self._arm(WHILE_RELEASED)
                        self._cache.delete(*keys)
                self._ended(written, keys[0])

    async def _write_in_task(self, draw: random.Random) -> None:
        while self._phase < 1:
            await asyncio.sleep(draw.random() * 2 * _WRITE_PAUSE)
            keys, tags, way = _changed(draw)
            told = [] if tags else keys
            began = time.monotonic()
            written: list[Any] = []
            with contextlib.suppress(psycopg.Error, LevelFailed):
                if way == HELD:
                    self._arm(WHILE_HELD)
                    async with self._of(keys[0]).awriting(*told, tags=tags, seconds=self._settings.hold):
                        await self._achange(keys, way, began, written)
                        self._arm(WHILE_RELEASED)
                else:
                    await self._achange(keys, way, began, written)
                    if way == DELETE or self._settings.naive:
                        self._arm(WHILE_RELEASED)
                        await self._cache.adelete(*keys)
                self._ended(written, keys[0])

    def _change(self, keys: list[int], way: int, began: float, written: list[Any]) -> None:
        with self._connection() as connection:
            for sql, parameters in self._statements(keys, way):
                cursor = connection.execute(sql, parameters)
                self._journal(cursor.fetchall() if cursor.description else [], way, began, written)
            self._asked(written)
            try:
                connection.execute("COMMIT")
            except psycopg.Error:
                self._mark(written, "failed")
                raise
            self._mark(written, "committed")
        self._die_at(AFTER_COMMIT)

    async def _achange(self, keys: list[int], way: int, began: float, written: list[Any]) -> None:
        connection = await self._connection_of(asyncio.current_task())
        try:
            for sql, parameters in self._statements(keys, way):
                cursor = await connection.execute(sql, parameters)
                self._journal(await cursor.fetchall() if cursor.description else [], way, began, written)
            self._asked(written)
            try:
                await connection.execute("COMMIT")
            except psycopg.Error:
                self._mark(written, "failed")
                raise
            self._mark(written, "committed")
        except psycopg.Error:
            connection.pgconn.finish()
            raise
        self._die_at(AFTER_COMMIT)

    def _statements(self, keys: list[int], way: int) -> list[tuple[str, Any]]:
        statements: list[tuple[str, Any]] = [("BEGIN", None), (_LOCK, [keys]), (_UPDATE, [keys])]
        if way == TOLD and not self._settings.naive:
            statements.append(self._plane.statement(tags=[_tag(key) for key in keys]))
        return statements

    def _journal(self, rows: list[Any], way: int, began: float, written: list[Any]) -> None:
        written += [
            self._writes.append(key=row[0], version=row[1], way=way, held=began) for row in rows if len(row) == 2
        ]

    def _asked(self, written: list[Any]) -> None:
        self._die_at(BEFORE_COMMIT)
        self._mark(written, "asked")

    def _mark(self, written: list[Any], field: str) -> None:
        now = time.monotonic()
        for row in written:
            row[field] = now

    def _ended(self, written: list[Any], key: int) -> None:
        if not self._settings.naive and self._of(key)._core.is_behind:
            for row in written:
                row["behind"] = 1
        self._mark([row for row in written if row["committed"]], "ended")

    # Dying

    def _die_at(self, moment: int) -> None:
        if self._control[ARM] == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def _arm(self, moment: int) -> None:
        if self._control[ARM] == moment:
            threading.Timer(random.random() * _MOMENTS_LAST, os.kill, (os.getpid(), signal.SIGKILL)).start()

    # Connections to the source, one a thread and a task

    @contextlib.contextmanager
    def _connection(self) -> Any:
        connection = getattr(self._threads, "connection", None)
        if connection is None or connection.closed:
            connection = self._threads.connection = psycopg.connect(self._source, autocommit=True, connect_timeout=2)
        try:
            yield connection
        except psycopg.Error:
            connection.pgconn.finish()
            raise

    async def _connection_of(self, task: Any) -> psycopg.AsyncConnection[Any]:
        connection = self._connections.get(task)
        if connection is None or connection.closed:
            connection = self._connections[task] = await psycopg.AsyncConnection.connect(
                self._source, autocommit=True, connect_timeout=2
            )
        return connection


_SELECT = "SELECT key, version FROM source WHERE key = ANY(%s)"
_LOCK = "SELECT key FROM source WHERE key = ANY(%s) ORDER BY key FOR UPDATE"
_UPDATE = "UPDATE source SET version = version + 1 WHERE key = ANY(%s) RETURNING key, version"


def _wanted(draw: random.Random) -> tuple[list[int], int]:
    how = draw.choice((SINGLE, SINGLE, SINGLE, BATCH, GET))
    if how == BATCH:
        return draw.sample(range(_TOLD.start), 8), how
    return [draw.randrange(KEYS)], how


def _changed(draw: random.Random) -> tuple[list[int], list[str], int]:
    """Keys, the tags by which the cache is told of them, and how it is told."""
    key = draw.randrange(KEYS)
    if key in _TOLD or key in _DELETED:
        return [key], [], TOLD if key in _TOLD else DELETE
    if key not in _SHALLOW and draw.random() < 0.2:
        return keys_of_tag(_tag(key)), [_tag(key)], HELD
    return [key], [], HELD


if __name__ == "__main__":
    _Process(msgspec.json.decode(sys.argv[1], type=Settings)).run()
