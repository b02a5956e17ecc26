"""What is in the zoo: each service, how it is started, and what a diagnosis should say about it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["EXHIBITS", "SERVICES", "Exhibit"]

SERVICES = Path(__file__).parent / "services"
MARKER = "# PLANTED"


@dataclass(frozen=True)
class Exhibit:
    """One service."""

    name: str
    """Of its file."""
    rule: str | None
    """The rule that should find what is planted; None: nothing is."""
    request: str
    server: str = "uvicorn"
    also: tuple[str, ...] = ()
    """Further rules whose findings would be no mistake."""
    fix: str = ""
    """Words the fix must hold."""
    loop: bool = False
    """An N+1 whose loop can be named."""

    @property
    def file(self) -> Path:
        return SERVICES / f"{self.name}.py"

    @property
    def command(self) -> tuple[str, ...]:
        """What starts it on a free port."""
        target = f"tests.zoo.services.{self.name}:app"
        if self.server == "uvicorn":
            return (sys.executable, "-m", "uvicorn", target, "--port", "0", "--no-access-log")
        options = ("--bind", "127.0.0.1:0", "--workers", "1", "--threads", "8", "--log-level", "warning")
        return (sys.executable, "-m", "gunicorn", *options, target)

    @property
    def planted_lines(self) -> frozenset[int]:
        """Lines with the marker."""
        lines = self.file.read_text().splitlines()
        return frozenset(number for number, line in enumerate(lines, 1) if MARKER in line)


EXHIBITS = (
    Exhibit("n_plus_one_orm", "n-plus-one", "/orders", fix="selectinload(Order.items)", loop=True),
    Exhibit("n_plus_one_sql", "n-plus-one", "/orders", server="gunicorn", fix="order_id IN", loop=True),
    Exhibit("n_plus_one_helper", "n-plus-one", "/orders", fix="id IN", loop=True),
    Exhibit(
        "n_plus_one_comprehension",
        "n-plus-one",
        "/orders",
        server="gunicorn",
        fix="joinedload(Order.customer)",
        loop=True,
    ),
    Exhibit(
        "n_plus_one_django",
        "n-plus-one",
        "/orders",
        server="gunicorn",
        fix='select_related("customer")',
        loop=True,
    ),
    Exhibit("n_plus_one_response", "n-plus-one", "/orders", fix="selectinload"),
    Exhibit("missing_index", "slow-query", "/customer", fix="ON orders (customer_id)"),
    Exhibit("missing_sort_index", "slow-query", "/latest", server="gunicorn", fix="ON orders (placed)"),
    Exhibit("cpu_in_async", "loop-blocked-by-cpu", "/report,/ping", fix="checksum"),
    Exhibit("sleep_in_async", "blocking-call-in-async", "/quote,/ping", fix="asyncio.sleep"),
    Exhibit("short_sleep_in_async", "blocking-call-in-async", "/temperature", fix="asyncio.sleep"),
    Exhibit("sqlite_in_async", "blocking-call-in-async", "/statistics", fix="aiosqlite"),
    Exhibit("cpu_bound_sync", "cpu-bound", "/similar", server="gunicorn", fix="distance"),
    Exhibit("cpu_bound_json", "cpu-bound", "/catalogue", fix="encode"),
    Exhibit("cache_too_small", "cache-too-small", "/price", fix="max_entries=200"),
    Exhibit("cache_policy", "cache-policy", "/page", fix='policy="tinylfu"'),
    Exhibit("cache_key_never_repeats", "cache-key-never-repeats", "/report", fix="leave request_id out"),
    Exhibit("cache_loses", "cache-loses", "/square", fix="leave the level far out"),
    Exhibit("healthy_cache", None, "/price"),
    Exhibit("healthy_fast", None, "/ping"),
    Exhibit("healthy_saturated", None, "/slow"),
    Exhibit("healthy_framework", None, "/products"),
    Exhibit("healthy_batch", None, "/orders"),
    Exhibit("healthy_scan", None, "/summary", server="gunicorn"),
    Exhibit("healthy_inserts", None, "/orders"),
    Exhibit("healthy_async_database", None, "/statistics"),
)
