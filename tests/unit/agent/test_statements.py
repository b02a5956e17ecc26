"""Statements that are awaited: recorded as waits, at the line of the call, and the method stays what it was."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.agent import events as ev
from perfloop.agent.accounting import BusyLoop, account
from perfloop.agent.state import CURRENT, Request
from perfloop.agent.statements import COUNTERS, statement_of, trace_wait
from perfloop.agent.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def request_in_hand() -> Iterator[Request]:
    request = Request("GET", None)
    token = CURRENT.set(request)
    yield request
    CURRENT.reset(token)


def driver() -> Any:
    """A driver whose one method answers with the rows asked for."""

    class Connection:
        idle = False

        async def fetch(self, sql: str, rows: int = 0) -> list[int]:
            """Its documentation."""
            await asyncio.sleep(0)
            if rows < 0:
                raise ZeroDivisionError(sql)
            return list(range(rows))

    trace_wait(
        Connection,
        "fetch",
        lambda this, args, result: (args[0], len(result or ()), True, args[1:]),
        lambda c: not c.idle,
    )
    return Connection()


async def test_rows_places_and_errors(request_in_hand: Request) -> None:
    connection = driver()
    before = COUNTERS.commits
    assert await connection.fetch("SELECT a FROM w WHERE b = $1", 3) == [0, 1, 2]
    for rows in (1, 2):
        await asyncio.create_task(connection.fetch("SELECT c FROM w", rows))
    with pytest.raises(ZeroDivisionError):
        await connection.fetch("UPDATE w SET a = 1", -1)
    connection.idle = True
    await connection.fetch("SELECT nothing", 1)
    events = request_in_hand.events
    found = [events[at : at + ev.WIDTH] for at in range(0, len(events), ev.WIDTH)]
    number, rows = (1 << ev.KEY_SHIFT) - 1, (1 << ev.TRANSACTION_SHIFT) - 1
    assert [(TABLES.statements.values[(each[5] & number) - 1], (each[7] & rows) >> 1) for each in found] == [
        ("SELECT a FROM w WHERE b = ?", 3),
        ("SELECT c FROM w", 1),
        ("SELECT c FROM w", 2),
        ("UPDATE w SET a = ?", 0),
    ]
    assert {each[0] for each in found} == {ev.WAIT_STATEMENT}
    assert all(each[7] & ev.TRANSACTION_CLOSED for each in found)
    # The tasks' own stacks end in the loop: the place is where their coroutines were made.
    lines = [TABLES.frames.values[TABLES.sites.values[each[6] - 1][0] - 1][1:3] for each in found]
    assert {function for _, function in lines} == {"test_rows_places_and_errors"}
    assert lines[1] == lines[2] != lines[0]
    assert COUNTERS.commits - before == 1
    assert connection.fetch.__doc__ == "Its documentation."


async def test_outside_requests_only_commits_count() -> None:
    before = COUNTERS.commits
    connection = driver()
    assert await connection.fetch("INSERT INTO w VALUES (1)", 0) == []
    assert COUNTERS.commits - before == 1


def test_what_is_no_text_has_no_number() -> None:
    assert statement_of(b"SELECT 1")[:2] == (0, 0)


def test_an_awaited_statement_is_database_until_the_loop_can_have_come_by() -> None:
    number = ev.WAIT_STATEMENT
    events = [
        *(ev.STEP, 1, 0, 10, 10, 0, 0, 0),
        # Sent in the first step; the answer is taken in the second.
        *(number, 1, 5, 97, 0, 1, 1, 4),
        *(ev.STEP, 1, 100, 10, 10, 0, 0, 0),
    ]
    assert account(0, 110, events) == {"cpu": 20, "database": 90, "unaccounted": 0}
    # The loop ran something else from 60 on: on average half of that was waiting for it.
    busy = account(0, 110, events, BusyLoop([(60, 100)]))
    assert busy == {"cpu": 20, "database": 70, "event_loop_wait": 20, "unaccounted": 0}
