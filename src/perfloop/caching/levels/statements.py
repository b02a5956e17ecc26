"""The SQL of a level on tables: the rules of `Level` as statements that PostgreSQL and SQLite both read.

One row of the table of entries is all that is known of a key: its value, if there is one, and its lease. So whatever
removes a value and voids a lease is one change of one row, and nothing can come between. Removed tags, holds and the
count of changes stand beside it; who reads a value also reads, in the same statement, what was removed since that value
was looked up. Texts that a database may refuse (zeros, lone surrogates, 10,000 characters) are in no index: keys and
tags are told apart by a hash, and keys are compared in full besides.
"""

from __future__ import annotations

import msgspec

__all__ = ["TABLE_VERSION", "Dialect", "Statements"]

TABLE_VERSION = "1"
"""Of the tables; those of another version are not used."""


class Dialect(msgspec.Struct, frozen=True):
    """Where the databases differ."""

    now: str
    """Seconds by the clock that all users of the tables share, when it is evaluated."""
    among: str
    """The right side of a condition: one of the texts in the list `{}`."""
    texts: str
    """A list of texts as a parameter."""
    shared: str | None = None
    """Begins a change of single keys; takes the number of the namespace's lock."""
    exclusive: str | None = None
    """Begins a change that no change of single keys may be done beside."""
    skip_locked: str = ""
    """Passes over rows that somebody else is changing."""
    unlogged: str = ""
    """Makes a table that a crash of the server empties."""
    bytes_type: str = "BLOB"
    number_type: str = "REAL"
    texts_type: str = "TEXT"


