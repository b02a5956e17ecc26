"""The instrumented sqlite3 behaves as sqlite3, and records what ran."""

from __future__ import annotations

import sqlite3
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.agent import events as ev
from perfloop.agent.channel import CHANNEL, Channel
from perfloop.agent.explain import Explainer
from perfloop.agent.hooks import sqlite as hook
from perfloop.agent.state import CURRENT, Request
from perfloop.agent.statements import COUNTERS
from perfloop.agent.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def module() -> Any:
    """sqlite3 as a service sees it; the tests' own stays as it is."""
    copy = SimpleNamespace(Connection=sqlite3.Connection, Cursor=sqlite3.Cursor, connect=sqlite3.connect)
    hook.apply(copy)
    return copy


@pytest.fixture
def request_in_hand() -> Iterator[Request]:
    request = Request("GET", None)
    token = CURRENT.set(request)
    yield request
    CURRENT.reset(token)


def statements(request: Request) -> list[tuple[str, int]]:
    """(fingerprint, rows) of what the request recorded."""
    events = request.events
    return [
        (
            TABLES.statements.values[(events[at + 5] & ((1 << ev.KEY_SHIFT) - 1)) - 1],
            (events[at + 7] & ((1 << ev.VALUES_SHIFT) - 1)) >> 1,
        )
        for at in range(0, len(events), ev.WIDTH)
        if events[at] == ev.STATEMENT
    ]


def test_statements_rows_and_commits(module: Any, request_in_hand: Request) -> None:
    before = COUNTERS.commits
    connection = module.connect(":memory:")
    connection.execute("CREATE TABLE t (a)")
    with connection:
        connection.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(5)])
    cursor = connection.execute("SELECT a FROM t WHERE a < 4")
    assert cursor.fetchone() == (0,)
    assert cursor.fetchmany(2) == [(1,), (2,)]
    assert list(cursor) == [(3,)]
    assert cursor.fetchone() is None
    connection.executescript("UPDATE t SET a = 1; DELETE FROM t")
    connection.execute("INSERT INTO t VALUES (1)")
    connection.rollback()
    connection.commit()
    assert statements(request_in_hand) == [
        ("CREATE TABLE t (a)", 0),
        ("INSERT INTO t VALUES (?)", 5),
        ("COMMIT", 0),
        ("SELECT a FROM t WHERE a < ?", 4),
        ("UPDATE t SET a = ?; DELETE FROM t", 0),
        ("INSERT INTO t VALUES (?)", 1),
        ("ROLLBACK", 0),
    ]
    assert COUNTERS.commits - before == 2


def test_types_factories_and_errors_are_sqlite3s(module: Any, request_in_hand: Request) -> None:
    class Mine(module.Cursor):  # type: ignore[misc]
        pass

    class MyConnection(module.Connection):  # type: ignore[misc]
        def cursor(self, factory: Any = Mine) -> Any:
            return super().cursor(factory)

    connection = module.connect(":memory:")
    assert isinstance(connection, sqlite3.Connection)
    assert type(connection.cursor()) is module.Cursor
    assert type(connection.cursor(Mine)) is Mine
    assert type(connection.cursor(factory=sqlite3.Cursor)) is sqlite3.Cursor
    assert repr(connection).startswith("<sqlite3.Connection object")
    mine = module.connect(":memory:", factory=MyConnection)
    assert type(mine.execute("SELECT 1")) is Mine
    assert type(module.connect(":memory:", 5.0, 0, None, True, sqlite3.Connection)) is module.Connection
    connection.row_factory = sqlite3.Row
    assert connection.execute("SELECT 1 AS one").fetchone()["one"] == 1
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        connection.execute("SELECT * FROM missing")
    with pytest.raises(sqlite3.ProgrammingError):
        connection.execute("SELECT ?", (1, 2))
    with pytest.raises(TypeError):
        connection.execute()
    target = module.connect(":memory:")
    connection.backup(target)
    with pytest.raises(ZeroDivisionError), connection:
        connection.execute(f"CREATE TABLE kept{1 // 0} (a)")
    cursor = connection.cursor()
    assert iter(cursor) is cursor
    assert statements(request_in_hand)[0][0] == "SELECT ?"


def test_outside_requests_nothing_is_recorded_but_commits_count(module: Any) -> None:
    before = COUNTERS.commits
    connection = module.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (a)")
    connection.execute("INSERT INTO t VALUES (1)")
    connection.execute("BEGIN")
    connection.execute("INSERT INTO t VALUES (2)")
    connection.execute("COMMIT")
    assert connection.execute("SELECT count(*) FROM t").fetchall() == [(2,)]
    assert COUNTERS.commits - before == 2


