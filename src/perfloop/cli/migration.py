"""`--migration FILE`: advice on indexes as a migration, written where it belongs."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ..exceptions import ConfigurationError
from .streams import note

if TYPE_CHECKING:
    from ..records import AdviceRecord

__all__ = ["MigrationOption", "MigrationTarget", "check_migration", "write_migration"]

MigrationOption = Annotated[
    str | None,
    typer.Option(
        "--migration",
        metavar="FILE",
        help="Write the change of indexes as a migration: FILE.sql, and FILE.down.sql that takes it back; "
        "alembic:versions/FILE.py; django:app/migrations/0002_FILE.py. The latter two follow the last one there.",
        rich_help_panel="Result",
    ),
]
_TITLE = "Indexes for the workload, advised and measured by perfloop"


class MigrationTarget(NamedTuple):
    """What form, and where."""

    form: str
    path: Path


def check_migration(text: str | None) -> MigrationTarget | None:
    """What `--migration` asks for, before anything is done for it.

    Raises:
        ConfigurationError: no such form, a name that does not fit it, no such directory, or a file that is there.
    """
    if text is None:
        return None
    from ..database.migrations import MIGRATION_FORMS

    form, colon, path = text.partition(":")
    if form not in MIGRATION_FORMS or not colon:
        form, path = "sql", text
    target = MigrationTarget(form, Path(path))
    expected = {
        "sql": (r".+\.sql", "a file whose name ends in .sql, or alembic:FILE.py, or django:FILE.py"),
        "alembic": (r"\w+\.py", "alembic: and a Python file in the directory of revisions"),
        "django": (r"\d{4}_\w+\.py", "django: and a file in an application's migrations, such as 0002_indexes.py"),
    }[form]
    if not re.fullmatch(expected[0], target.path.name):
        raise ConfigurationError(f"Expected {expected[1]}", got=text, where="--migration")
    if not target.path.parent.is_dir():
        raise ConfigurationError("Expected a path in a directory that exists", got=text, where="--migration")
    for file in _files(target):
        if file.exists():
            raise ConfigurationError(
                "Expected a new file: a migration that is there may have been carried out",
                got=str(file),
                where="--migration",
            )
    return target


def write_migration(record: AdviceRecord, target: MigrationTarget) -> None:
    """Write the migration; a line on stderr says where, or that there is nothing to migrate."""
    from ..database.advise import schema_changes
    from ..database.migrations import alembic_migration, django_migration, sql_migration
    from ..files import write_whole

    changes = schema_changes(record)
    if not changes:
        note(f"migration  no {target.path} written: there is no index to build or drop")
        return
    directory = target.path.parent
    there = {path.name: path.read_text(encoding="utf-8") for path in sorted(directory.glob("*.py"))}
    if target.form == "sql":
        texts = list(sql_migration(changes, title=_TITLE))
    elif target.form == "alembic":
        revision = secrets.token_hex(6)
        texts = [alembic_migration(changes, title=_TITLE, revision=revision, versions=there, dialect=record.dialect)]
    else:
        app = directory.resolve().parent.name
        texts = [django_migration(changes, title=_TITLE, app=app, name=target.path.stem, migrations=there)]
    for file, text in zip(_files(target), texts, strict=True):
        write_whole(file, text.encode())
        note(f"migration  {file}")


def _files(target: MigrationTarget) -> list[Path]:
    if target.form != "sql":
        return [target.path]
    return [target.path, target.path.with_suffix(".down.sql")]
