"""A database of its own for each test, on the session's private PostgreSQL."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...servers.postgresql import PostgreSQL


@pytest.fixture
def make_database(postgresql: PostgreSQL) -> Iterator[Callable[[str], str]]:
    """Makes an empty database, carries out a script in it, and gives its URL; dropped after the test."""
    made = []

    def make(script: str = "") -> str:
        name = f"test_{secrets.token_hex(4)}"
        with psycopg.connect(postgresql.url, autocommit=True) as server:
            server.execute(f"CREATE DATABASE {name}")
        made.append(name)
        url = postgresql.url.replace("/postgres", f"/{name}")
        if script:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(script)
        return url

    yield make
    with psycopg.connect(postgresql.url, autocommit=True) as server:
        for name in made:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")
