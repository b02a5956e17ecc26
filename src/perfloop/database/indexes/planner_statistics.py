"""The statistics that a database plans by, put into its clone: the planner there then chooses as it does here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import psycopg

__all__ = ["ColumnStatistics", "put_statistics", "put_visible_shares", "read_statistics", "read_visible_shares"]

_READ = """
SELECT schemaname, tablename, attname, inherited, null_frac, avg_width, n_distinct,
       most_common_vals::text, most_common_freqs, histogram_bounds::text, correlation
FROM pg_stats WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""
_SLOTS = """
SELECT n.nspname, c.relname, a.attname, s.stainherit, s.starelid, s.staattnum,
       ARRAY[s.stakind1, s.stakind2, s.stakind3, s.stakind4, s.stakind5]
FROM pg_statistic s JOIN pg_class c ON c.oid = s.starelid JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = s.staattnum
WHERE c.relkind <> 'i'
"""
_VISIBLE = """
SELECT n.nspname, c.relname, least(c.relallvisible / c.relpages::float8, 1)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpages > 0 AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""
# STATISTIC_KIND_… of pg_statistic.h.
_COMMON, _BOUNDS, _CORRELATION = 1, 2, 3
_VALUES = "array_in(textout(%s), a.atttypid, a.atttypmod)"


class ColumnStatistics(NamedTuple):
    """One row of `pg_stats`; arrays of the column's own type as text."""

    schema: str
    table: str
    column: str
    inherited: bool
    null_share: float
    width: int
    distinct: float
    common_values: str | None
    common_shares: list[float] | None
    bounds: str | None
    correlation: float | None

    @property
    def slots(self) -> dict[int, list[tuple[str, str, object]]]:
        """By kind, what goes into the slot: the name's beginning, SQL and its parameter."""
        found: dict[int, list[tuple[str, str, object]]] = {}
        if self.common_values is not None:
            shares = ("stanumbers", "%s::float4[]", self.common_shares)
            found[_COMMON] = [("stavalues", _VALUES, self.common_values), shares]
        if self.bounds is not None:
            found[_BOUNDS] = [("stavalues", _VALUES, self.bounds)]
        if self.correlation is not None:
            found[_CORRELATION] = [("stanumbers", "%s::float4[]", [self.correlation])]
        return found


def read_statistics(connection: psycopg.Connection[Any]) -> list[ColumnStatistics]:
    """Those of every column that the user may read."""
    return [ColumnStatistics(*row) for row in connection.execute(_READ).fetchall()]


def put_statistics(
    connection: psycopg.Connection[Any],
    statistics: Sequence[ColumnStatistics],
    tables: Collection[tuple[str | None, str]],
) -> None:
    """Overwrite a clone's statistics with the database's, until it is analyzed again.

    A column keeps its own where ANALYZE has kept other kinds for it there, a list of common values and no histogram for
    instance; what is kept of the elements of arrays stays, too.

    Args:
        connection: to the clone, analyzed.
        statistics: see `read_statistics`.
        tables: schema and name of those whose rows the clone has all.

    Raises:
        psycopg.errors.InsufficientPrivilege: the user is no superuser there.
    """
    ours = {tuple(row[:4]): row[4:] for row in connection.execute(_SLOTS).fetchall()}
    with connection.transaction():
        for each in statistics:
            relation, number, kinds = ours.get(each[:4], (None, None, ()))
            slots = each.slots
            if (each.schema, each.table) not in tables or {1, 2, 3}.intersection(kinds) != slots.keys():
                continue
            sets: list[tuple[str, object]] = [
                ("stanullfrac = %s::float4", each.null_share),
                ("stawidth = %s", each.width),
                ("stadistinct = %s::float4", each.distinct),
            ]
            for kind, parts in slots.items():
                place = kinds.index(kind) + 1
                sets += [(f"{name}{place} = {value}", parameter) for name, value, parameter in parts]
            query = (
                f"UPDATE pg_statistic SET {', '.join(text for text, _ in sets)} FROM pg_attribute a"
                " WHERE starelid = %s AND staattnum = %s AND stainherit = %s"
                " AND a.attrelid = starelid AND a.attnum = staattnum"
            )
            parameters = [*(value for _, value in sets), relation, number, each.inherited]
            connection.execute(query.encode(), parameters)


def read_visible_shares(connection: psycopg.Connection[Any]) -> dict[tuple[str, str], float]:
    """By schema and table, the share of its pages that an index-only scan need not visit, as VACUUM or ANALYZE last
    found; without those that neither has seen."""
    return {(schema, table): share for schema, table, share in connection.execute(_VISIBLE).fetchall()}


def put_visible_shares(
    connection: psycopg.Connection[Any],
    shares: Mapping[tuple[str, str], float],
    tables: Collection[tuple[str | None, str]],
) -> None:
    """Have a clone's planner count on as many pages as the database's does, until the clone is analyzed again.

    A clone has just been vacuumed. A table that was not pays for each row that an index-only scan gives.

    Args:
        connection: to the clone, analyzed.
        shares: see `read_visible_shares`.
        tables: schema and name of those whose rows the clone has all.

    Raises:
        psycopg.errors.InsufficientPrivilege: the user is no superuser there.
    """
    query = (
        "UPDATE pg_class SET relallvisible = round(relpages * %s::float8) FROM pg_namespace n"
        " WHERE n.oid = relnamespace AND n.nspname = %s AND relname = %s"
    )
    for (schema, table), share in shares.items():
        if (schema, table) in tables:
            connection.execute(query, [share, schema, table])
