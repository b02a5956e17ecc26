"""The kinds of things a request records: eight integers each, flat in one list, in nanoseconds of the monotonic clock.

An event is `(kind, thread, start, duration, cpu, x, y, z)`:

- STEP: a step of one of the request's coroutines on the event loop. x: CPU the other threads of the process burned
  meanwhile plus the time the thread was runnable without a processor: the most it can have waited for either;
  y: 1 when the coroutine yielded ready to run again at once;
- THREAD: the request's code on a thread of its own (a worker, or a WSGI server's). x as above;
- STATEMENT: x the statement's number, and above KEY_SHIFT bits what it asks by (see `keys`); y the call site's number;
  z rows × 2 + (1 on the event loop's thread), above TRANSACTION_SHIFT bits whether a transaction was open afterwards
  (0: not known), and above VALUES_SHIFT bits how many values it asks by at once;
- POOL, UPSTREAM, BLOCKING, GC: an instrumented call inside a step or thread; DATABASE likewise, of a statement that has
  its event already (the next rows of a cursor);
- CACHE: a cache loaded, or looked up at a shared level: x the number of its name, y how many keys it loaded (0: a
  look-up). What happens meanwhile has events of its own, so it is no part;
- WAIT_…: the request waits without holding any thread; WAIT_STATEMENT has x, y and z of STATEMENT.
"""

from __future__ import annotations

__all__ = [
    "BLOCKING",
    "CACHE",
    "DATABASE",
    "GC",
    "INSIDE",
    "KEY_SHIFT",
    "POOL",
    "STATEMENT",
    "STEP",
    "THREAD",
    "TRANSACTION_CLOSED",
    "TRANSACTION_OPEN",
    "TRANSACTION_SHIFT",
    "UPSTREAM",
    "VALUES_SHIFT",
    "WAITS",
    "WAIT_DATABASE",
    "WAIT_POOL",
    "WAIT_SLEEP",
    "WAIT_STATEMENT",
    "WAIT_UPSTREAM",
    "WAIT_WORKER",
    "WIDTH",
]

WIDTH = 8

KEY_SHIFT = 32
TRANSACTION_SHIFT = 48
TRANSACTION_CLOSED, TRANSACTION_OPEN = 1 << TRANSACTION_SHIFT, 2 << TRANSACTION_SHIFT
VALUES_SHIFT = 50

STEP = 1
THREAD = 2

STATEMENT = 10
POOL = 11
UPSTREAM = 12
BLOCKING = 13
GC = 14
DATABASE = 15
CACHE = 16

WAIT_POOL = 20
WAIT_UPSTREAM = 21
WAIT_SLEEP = 22
WAIT_WORKER = 23
WAIT_STATEMENT = 24
WAIT_DATABASE = 25

INSIDE = {
    STATEMENT: "database",
    DATABASE: "database",
    POOL: "pool_wait",
    UPSTREAM: "upstream",
    BLOCKING: "blocking",
    GC: "gc",
}
"""The part each instrumented call belongs to."""

# Where waits overlap the first named counts.
WAITS = {
    WAIT_STATEMENT: "database",
    WAIT_DATABASE: "database",
    WAIT_POOL: "pool_wait",
    WAIT_UPSTREAM: "upstream",
    WAIT_SLEEP: "sleep",
    WAIT_WORKER: "worker_wait",
}
"""The part each wait belongs to."""
