"""What can go wrong with the servers, for one process or for all."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import redis

from perfloop.caching.levels.postgresql import PostgreSQLLevel

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from ...postgresql_server import PostgreSQLServer
    from ...redis_server import RedisServer

__all__ = ["ROLES", "Faults", "access_list", "prepare", "settled"]

ROLES = ("source", "level", "plane")
"""Each process comes as a user of its own to the source, to the level and to the backplane, so that each can be cut."""
_LONGEST = 6.0


def access_list(slots: int) -> str:
    """Users of Redis, by which each process can be cut off."""
    users = [f"user level{slot} on >x ~* &* +@all" for slot in range(slots)]
    return "\n".join(["user default on nopass ~* &* +@all", *users, ""])


def prepare(server: PostgreSQLServer, slots: int, keys: int) -> None:
    """Users, the source and the level's tables."""
    with server.connect() as connection:
        for role in (f"{role}{slot}" for role in ROLES for slot in range(slots)):
            connection.execute(f"CREATE ROLE {role} LOGIN SUPERUSER")
        connection.execute("CREATE TABLE source (key int PRIMARY KEY, version bigint NOT NULL)")
        connection.execute("INSERT INTO source SELECT key, 1 FROM generate_series(0, %s) key", [keys - 1])
        connection.execute(PostgreSQLLevel.schema())


class Faults:
    """One after another, until `stop`, in a thread.

    Args:
        kill: kills the process of a slot at the given moment of a write.
    """

    def __init__(
        self,
        redis_server: RedisServer,
        postgresql: PostgreSQLServer,
        slots: int,
        kill: Callable[[int], None],
        draw: random.Random,
    ) -> None:
        self._redis, self._postgresql, self._slots, self._kill, self._draw = redis_server, postgresql, slots, kill, draw
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.error: BaseException | None = None
        self.counts: dict[str, int] = {}
        self.history: list[tuple[str, float, float]] = []
        """Which fault, with the last slot chosen, from when until when."""
        self._chosen = -1
        self.silences: list[tuple[int | None, float, float]] = []
        """Of which process, or of all, nothing could be told by the backplane, from when until when."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End, with everything mended.

        Raises:
            RuntimeError: one could not be brought about.
        """
        self._ending.set()
        self._thread.join(60)
        if self.error is not None or self._thread.is_alive():
            raise RuntimeError("a fault could not be brought about, or mended") from self.error

    def _run(self) -> None:
        faults = [
            self._restart_redis,
            self._end_connections,
            self._cut_off_redis,
            self._cut_off_postgresql,
            self._cut_backplane,
            self._die_without_redis,
            self._die_without_postgresql,
            self._crash_postgresql,
        ]
        try:
            while not self._ending.is_set():
                self._draw.shuffle(faults)
                for fault in faults:
                    if not self._ending.wait(self._draw.uniform(0.2, 1.0)):
                        began = time.monotonic()
                        fault()
                        name = fault.__name__.strip("_")
                        self.counts[name] = self.counts.get(name, 0) + 1
                        self.history.append((f"{name} ({self._chosen})", began, time.monotonic()))
        except BaseException as error:
            self.error = error

    def _restart_redis(self) -> None:
        self._redis.kill()
        self._wait(1.5)
        self._redis.start()

    def _crash_postgresql(self) -> None:
        with self._silence(None):
            self._postgresql.kill()
            self._wait(0.5)
            self._postgresql.start()

    def _end_connections(self) -> None:
        with self._silence(None):
            for _ in range(self._draw.randint(1, 5)):
                self._end("%")
                self._wait(0.1)

    def _cut_off_redis(self) -> None:
        with self._without_redis(self._slot()):
            self._wait(_LONGEST)

    def _cut_off_postgresql(self) -> None:
        with self._without(f"level{self._slot()}"):
            self._wait(_LONGEST)

    def _cut_backplane(self) -> None:
        slot = self._slot()
        with self._silence(slot), self._without(f"plane{slot}"):
            self._wait(_LONGEST)

    def _die_without_redis(self) -> None:
        slot = self._slot()
        with self._without_redis(slot):
            self._wait(1.5)
            self._kill(slot)

    def _die_without_postgresql(self) -> None:
        slot = self._slot()
        with self._without(f"level{slot}"):
            self._wait(1.5)
            self._kill(slot)

    def _slot(self) -> int:
        self._chosen = self._draw.randrange(self._slots)
        return self._chosen

    def _wait(self, longest: float) -> None:
        self._ending.wait(self._draw.uniform(0.1, 1.0) * longest)

    @contextlib.contextmanager
    def _silence(self, slot: int | None) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.silences.append((slot, began, time.monotonic()))

    @contextlib.contextmanager
    def _without_redis(self, slot: int) -> Iterator[None]:
        client: Any = redis.Redis(port=self._redis.port)
        client.execute_command("ACL", "SETUSER", f"level{slot}", "off")
        client.execute_command("CLIENT", "KILL", "USER", f"level{slot}")
        try:
            yield
        finally:
            client.execute_command("ACL", "SETUSER", f"level{slot}", "on")
            client.close()

    @contextlib.contextmanager
    def _without(self, role: str) -> Iterator[None]:
        with self._postgresql.connect() as connection:
            connection.execute(f"ALTER ROLE {role} NOLOGIN")
        self._end(role)
        try:
            yield
        finally:
            with self._postgresql.connect() as connection:
                connection.execute(f"ALTER ROLE {role} LOGIN")

    def _end(self, roles: str) -> None:
        with self._postgresql.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename LIKE %s AND usename <> 'perfloop'",
                [roles],
            )


def settled(server: PostgreSQLServer, name: str) -> float:
    """When the source has nothing of an application under way any more."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(psycopg.OperationalError), server.connect() as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
            [[left]] = connection.execute(query, [name]).fetchall()
            if not left:
                return time.monotonic()
        time.sleep(0.01)
    raise RuntimeError(f"{name} still has connections to the source")
