"""The servers as fixtures, one of each a session."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from .postgresql import PostgreSQL, run_postgresql
from .redis import Redis, run_redis
from .uvicorn import run_uvicorn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["postgresql", "redis_server", "shop", "shop_database"]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL cluster of this session's own."""
    with run_postgresql() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A Redis of this session's own."""
    with run_redis() as server:
        yield server


@pytest.fixture(scope="session")
def shop_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's database without any fix, for SHOP_DATABASE."""
    from examples.shop.seed import ensure_database  # half a second that other tests need not spend

    directory = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        directory = directory.parent  # of all workers: who comes first makes it, and nobody writes to it
    path = directory / "shop.sqlite3"
    ensure_database(path)
    return path


@pytest.fixture(scope="session")
def shop(shop_database: Path) -> Iterator[str]:
    """The URL of a running shop with all its faults."""
    with run_uvicorn("examples.shop:app", SHOP_FIX="", SHOP_DATABASE=str(shop_database)) as url:
        yield url
