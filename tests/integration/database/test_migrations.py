"""Migrations really carried out and taken back: by the drivers, by Alembic, by Django."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from perfloop.database import open_database
from perfloop.database.migrations import SchemaChange, alembic_migration, django_migration, sql_migration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHANGES = [
    SchemaChange("CREATE EXTENSION IF NOT EXISTS pg_trgm", "", "an index needs it"),
    SchemaChange(
        """CREATE INDEX CONCURRENTLY by_note ON public."Order Line" USING gin (note gin_trgm_ops)""",
        "DROP INDEX CONCURRENTLY public.by_note",
        "parts of note are asked for: 'it''s'",
    ),
    SchemaChange(
        """CREATE INDEX CONCURRENTLY open_ones ON public."Order Line" (at, (note::text)) WHERE note <> ':open'""",
        "DROP INDEX CONCURRENTLY public.open_ones",
        "a partial one",
    ),
    SchemaChange(
        "DROP INDEX CONCURRENTLY public.unused",
        """CREATE INDEX CONCURRENTLY unused ON public."Order Line" USING btree (id)""",
        "nobody uses it",
    ),
]
SCHEMA = 'CREATE TABLE "Order Line"(id int, at date, note text); CREATE INDEX unused ON "Order Line"(id)'
BEFORE, AFTER = ["unused"], ["by_note", "open_ones"]
ENVIRONMENT = """\
from alembic import context
from sqlalchemy import create_engine

with create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
SETTINGS = """\
import os
DATABASES = {{"default": {{"ENGINE": "django.db.backends.postgresql", "NAME": "{name}", "USER": "perfloop",
    "HOST": "127.0.0.1", "PORT": "{port}"}}}}
INSTALLED_APPS = ["shop"]
"""
INITIAL = """\
from django.db import migrations
class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = []
"""

pytestmark = pytest.mark.services


def indexes(url: str) -> list[str]:
    with open_database(url) as database:
        rows = database.rows("SELECT indexname FROM pg_indexes WHERE tablename = 'Order Line' ORDER BY 1")
        assert database.rows("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]
    return [name for (name,) in rows]


def run(directory: Path, *words: str, **env: str) -> None:
    ended = subprocess.run(
        [sys.executable, *words], cwd=directory, capture_output=True, text=True, env={**os.environ, **env}
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_sql_is_carried_out_and_taken_back(make_database: Callable[[str], str]) -> None:
    url = make_database(SCHEMA)
    for _ in range(2):
        up, down = sql_migration(CHANGES, title="Indexes")
        for script, expected in ((up, AFTER), (down, BEFORE)):
            with psycopg.connect(url, autocommit=True) as connection:
                for statement in script.split(";\n"):
                    connection.execute(statement)  # type: ignore[call-overload]
            assert indexes(url) == expected


def test_alembic_upgrades_and_downgrades(make_database: Callable[[str], str], tmp_path: Path) -> None:
    url = make_database(SCHEMA)
    versions = tmp_path / "alembic" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "alembic" / "env.py").write_text(ENVIRONMENT)
    (tmp_path / "alembic.ini").write_text(
        f"[alembic]\nscript_location = alembic\nsqlalchemy.url = {url.replace('postgresql:', 'postgresql+psycopg:')}\n"
    )
    first = "revision = 'one'\ndown_revision = None\ndef upgrade(): pass\ndef downgrade(): pass\n"
    (versions / "one.py").write_text(first)
    text = alembic_migration(CHANGES, title="Indexes", revision="two", versions={"one.py": first}, dialect="postgresql")
    (versions / "two.py").write_text(text)
    for _ in range(2):
        run(tmp_path, "-m", "alembic", "upgrade", "head")
        assert indexes(url) == AFTER
        run(tmp_path, "-m", "alembic", "downgrade", "one")
        assert indexes(url) == BEFORE


def test_django_migrates_and_back(make_database: Callable[[str], str], tmp_path: Path) -> None:
    url = make_database(SCHEMA)
    migrations = tmp_path / "shop" / "migrations"
    migrations.mkdir(parents=True)
    for package in (migrations.parent, migrations):
        (package / "__init__.py").write_text("")
    name, port = url.rpartition("/")[2], url.rpartition("/")[0].rpartition(":")[2]
    (tmp_path / "settings.py").write_text(SETTINGS.format(name=name, port=port))
    (migrations / "0001_initial.py").write_text(INITIAL)
    text = django_migration(
        CHANGES, title="Indexes", app="shop", name="0002_indexes", migrations={"0001_initial.py": INITIAL}
    )
    (migrations / "0002_indexes.py").write_text(text)
    for _ in range(2):
        run(tmp_path, "-m", "django", "migrate", DJANGO_SETTINGS_MODULE="settings", PYTHONPATH=str(tmp_path))
        assert indexes(url) == AFTER
        run(
            tmp_path,
            *("-m", "django", "migrate", "shop", "0001"),
            DJANGO_SETTINGS_MODULE="settings",
            PYTHONPATH=str(tmp_path),
        )
        assert indexes(url) == BEFORE
