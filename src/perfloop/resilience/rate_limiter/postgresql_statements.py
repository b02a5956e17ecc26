"""The algorithms in PostgreSQL: one statement each, by the server's own time, the same whole numbers as in Python.

Numbers are given as `numeric`, which is exact however large. The time is read before the statement has the row for
itself, and so may be a little before that of the one that had it last: what is kept never goes back by so little.
"""

from __future__ import annotations

from .gcra import GCRA
from .sliding_window import SlidingWindow
from .token_bucket import TokenBucket

__all__ = ["FORGET", "NOW", "STATEMENTS", "TABLE"]

TABLE = """
CREATE UNLOGGED TABLE IF NOT EXISTS {table} (
  key text PRIMARY KEY, held numeric, at numeric, log bigint[], wait bigint NOT NULL, idle_at bigint NOT NULL
) WITH (fillfactor = 50)
"""
# By the primary key, a piece at a time: a search for what is idle would read the whole table, again and again.
FORGET = """
WITH piece AS (SELECT key FROM {table} WHERE key > %(after)s ORDER BY key LIMIT 3000),
idle AS (
  SELECT key FROM {table}
  WHERE key IN (SELECT key FROM piece) AND idle_at < extract(epoch FROM clock_timestamp()) * 1000000
  FOR UPDATE SKIP LOCKED
),
gone AS (DELETE FROM {table} WHERE key IN (SELECT key FROM idle))
SELECT CASE WHEN count(*) = 3000 THEN max(key) END FROM piece
"""
NOW = "(SELECT floor(extract(epoch FROM clock_timestamp()) * 1000000) AS now) AS clock"

_BUCKET = """
INSERT INTO {table} AS s (key, held, at, wait, idle_at)
SELECT %(key)s, (%(burst)s - 1) * %(cost)s, now, 0, now + ceil(%(cost)s / %(gain)s) FROM {now}
ON CONFLICT (key) DO UPDATE SET (held, at, wait, idle_at) = (
  SELECT left_over, at, wait, at + ceil((room - left_over) / %(gain)s)
  FROM (
    SELECT room,
      CASE WHEN held >= cost THEN held - cost ELSE s.held END AS left_over,
      CASE WHEN held >= cost THEN at ELSE since END AS at,
      CASE WHEN held >= cost THEN 0 ELSE ceil((cost - held) / %(gain)s) + at - excluded.at END AS wait
    FROM (
      SELECT *, greatest(since, excluded.at) AS at,
        least(room, s.held + greatest(0, excluded.at - since) * %(gain)s) AS held
      FROM (
        SELECT %(cost)s AS cost, %(burst)s * %(cost)s AS room,
          CASE WHEN s.at - excluded.at > %(set_back)s THEN excluded.at ELSE s.at END AS since
      ) AS a
    ) AS b
  ) AS c
)
RETURNING wait
"""

# `at` is when the next call is due, in microseconds × gain.
_GCRA = """
INSERT INTO {table} AS s (key, held, at, wait, idle_at)
SELECT %(key)s, now, now * %(gain)s + %(cost)s, 0, now + ceil(%(cost)s / %(gain)s) FROM {now}
ON CONFLICT (key) DO UPDATE SET (held, at, wait, idle_at) = (
  SELECT now, next, CASE WHEN early > 0 THEN ceil(early / %(gain)s) ELSE 0 END, ceil(next / %(gain)s)
  FROM (
    SELECT *, CASE WHEN early > 0 THEN due ELSE due + %(cost)s END AS next
    FROM (
      SELECT *, due - (%(burst)s - 1) * %(cost)s - now * %(gain)s AS early
      FROM (
        SELECT excluded.held AS now, CASE
          WHEN s.at - excluded.held * %(gain)s > %(set_back)s * %(gain)s
          THEN excluded.held * %(gain)s + %(burst)s * %(cost)s
          ELSE greatest(s.at, excluded.held * %(gain)s) END AS due
      ) AS a
    ) AS b
  ) AS c
)
RETURNING wait
"""

_SLIDING_WINDOW = """
INSERT INTO {table} AS s (key, log, at, wait, idle_at)
SELECT %(key)s, ARRAY[now::bigint], now, 0, now + %(per)s FROM {now}
ON CONFLICT (key) DO UPDATE SET (log, wait, idle_at) = (
  SELECT kept, wait, kept[cardinality(kept)] + %(per)s
  FROM (
    SELECT
      CASE WHEN cardinality(log) < %(burst)s THEN log || at WHEN log[1] <= at - %(per)s THEN log[2:] || at ELSE log END
        AS kept,
      CASE WHEN cardinality(log) < %(burst)s OR log[1] <= at - %(per)s THEN 0 ELSE log[1] + %(per)s - now END AS wait
    FROM (
      SELECT log, now, greatest(now, log[cardinality(log)]) AS at
      FROM (
        SELECT excluded.log[1] AS now, CASE
          WHEN s.log[cardinality(s.log)] - excluded.log[1] > %(set_back)s
          THEN array_fill(excluded.log[1], ARRAY[cardinality(s.log)]) ELSE s.log END AS log
      ) AS a
    ) AS b
  ) AS c
)
RETURNING wait
"""

STATEMENTS = {TokenBucket.name: _BUCKET, GCRA.name: _GCRA, SlidingWindow.name: _SLIDING_WINDOW}
"""By the algorithm's name; each with places for the `table` and for `now`."""
