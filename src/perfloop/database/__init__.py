"""Databases (chapter 3): what a workload asks of one, and advice that carries its proof."""

from __future__ import annotations

from .capture import (
    CapturedStatement,
    CapturedStatements,
    capture_log,
    capture_pg_stat_statements,
    capture_sql,
    capture_statements,
)
from .clones import Clone, ClonedTable, CloneOptions, clone_database
from .connections import Database, Limits, open_database
from .local_server import LocalServer, run_local_server

__all__ = [
    "CapturedStatement",
    "CapturedStatements",
    "Clone",
    "CloneOptions",
    "ClonedTable",
    "Database",
    "Limits",
    "LocalServer",
    "capture_log",
    "capture_pg_stat_statements",
    "capture_sql",
    "capture_statements",
    "clone_database",
    "open_database",
    "run_local_server",
]
