"""Fixtures that more than one kind of test uses. Servers live in tests/servers."""

from __future__ import annotations

pytest_plugins = ["tests.servers.fixtures"]
