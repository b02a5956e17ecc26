"""What a workload asks of a database: out of the running service, the server's statistics, its logs, or a file."""

from __future__ import annotations

from .logs import capture_log
from .pg_stat_statements import capture_pg_stat_statements
from .sql_file import capture_sql
from .statements import CapturedStatement, CapturedStatements, capture_statements
from .workload import WorkloadBuilder, redacted

__all__ = [
    "CapturedStatement",
    "CapturedStatements",
    "WorkloadBuilder",
    "capture_log",
    "capture_pg_stat_statements",
    "capture_sql",
    "capture_statements",
    "redacted",
]
