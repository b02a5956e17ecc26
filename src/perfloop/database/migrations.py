"""Advice on indexes as a migration that can be taken back: plain SQL, Alembic or Django. Pure.

PostgreSQL builds and drops indexes CONCURRENTLY, which no transaction may hold: each form carries them out by
themselves; on SQLite they leave the transaction to the tool. What was done before a failure stays; taking the migration
back removes it, a half-built index too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["MIGRATION_FORMS", "SchemaChange", "alembic_migration", "django_migration", "sql_migration"]

_MODELS = (
    "# Declare the same in the models: to them it is a difference, which the next migration made of them turns back."
)

MIGRATION_FORMS = ("sql", "alembic", "django")


class SchemaChange(NamedTuple):
    """One statement, the one that takes it back (empty: what it did stays), and why, in a line."""

    do: str
    undo: str
    why: str


@dataclass(frozen=True)
class _Revision:
    revision: str
    down: tuple[str, ...]


def sql_migration(changes: Sequence[SchemaChange], *, title: str) -> tuple[str, str]:
    """Two scripts for psql or sqlite3: one that does, one that takes it back in the opposite order."""
    up = [f"-- {_line(title)}"]
    if any("CONCURRENTLY" in change.do for change in changes):
        up.append("-- Each statement by itself, not in a transaction.")
    up.append("")
    for change in changes:
        up += [f"-- {_line(change.why)}", f"{_statement(change.do)};", ""]
    down = [f"-- Takes back: {_line(title)}", ""]
    down += [f"{_statement(change.undo)};" for change in reversed(changes) if change.undo]
    return "\n".join(up).rstrip() + "\n", "\n".join(down).rstrip() + "\n"


def alembic_migration(
    changes: Sequence[SchemaChange], *, title: str, revision: str, versions: Mapping[str, str], dialect: str
) -> str:
    """A revision that follows the head of a directory of revisions.

    Args:
        revision: its identifier.
        versions: the text of each Python file in the directory, by its name.
        dialect: `postgresql` or `sqlite`.

    Raises:
        ConfigurationError: the directory has several heads, so that it is not clear which to follow.
    """
    heads = _alembic_heads([text for name, text in versions.items() if name.endswith(".py")])
    if len(heads) > 1:
        raise ConfigurationError(
            "Expected one head of Alembic's revisions to follow", got=", ".join(heads), hint="alembic merge heads"
        )
    block = "    with op.get_context().autocommit_block():\n" if dialect == "postgresql" else ""
    pad = "        " if block else "    "

    def body(statements: Sequence[tuple[str, str]]) -> str:
        if not statements:
            return "    pass"
        lines = []
        for why, sql in statements:
            lines += [f"{pad}# {_line(why)}"] if why else []
            # Text with colons in it would be read as parameters.
            lines.append(f"{pad}op.execute({_escaped(_statement(sql))!r})")
        return block + "\n".join(lines)

    return (
        f'"""{_text(title)}\n\nRevision ID: {revision}\n"""\n\nfrom alembic import op\n\n{_MODELS}\n'
        f"revision = {revision!r}\ndown_revision = {heads[0] if heads else None!r}\nbranch_labels = None\n"
        "depends_on = None\n\n\n"
        f"def upgrade() -> None:\n{body([(change.why, change.do) for change in changes])}\n\n\n"
        f"def downgrade() -> None:\n{body([('', change.undo) for change in reversed(changes) if change.undo])}\n"
    )


def django_migration(
    changes: Sequence[SchemaChange], *, title: str, app: str, name: str, migrations: Mapping[str, str]
) -> str:
    """A migration that follows the last one of an application.

    Args:
        app: the application's label.
        name: the migration's own, without `.py`.
        migrations: the text of each Python file in its directory, by its name.

    Raises:
        ConfigurationError: several migrations have none that follows, so that it is not clear which to follow.
    """
    others = {file.removesuffix(".py"): text for file, text in migrations.items() if re.match(r"\d{4}_\w+\.py$", file)}
    others.pop(name, None)
    followed = {
        match[1]
        for text in others.values()
        for match in re.finditer(rf"\(\s*['\"]{re.escape(app)}['\"]\s*,\s*['\"](\w+)['\"]\s*\)", text)
    }
    leaves = sorted(others.keys() - followed)
    if len(leaves) > 1:
        raise ConfigurationError(
            "Expected one last migration to follow", got=", ".join(leaves), hint="manage.py makemigrations --merge"
        )
    operations = ""
    for change in changes:
        undo = repr(_statement(change.undo)) if change.undo else "migrations.RunSQL.noop"
        operations += (
            f"        # {_line(change.why)}\n        migrations.RunSQL(\n            {_statement(change.do)!r},\n"
        )
        operations += f"            reverse_sql={undo},\n        ),\n"
    dependencies = f"({app!r}, {leaves[0]!r})" if leaves else ""
    alone = ""
    if any("CONCURRENTLY" in change.do for change in changes):
        alone = "    # Indexes are built CONCURRENTLY, which no transaction may hold.\n    atomic = False\n"
    return (
        f'"""{_text(title)}"""\n\nfrom django.db import migrations\n\n{_MODELS}\n\n\n'
        f"class Migration(migrations.Migration):\n{alone}"
        f"    dependencies = [{dependencies}]\n    operations = [\n{operations}    ]\n"
    )


def _alembic_heads(texts: Sequence[str]) -> list[str]:
    found = []
    for text in texts:
        revision = re.search(r"^revision\s*(?::[^=]+)?=\s*['\"]([^'\"]+)['\"]", text, re.MULTILINE)
        if revision is None:
            continue
        down = re.search(r"^down_revision\s*(?::[^=]+)?=\s*(.*?)$", text, re.MULTILINE)
        found.append(_Revision(revision[1], tuple(re.findall(r"['\"]([^'\"]+)['\"]", down[1])) if down else ()))
    followed = {each for revision in found for each in revision.down}
    return sorted(each.revision for each in found if each.revision not in followed)


def _statement(sql: str) -> str:
    """On one line, without a semicolon. What is gone already is no error; an index that is there already is one: it may
    be a failed build's, which is there and serves nobody."""
    return re.sub(r"^(DROP INDEX (?:CONCURRENTLY )?)(?!IF EXISTS)", r"\1IF EXISTS ", _line(sql).rstrip("; "))


def _escaped(sql: str) -> str:
    return re.sub(r"(?<!:):(?=\w)", r"\\:", sql)


def _line(text: str) -> str:
    return " ".join(text.split())


def _text(text: str) -> str:
    return _line(text).replace("\\", "\\\\").replace('"', "'")
