"""The schema of a PostgreSQL database as pg_dump writes it, and carrying it out elsewhere, object by object."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from ..exceptions import DatabaseFailed, DatabaseLocked, NoPrivilege
from ..redaction import redact_text
from .local_server import find_program
from .postgresql import exclusive_holders

if TYPE_CHECKING:
    from .connections import Database

__all__ = ["DumpedObject", "SchemaDump", "dump_schema", "restore"]

# pg_dump locks each table it describes, for which one must be allowed to read it.
_UNREADABLE = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND n.nspname NOT LIKE 'pg\\_t%'
    AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
        AND has_table_privilege(c.oid, 'SELECT'))
ORDER BY 1
"""
_HEAD = re.compile(r"^--\n-- Name: (.*); Type: (.*); Schema: (.*); Owner:.*\n--\n", re.MULTILINE)
_PARTS = re.compile(r'"(?:[^"]|"")*"|[^".]+')
# For psql alone: newer versions of pg_dump put them round the whole dump.
_FOR_PSQL = re.compile(r"^\\(?:un)?restrict .*\n", re.MULTILINE)
_LEFT_OUT = ("PUBLICATION", "SUBSCRIPTION", "EVENT TRIGGER", "ACL", "SECURITY LABEL")


@dataclass(frozen=True)
class DumpedObject:
    """One entry of a dump: `TABLE public.orders` and the statements that make it."""

    name: str
    sql: str


@dataclass(frozen=True)
class SchemaDump:
    """A schema in the order it is made in: before the data is loaded, and after."""

    before_data: list[DumpedObject]
    after_data: list[DumpedObject]
    left_out: list[str]
    """Tables that the user may not read, a line each."""


def dump_schema(database: Database) -> SchemaDump:
    """Read the schema.

    Raises:
        ConfigurationError: pg_dump is not installed.
        NoPrivilege, DatabaseLocked, DatabaseFailed: it may not, or cannot, read the schema.
    """
    import psycopg

    program = find_program("pg_dump", database.version[0])
    settings = psycopg.conninfo.conninfo_to_dict(database.address)
    secret = settings.pop("password", None)  # not on a command line, which everybody can read
    address = psycopg.conninfo.make_conninfo("", **settings)
    flags = ["--schema-only", "--no-owner", "--no-privileges", "--no-publications", "--no-subscriptions"]
    flags += ["--no-tablespaces", "--no-security-labels", f"--lock-wait-timeout={database.limits.lock * 1e3:.0f}"]
    unreadable = [name for (name,) in database.rows(_UNREADABLE)]
    flags += [f"--exclude-table={_pattern(name)}" for name in unreadable]
    sections = []
    for section in ("pre-data", "post-data"):
        ended = subprocess.run(
            [program, *flags, f"--section={section}", f"--dbname={address}"],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PGCLIENTENCODING": "UTF8", **({"PGPASSWORD": str(secret)} if secret else {})},
            check=False,
        )
        if ended.returncode:
            raise _fault(database, redact_text(ended.stderr.strip()))
        sections.append(_objects(ended.stdout))
    user = database.connection.info.user
    left_out = [f"{name} is not in the clone: user {user} may not read it" for name in unreadable]
    return SchemaDump(before_data=sections[0], after_data=sections[1], left_out=left_out)


def _pattern(name: str) -> str:
    """A quoted name as pg_dump's patterns take it: within double quotes nothing but them has a meaning."""
    return ".".join(part if part.startswith('"') else f'"{part}"' for part in _PARTS.findall(name))


def restore(database: Database, objects: list[DumpedObject]) -> list[str]:
    """Make the objects of a dump; what cannot be made is left out, with a line each that says why.

    Some are made in a second go: functions may need tables that come later.
    """
    failed: dict[str, str] = {}
    waiting = objects
    for _ in range(2):
        again = []
        for each in waiting:
            try:
                # A function of SQL language is not looked into, as pg_restore does it; names in a dump are qualified.
                database.rows("SET check_function_bodies = off; SET search_path = ''; " + each.sql)
                failed.pop(each.name, None)
            except (DatabaseFailed, DatabaseLocked) as error:
                failed[each.name] = error.message.removeprefix("PostgreSQL refuses a statement: ")
                again.append(each)
        waiting = again
        if not again:
            break
    return [f"{name} is not in the clone: {why}" for name, why in failed.items()]


def _objects(dump: str) -> list[DumpedObject]:
    text = _FOR_PSQL.sub("", dump)
    heads = list(_HEAD.finditer(text))
    found = []
    for head, after in zip_longest(heads, heads[1:]):
        end = after.start() if after else len(text)
        name, kind, schema = head[1], head[2], head[3]
        if not kind.startswith(_LEFT_OUT) and not (kind == "COMMENT" or name == "SCHEMA public"):
            # A schema of the same name is in every new database.
            sql = text[head.end() : end].replace("CREATE SCHEMA public;", "CREATE SCHEMA IF NOT EXISTS public;")
            label = name if schema == "-" else f"{schema}.{name}"
            found.append(DumpedObject(f"{kind} {label}", sql))
    return found


def _fault(database: Database, text: str) -> DatabaseFailed:
    if "permission denied" in text:
        user = database.connection.info.user
        return NoPrivilege(
            f"The schema cannot be read by user {user}",
            where=database.name,
            output=text,
            hint="GRANT pg_read_all_data to it lets it read every table, and change nothing",
        )
    if "LOCK TABLE" in text:
        return DatabaseLocked(
            f"A table's lock was waited for longer than {database.limits.lock:g} s{exclusive_holders(database)}",
            where=database.name,
            output=text,
            hint="wait until it has ended; pg_stat_activity shows what it does",
        )
    return DatabaseFailed("pg_dump cannot read the schema", where=database.name, output=text)
