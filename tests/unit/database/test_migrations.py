from __future__ import annotations

import ast

import pytest

from perfloop.database.migrations import SchemaChange, alembic_migration, django_migration, sql_migration
from perfloop.exceptions import ConfigurationError

BUILD = SchemaChange(
    "CREATE INDEX CONCURRENTLY by_customer ON orders (customer_id)",
    "DROP INDEX CONCURRENTLY by_customer",
    "customer_id is\ncompared",
)
DROP = SchemaChange("DROP INDEX CONCURRENTLY old", "CREATE INDEX CONCURRENTLY old ON orders (id);", "nobody uses it")
NEED = SchemaChange("CREATE EXTENSION IF NOT EXISTS pg_trgm", "", "an index needs it")


def test_sql_is_taken_back_in_the_opposite_order() -> None:
    up, down = sql_migration([NEED, BUILD, DROP], title="Indexes")
    assert [line for line in up.splitlines() if line and not line.startswith("--")] == [
        "CREATE EXTENSION IF NOT EXISTS pg_trgm;",
        "CREATE INDEX CONCURRENTLY by_customer ON orders (customer_id);",
        "DROP INDEX CONCURRENTLY IF EXISTS old;",
    ]
    assert [line for line in down.splitlines() if line and not line.startswith("--")] == [
        "CREATE INDEX CONCURRENTLY old ON orders (id);",
        "DROP INDEX CONCURRENTLY IF EXISTS by_customer;",
    ]
    assert "-- customer_id is compared" in up


def alembic(versions: dict[str, str]) -> str:
    text = alembic_migration(
        [BUILD], title='Indexes "for" it \\', revision="abc", versions=versions, dialect="postgresql"
    )
    ast.parse(text)
    return text


def test_an_alembic_revision_follows_the_head() -> None:
    first = "revision = 'one'\ndown_revision = None\n"
    second = 'revision: str = "two"\ndown_revision: Union[str, None] = "one"\n'
    assert "# Declare the same in the models" in alembic({})
    assert "down_revision = None" in alembic({})
    assert "down_revision = 'one'" in alembic({"a.py": first})
    assert "down_revision = 'two'" in alembic({"b.py": second, "a.py": first, "notes.txt": "revision = 'x'"})
    merged = "revision = 'three'\ndown_revision = ('one', 'two')\n"
    assert "down_revision = 'three'" in alembic({"a.py": first, "b.py": second, "c.py": merged})
    with pytest.raises(ConfigurationError, match="one head"):
        alembic({"a.py": first, "b.py": "revision = 'other'\ndown_revision = None\n"})


def django(migrations: dict[str, str]) -> str:
    text = django_migration([NEED, BUILD], title="Indexes", app="shop", name="0003_indexes", migrations=migrations)
    ast.parse(text)
    return text


def test_a_django_migration_follows_the_last_one() -> None:
    first = "dependencies = []"
    second = 'dependencies = [("shop", "0001_initial"), ("other", "0002_more")]'
    assert "# Declare the same in the models" in django({})
    assert "dependencies = []" in django({"__init__.py": ""})
    assert "dependencies = [('shop', '0001_initial')]" in django({"0001_initial.py": first})
    assert "dependencies = [('shop', '0002_more')]" in django({"0001_initial.py": first, "0002_more.py": second})
    assert "atomic = False" in django({})
    with pytest.raises(ConfigurationError, match="one last migration"):
        django({"0001_initial.py": first, "0002_a.py": second, "0002_b.py": second})


def test_text_that_looks_like_parameters_stays_text() -> None:
    change = SchemaChange("CREATE INDEX a ON t ((b::text)) WHERE c = ':d'", "DROP INDEX a", 'it\'s "why"')
    text = alembic_migration([change], title="t", revision="r", versions={}, dialect="sqlite")
    [upgrade] = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"]
    strings = [node.value for node in ast.walk(upgrade) if isinstance(node, ast.Constant) and node.value]
    assert strings == ["CREATE INDEX a ON t ((b::text)) WHERE c = '\\:d'"]
    assert "autocommit_block" not in text