@pytest.fixture
def explained(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    told: list[Any] = []
    monkeypatch.setattr(CHANNEL, "put_json", lambda kind, value: told.append(value))
    return told


def test_a_slow_statement_is_explained_once_and_disturbs_nothing(explained: list[Any]) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a)")
    connection.executemany("INSERT INTO t VALUES (?)", [(1,), (2,)])
    connection.commit()
    connection.execute("INSERT INTO t VALUES (3)")
    cursor = connection.execute("SELECT a FROM t WHERE a > ?", (0,))
    assert cursor.fetchone() == (1,)
    changes, in_transaction = connection.total_changes, connection.in_transaction
    explainer = Explainer(sqlite3.Cursor)
    for duration in (1_900_000, 1_100_000, 9_000_000):
        explainer.consider(1, duration, connection, "SELECT a FROM t WHERE a > ?", (0,))
    assert [each["plan"] for each in explained] == [["SCAN t"]]
    assert explained[0]["parameters"] == "[0]"
    assert explained[0]["database"] is None
    assert (connection.total_changes, connection.in_transaction) == (changes, in_transaction)
    assert cursor.fetchall() == [(2,), (3,)]


@pytest.mark.parametrize(
    ("sql", "parameters", "plans", "told"),
    [
        ("DELETE FROM t WHERE a = :a", {"a": 1}, 1, '{"a": 1}'),
        ("UPDATE t SET a = ? WHERE a = ?", [b"x", 1], 1, None),
        ("SELECT a FROM t WHERE a = ?", (object(),), 1, None),
        ("SELECT a FROM t WHERE a = 1", (), 1, "[]"),
        ("INSERT INTO t VALUES (1)", (), 0, None),
        ("PRAGMA user_version", (), 0, None),
        ("SELECT a FROM missing", (), 0, None),
        ("SELECT a FROM t WHERE a = ?", iter([1]), 0, None),
    ],
)
def test_what_is_explained(explained: list[Any], sql: str, parameters: Any, plans: int, told: str | None) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a)")
    connection.execute("INSERT INTO t VALUES (1)")
    Explainer(sqlite3.Cursor).consider(1, 3_000_000, connection, sql, parameters)
    assert len(explained) == plans
    assert [each["parameters"] for each in explained] == [told] * plans
    assert connection.execute("SELECT a FROM t").fetchall() == [(1,)]


def test_plans_that_cannot_be_had_are_counted_and_the_first_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = Channel("")
    monkeypatch.setattr("perfloop.agent.explain.CHANNEL", channel)
    explainer = Explainer(sqlite3.Cursor)
    connection = sqlite3.connect(":memory:")
    explainer.consider(1, 3_000_000, connection, "SELECT a FROM missing", ())
    explainer.consider(2, 3_000_000, connection, "SELECT b FROM gone", ())
    assert channel.failed == {"explain": "explain: OperationalError: no such table: missing"}
    assert channel.failures == {"explain": 2}


def test_a_statement_slow_once_is_explained_the_second_time(explained: list[Any]) -> None:
    connection = sqlite3.connect(":memory:")
    explainer = Explainer(sqlite3.Cursor)
    explainer.consider(1, 1_000_000, connection, "SELECT 1", ())
    explainer.consider(2, 1_000_000, connection, "SELECT 2", ())
    assert explained == []
    explainer.consider(1, 1_000_000, connection, "SELECT 1", ())
    assert [each["statement"] for each in explained] == [1]


def test_the_time_of_fetching_belongs_to_the_statement(module: Any, request_in_hand: Request) -> None:
    connection = module.connect(":memory:")
    rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i FROM n"
    cursor = connection.execute(rows)
    executing = request_in_hand.events[3]
    assert len(cursor.fetchall()) == 5000
    duration, cpu = request_in_hand.events[3:5]
    assert duration > executing
    assert 0 < cpu <= duration * 1.2


def test_a_repeated_statement_keeps_its_place_until_it_comes_from_another(
    module: Any, request_in_hand: Request
) -> None:
    connection = module.connect(":memory:")
    sql = "SELECT 1"
    for _ in range(20):
        connection.execute(sql)
    for _ in range(20):
        connection.execute(sql)
    sites = request_in_hand.events[6 :: ev.WIDTH]
    assert len(set(sites[:20])) == 1
    assert sites[0] != sites[-1]


def test_rows_are_counted_though_a_collection_of_garbage_falls_into_the_recording(
    module: Any, request_in_hand: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = module.connect(":memory:")
    plain = hook.get_ident

    def interrupted() -> int:
        request_in_hand.add(ev.GC, 1, 1, 1)
        return plain()

    monkeypatch.setattr(hook, "get_ident", interrupted)
    assert connection.execute("SELECT 1").fetchone() == (1,)
    assert statements(request_in_hand) == [("SELECT ?", 1)]