class Statements:
    """Each statement under the name of what it does. Times are absolute in the tables, seconds from now outside."""

    def __init__(self, dialect: Dialect, table: str) -> None:
        t, now, texts = table, dialect.now, dialect.texts
        listed = dialect.among.format(texts)
        tagged = dialect.among.format("e.tag_ids")
        cleared = f"(SELECT c.cleared FROM {t}_namespaces c WHERE c.namespace = e.namespace)"
        # Without a row of the namespace nothing is seen: a NULL is no yes.
        seen = (
            f"(e.data IS NOT NULL AND e.kept_until > {now} AND e.written <= {now} + 1 AND e.since >= {cleared}"
            f" AND NOT EXISTS (SELECT 1 FROM {t}_tags f WHERE f.tag {tagged} AND f.removed > e.since))"
        )
        blob = f"CAST(? AS {dialect.bytes_type})"
        held = (
            f"(n.held_until > {now} OR EXISTS (SELECT 1 FROM {t}_holds h WHERE h.target {listed} AND h.until > {now}))"
        )

        self.table = table
        self.begin_shared, self.begin_exclusive = dialect.shared, dialect.exclusive

        # namespace, namespace. Where the namespace is known and its row is gone, a crash has emptied the tables: nobody
        # can say what was held, so all is, for as long as anything ever was.
        self.touch = (
            f"INSERT INTO {t}_namespaces (namespace, changes, cleared, held_until)"
            f" SELECT ?, 0, 0, COALESCE((SELECT {now} + k.held FROM {t}_known k WHERE k.namespace = ?), 0)"
            " WHERE true ON CONFLICT (namespace) DO NOTHING"
        )
        # namespace, its name, seconds, seconds, seconds
        self.know = (
            f"INSERT INTO {t}_known (namespace, name, kept, leased, held) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (namespace) DO NOTHING"
        )
        # seconds, namespace, seconds
        self.longest = {
            column: f"UPDATE {t}_known SET {column} = ? WHERE namespace = ? AND {column} < ?"
            for column in ("kept", "leased", "held")
        }

        # ids
        self.read = (
            f"SELECT e.key, e.data, e.fresh_until - {now}, e.kept_until - {now}, e.tags"
            f" FROM {t} e WHERE e.id {listed} AND {seen}"
        )
        # id, key, token, seconds, seconds, namespace, [id], 1 if even when fresh
        self.lease = (
            f"INSERT INTO {t} AS e (id, namespace, key, token, leased, lease_at, lease_until, lease_since, ends)"
            f" SELECT ?, n.namespace, {blob}, ?, {now}, {now}, {now} + ?, n.changes, {now} + ?"
            f" FROM {t}_namespaces n WHERE n.namespace = ? AND NOT {held}"
            " ON CONFLICT (id) DO UPDATE SET token = excluded.token, leased = excluded.leased,"
            f" lease_at = CASE WHEN e.token = excluded.token AND e.lease_since >= {cleared} THEN e.lease_at"
            " ELSE excluded.lease_at END,"
            " lease_until = excluded.lease_until, lease_since = CASE WHEN e.token = excluded.token"
            f" AND e.lease_since >= {cleared} THEN e.lease_since ELSE excluded.lease_since END,"
            " ends = CASE WHEN e.ends > excluded.ends THEN e.ends ELSE excluded.ends END"
            " WHERE e.key = excluded.key AND (e.token IS NULL OR e.token = excluded.token OR e.lease_until <="
            f" {now} OR e.leased > {now} + 1 OR e.lease_since < {cleared})"
            f" AND (CAST(? AS INTEGER) = 1 OR e.fresh_until IS NULL OR e.fresh_until <= {now} OR NOT {seen})"
        )
        # ids
        self.leased = (
            f"SELECT e.key, CASE WHEN {seen} THEN e.data END, e.fresh_until - {now}, e.kept_until - {now}, e.tags,"
            f" e.token FROM {t} e WHERE e.id {listed}"
        )
        # ids, namespace; '*' is all of them
        self.held = (
            f"SELECT h.target FROM {t}_holds h WHERE h.target {listed} AND h.until > {now}"
            f" UNION ALL SELECT '*' FROM {t}_namespaces n WHERE n.namespace = ? AND n.held_until > {now}"
        )
        # data, tags, tag ids, fresh, kept, kept, id, key, token, [id and tag ids], tag ids
        self.fill = (
            f"UPDATE {t} AS e SET data = ?, tags = ?, tag_ids = {texts}, fresh_until = {now} + ?,"
            f" kept_until = {now} + ?, ends = {now} + ?, written = {now}, since = e.lease_since, token = NULL"
            f" FROM {t}_namespaces n WHERE n.namespace = e.namespace AND e.id = ? AND e.key = ? AND e.token = ?"
            f" AND e.lease_until > {now} AND e.lease_since >= n.cleared AND n.held_until <= {now} AND NOT EXISTS"
            f" (SELECT 1 FROM {t}_holds h WHERE h.target {listed} AND h.until > e.lease_at) AND NOT EXISTS"
            f" (SELECT 1 FROM {t}_tags f WHERE f.tag {listed} AND f.removed > e.lease_since) RETURNING id"
        )
        # id, token
        self.abandon = f"UPDATE {t} SET token = NULL WHERE id = ? AND token = ?"
        # id, key, token, seconds, seconds, namespace
        self.claim = (
            f"INSERT INTO {t} (id, namespace, key, token, leased, lease_at, lease_until, lease_since, ends)"
            f" SELECT ?, n.namespace, {blob}, ?, {now}, {now}, {now} + ?, n.changes, {now} + ?"
            f" FROM {t}_namespaces n WHERE n.namespace = ?"
            " ON CONFLICT (id) DO UPDATE SET key = excluded.key, data = NULL, token = excluded.token,"
            " leased = excluded.leased, lease_at = excluded.lease_at, lease_until = excluded.lease_until,"
            " lease_since = excluded.lease_since, ends = excluded.ends"
        )
        # id
        self.delete = f"DELETE FROM {t} WHERE id = ?"
        self.expire = (
            f"UPDATE {t} SET token = NULL, fresh_until = CASE WHEN fresh_until < {now} THEN fresh_until ELSE {now} END"
            " WHERE id = ?"
        )
        # namespace
        self.change = f"UPDATE {t}_namespaces SET changes = changes + 1 WHERE namespace = ?"
        self.clear = f"UPDATE {t}_namespaces SET changes = changes + 1, cleared = changes + 1 WHERE namespace = ?"
        # tag id, namespace
        self.remove_tag = (
            f"INSERT INTO {t}_tags (tag, namespace, removed, at) SELECT ?, n.namespace, n.changes, {now}"
            f" FROM {t}_namespaces n WHERE n.namespace = ?"
            " ON CONFLICT (tag) DO UPDATE SET removed = excluded.removed, at = excluded.at"
        )
        # target, token, seconds, seconds
        self.hold = (
            f"INSERT INTO {t}_holds (target, token, until, seconds) VALUES (?, ?, {now} + ?, ?)"
            " ON CONFLICT (target, token) DO UPDATE SET until = excluded.until, seconds = excluded.seconds"
        )
        # target, token
        self.release = f"DELETE FROM {t}_holds WHERE target = ? AND token = ?"

        # how many
        self.forget_entries = (
            f"DELETE FROM {t} WHERE id IN (SELECT id FROM {t} WHERE ends <= {now} ORDER BY ends LIMIT ?"
            f"{dialect.skip_locked})"
        )
        # A removed tag is remembered until all that was looked up before is gone. namespace, namespace, how many
        self.forget_tags = (
            f"DELETE FROM {t}_tags WHERE tag IN (SELECT tag FROM {t}_tags WHERE namespace = ? AND at < {now} - 1 -"
            f" (SELECT k.kept + k.leased FROM {t}_known k WHERE k.namespace = ?)"
            f" AND NOT EXISTS (SELECT 1 FROM {t} WHERE ends <= {now}) ORDER BY at LIMIT ?{dialect.skip_locked})"
        )
        # One that has ended by itself is remembered until the leases given while it lasted are over.
        self.forget_holds = (
            f"DELETE FROM {t}_holds WHERE until <= {now} - 1 - COALESCE((SELECT MAX(leased) FROM {t}_known), 0)"
        )
        # After its clock was put back, a hold would last for as long as that was; it begins anew.
        self.shorten_holds = f"UPDATE {t}_holds SET until = {now} + seconds WHERE until > {now} + seconds + 1"

        # No parameters.
        self.version = f"SELECT value FROM {t}_about WHERE name = 'version'"
        self.create = _create(dialect, t)


