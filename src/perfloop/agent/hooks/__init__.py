"""The libraries the agent instruments: one file each, with `apply(module)` called after the module's execution."""

from __future__ import annotations

__all__ = ["HOOKS"]

HOOKS = {
    "aiohttp.client": "aiohttp",
    "aiosqlite.core": "aiosqlite",
    "anyio.to_thread": "anyio",
    "asyncio": "event_loop",
    "asyncpg.connection": "asyncpg",
    "asyncpg.cursor": "asyncpg",
    "asyncpg.pool": "asyncpg",
    "asyncpg.prepared_stmt": "asyncpg",
    "django.core.handlers.asgi": "django",
    "django.core.handlers.base": "django",
    "django.core.handlers.wsgi": "django",
    "flask.app": "flask",
    "gc": "garbage",
    "gunicorn.workers.base": "gunicorn",
    "http.client": "http_client",
    "httpx._client": "httpx",
    "perfloop.caching.insight": "caching",
    "perfloop.caching.multilevel": "caching",
    "perfloop.caching.shared": "caching",
    "psycopg._server_cursor": "psycopg",
    "psycopg._server_cursor_async": "psycopg",
    "psycopg.connection": "psycopg",
    "psycopg.connection_async": "psycopg",
    "psycopg.cursor": "psycopg",
    "psycopg.cursor_async": "psycopg",
    "psycopg.transaction": "psycopg",
    "socket": "sockets",
    "sqlalchemy.util.queue": "sqlalchemy",
    "sqlite3.dbapi2": "sqlite",
    "ssl": "sockets",
    "starlette.applications": "starlette",
    "starlette.routing": "starlette",
    "subprocess": "subprocesses",
    "time": "sleep",
    "urllib3.connection": "http_client",
    "uvicorn.config": "uvicorn",
    "uvloop": "event_loop",
    "wsgiref.handlers": "wsgiref",
}
"""Imported module → file in this package."""
