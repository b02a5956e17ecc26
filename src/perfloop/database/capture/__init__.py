"""What a workload asks of a database: out of the running service, the server's statistics, its logs, or a file."""

from __future__ import annotations

from .statements import CapturedStatement, CapturedStatements, capture_statements

__all__ = ["CapturedStatement", "CapturedStatements", "capture_statements"]