def _create(dialect: Dialect, t: str) -> tuple[str, ...]:
    blob, number, unlogged = dialect.bytes_type, dialect.number_type, dialect.unlogged
    index = t.rpartition(".")[2]
    return (
        f"CREATE TABLE {t}_about (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
        f"CREATE TABLE {t}_known (namespace TEXT NOT NULL PRIMARY KEY, name {blob} NOT NULL, kept {number} NOT NULL,"
        f" leased {number} NOT NULL, held {number} NOT NULL)",
        f"CREATE {unlogged} TABLE {t} (id TEXT NOT NULL PRIMARY KEY, namespace TEXT NOT NULL, key {blob} NOT NULL,"
        f" data {blob}, tags {blob}, tag_ids {dialect.texts_type}, fresh_until {number}, kept_until {number},"
        f" written {number}, since BIGINT, token TEXT, leased {number}, lease_at {number},"
        f" lease_until {number}, lease_since BIGINT,"
        f" ends {number} NOT NULL)",
        f"CREATE INDEX {index}_ends ON {t} (ends)",
        f"CREATE {unlogged} TABLE {t}_tags (tag TEXT NOT NULL PRIMARY KEY, namespace TEXT NOT NULL,"
        f" removed BIGINT NOT NULL, at {number} NOT NULL)",
        f"CREATE INDEX {index}_tags_at ON {t}_tags (namespace, at)",
        f"CREATE {unlogged} TABLE {t}_holds (target TEXT NOT NULL, token TEXT NOT NULL, until {number} NOT NULL,"
        f" seconds {number} NOT NULL, PRIMARY KEY (target, token))",
        f"CREATE {unlogged} TABLE {t}_namespaces (namespace TEXT NOT NULL PRIMARY KEY, changes BIGINT NOT NULL,"
        f" cleared BIGINT NOT NULL, held_until {number} NOT NULL)",
        f"INSERT INTO {t}_about (name, value) VALUES ('version', '{TABLE_VERSION}')",
    )
