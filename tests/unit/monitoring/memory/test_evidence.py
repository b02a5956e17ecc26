from __future__ import annotations

from perfloop.monitoring import LeakEvidence, LeakReport
from perfloop.monitoring.memory import AllocatingLine, RetainingPath, TypeGrowth, WindowCost, judge

from .series import series

VERDICT = judge(series(rss=lambda at: 2e5 * at, blocks=lambda at: 2e3 * at, noise=0))
WINDOW = WindowCost(
    seconds=2.04, requests=1_340, frames=1, memory_bytes=315_000, cpu_ratio=3.52, own_seconds=0.1, cut_short=False
)


def test_a_report_reads_as_a_whole() -> None:
    evidence = LeakEvidence(
        types=(TypeGrowth(name="shop.cart.Line", count=6_700, grew=485),),
        path=RetainingPath(text="shop.cart.LINES", complete=True, bound=None),
        path_length=6_700,
        path_grew=485,
        lines=(
            AllocatingLine(file="shop/cart.py", line=12, bytes_each=162, blocks_each=3),
            AllocatingLine(file="shop/api.py", line=7, bytes_each=40, blocks_each=1, through="json/decoder.py:353"),
        ),
        traced_each=202,
        windows=(WINDOW,),
        pause_seconds=0.0123,
    )
    assert str(LeakReport(verdict=VERDICT, evidence=evidence)).splitlines() == [
        "python leak: Python objects are allocated and kept: 200 B a request (200 B to 200 B)",
        "  allocated at  shop/cart.py:12, 162 B a request",
        "           and  shop/api.py:7 through json/decoder.py:353, 40 B a request",
        "  held by       shop.cart.LINES, 6,700 entries, 485 of them new",
        "  growing       shop.cart.Line +485",
        "  looked at     the heap for 12.3 ms",
        "  traced        2.0 s, 1,340 requests, 3.5 × the CPU time a request, 315 kB of notes, 100 ms to read them",
    ]


def test_a_report_without_an_investigation_is_its_verdict() -> None:
    assert str(LeakReport(verdict=VERDICT, evidence=None)) == f"python leak: {VERDICT.reason}"


def test_what_python_holds_is_not_shown_for_native_memory() -> None:
    verdict = judge(series(rss=lambda at: 2e5 * at, malloc=lambda at: 2e5 * at, noise=0))
    evidence = LeakEvidence(
        types=(TypeGrowth(name="list", count=70, grew=20),),
        path=RetainingPath(text="shop.A", complete=True, bound=None),
        traced_each=0.0,
    )
    assert [line[:12] for line in str(LeakReport(verdict=verdict, evidence=evidence)).splitlines()] == [
        "native leak:",
        "  looked at ",
    ]
