from __future__ import annotations

import base64
import hashlib
import io
import re
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from rich.console import Console

from perfloop.monitoring import Use
from perfloop.monitoring.live import (
    AlertShown,
    Budget,
    CacheState,
    LiveState,
    Memory,
    PartCourse,
    PartState,
    Points,
    RouteFigures,
    SlowRequest,
    SlowStatement,
    Usage,
)
from perfloop.records import TargetResult
from perfloop.reporting.monitor_page import page_state, render_monitor_page, shown_request, status_words
from perfloop.reporting.terminal.monitor import monitor_line, render_monitor
from perfloop.telemetry.caches import CacheAbout, figures_of
from perfloop.telemetry.resilience import PartFigures

ROUTE = RouteFigures(
    route="GET /orders/{id}",
    requests=120,
    failed=3,
    rate=2.0,
    p50_ms=12.5,
    p95_ms=80.0,
    p99_ms=1210.0,
    parts_ms={"unaccounted": 5.0, "database": 15.0, "cpu": 4.0, "gc": 0.001},
)
REQUEST = SlowRequest(
    method="GET",
    route="/orders/{id}",
    status=503,
    error="ValueError",
    ended=1_700_000_000.0,
    duration_ms=1210.0,
    first_byte_ms=1200.0,
    parts_ms={"database": 1200.0, "cpu": 10.0},
    statements=[SlowStatement(sql="SELECT ?", place="orders.py:42 in list_orders", calls=51, total_ms=900.0)],
    span_id="00000000000002f1",
    pid=7,
)
MISSED = TargetResult(name="latency_p99", target=1000.0, measured=1210.0, unit="ms", outcome="missed")
UNKNOWN = TargetResult(
    name="disk", target=40.0, measured=None, unit="%", outcome="not measured", why="not read", configured=False
)
PROCESSORS = Use(resource="processors", utilisation=0.99)
DISK = Use(
    resource="disk",
    utilisation=0.034,
    saturation=0.002,
    saturation_is="share of time threads waited for a disk",
    saturation_unit="share",
    throughput={"read": 0.0, "written": 2_500_000.0},
)
QUOTA = Use(
    resource="processor quota",
    utilisation=1.0,
    saturation=0.25,
    saturation_is="seconds a second that threads were held back by the quota",
    saturation_unit="s",
)
MEMORY = Use(resource="memory", errors=2, errors_are="processes killed for memory")
FIRING = AlertShown(
    at=1_700_000_000.0,
    target="latency_p99",
    state="firing",
    window="fast",
    summary="latency_p99 should be at most 1000 ms, and is 1210 ms",
    firing=True,
)
(FIGURES,) = figures_of(
    {
        "entries": {("users",): 90},
        "hits": {("users", "process"): 600},
        "misses": {("users", "process"): 400, ("users", "redis"): 100},
        "level.failing": {("users", "redis"): 1},
        "ghost.hits": {("users", "lru", "1"): 600, ("users", "lru", "2"): 900},
        "ghost.lookups": {("users", "lru", "1"): 1000, ("users", "lru", "2"): 1000},
    },
    [CacheAbout(name="users", policy="lru")],
)
CACHE = CacheState(seconds=60, late=FIGURES, whole=FIGURES)
BREAKER = PartFigures(
    kind="circuit_breaker", name="payments", results={"not_permitted": 30}, gauges={}, states={"open": 1, "closed": 1}
)
PART = PartState(
    seconds=60,
    late=BREAKER,
    whole=BREAKER,
    course=PartCourse(states=["closed"] * 200 + ["open"] * 100, shares=[0.0] * 200 + [0.5] * 100, rejected=[0.0] * 300),
)
STATE = LiveState(
    at=1_700_000_001.0,
    title="uvicorn shop:app",
    status="running",
    uptime_seconds=61.0,
    window_seconds=60,
    requests=1234,
    failed=3,
    all_routes=replace(ROUTE, route="all routes"),
    routes=[ROUTE],
    usage=Usage(
        processes=2, threads=9, cpu=0.5, cpu_share=0.25, rss_bytes=50_000_000, memory_share=0.1, loop_lag_ms=3.0
    ),
    resources=[DISK, QUOTA, MEMORY],
    targets=[MISSED, UNKNOWN],
    budgets=[
        Budget(target="latency_p99", share=0.01, burns={"fast": 20.0, "slow": 3.456}, burning="fast"),
        Budget(target="cpu", share=0.05, burns={"fast": None, "slow": None}, burning=None),
    ],
    alerts=[],
    memory=Memory(kind="python leak", leaking=True, reason="2 kB a request", pid=7),
    caches=[CACHE],
    parts=[PART],
    slowest=[REQUEST],
    events=[(1.0, "process 7 serves"), (2.0, "process 8 serves")],
    notes=[],
    points=Points(
        at=[1000.0, 1001.0],
        rate=[1.0, 2.0],
        p50_ms=[None, 1.0],
        p99_ms=[None, 2.0],
        errors=[0.0, 0.0],
        cpu=[None, 0.5],
        rss_bytes=[None, 5e7],
    ),
)
EMPTY = replace(
    STATE,
    status="starting",
    requests=0,
    failed=0,
    all_routes=RouteFigures(
        route="all routes", requests=0, failed=0, rate=0.0, p50_ms=None, p95_ms=None, p99_ms=None, parts_ms={}
    ),
    routes=[],
    usage=None,
    resources=[],
    targets=[],
    budgets=[],
    memory=None,
    caches=[],
    parts=[],
    slowest=[],
    events=[],
    points=None,
)


def drawn(state: LiveState, width: int = 90) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    render_monitor(state, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_page_is_whole_and_its_policy_lets_nothing_else_run() -> None:
    page, policy = render_monitor_page()
    for kind in ("style", "script"):
        (text,) = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "connect-src 'self'" in policy
    assert re.findall(r"(?:src|href)=\"(?!data:)", page) == []
    assert "http" not in re.sub(r"http://www\.w3\.org/\S+", "", page)


def test_what_the_page_is_sent() -> None:
    shown = page_state(STATE)
    assert (shown["state"], shown["tone"], shown["note"]) == ("Running", "warning", "Targets missed: latency p99")
    tiles = {name: (value, remark, bad) for name, value, remark, bad in shown["tiles"]}
    assert tiles["throughput"] == ("2/s", "1,234 requests seen", False)
    assert tiles["slow"] == ("1.21 s", "in the last 60 s", True)
    assert tiles["failures"] == ("3", "2.5 % in the last 60 s · 3 in all", True)
    assert tiles["processors"] == ("0.5", "25 % of all · loop lag 3 ms", False)
    assert tiles["resident"] == ("50 MB", "2 processes, 9 threads", False)
    (route,) = shown["routes"]
    # Parts too small to be seen are left out; what is not known comes last.
    assert [part[0] for part in route["parts"]] == ["database", "cpu", "unaccounted"]
    assert sum(part[3] for part in route["parts"]) == pytest.approx(1, abs=0.001)
    assert [name for _, name in shown["legend"]] == ["database", "on CPU", "unaccounted"]
    (target,) = shown["targets"]  # a default that cannot be measured is not spoken of
    assert target == {
        "name": "latency p99",
        "outcome": "✗ missed",
        "tone": "bad",
        "words": "1.21 s, target 1 s",
        "budget": "budget of 1 % burns × 20 fast, × 3.46 slow",
        "burning": True,
    }
    disk, quota, memory = shown["resources"]
    assert disk == {
        "name": "Disk",
        "used": "3.4 %",
        "waiting": "0.2 %",
        "waiting_is": "share of time threads waited for a disk",
        "failed": "–",
        "failed_are": "",
        "failing": False,
        "moved": "0 B/s read · 2.5 MB/s written",
    }
    assert (quota["used"], quota["waiting"]) == ("100 %", "250 ms")
    assert (memory["used"], memory["failed"], memory["failing"]) == ("–", "2", True)
    assert [(row["name"], row["level"]) for row in shown["caches"]] == [
        ("users", False),
        ("process", True),
        ("redis", True),
    ]
    assert shown["memory"] == {"verdict": "Python leak", "words": "2 kB a request (process 7)", "tone": "bad"}
    assert shown["points"]["at"] == [-1.0, 0.0]
    assert shown["events"][0][1] == "process 8 serves"
    assert len(msgspec.json.encode(shown)) < 10_000


def test_alerts_as_they_are_shown() -> None:
    past, over = replace(FIRING, firing=False), replace(FIRING, firing=False, state="resolved")
    state = replace(STATE, targets=[], alerts=[over, FIRING, past])
    tiles = {name: remark for name, _, remark, _ in page_state(replace(STATE, resources=[PROCESSORS]))["tiles"]}
    assert tiles["processors"] == "25 % of all, 99 % in use · loop lag 3 ms"
    assert [(each["state"], each["tone"]) for each in page_state(state)["alerts"]] == [
        ("resolved", "good"),
        ("firing", "bad"),
        ("fired", ""),
    ]
    assert "! latency_p99 should be at most 1000 ms, and is 1210 ms" in drawn(state)
    assert drawn(state).count("should be") == 1
    assert monitor_line(state).endswith("  alerts: latency p99")


def test_a_slow_request_as_it_is_shown() -> None:
    shown = shown_request(REQUEST)
    assert (shown["request"], shown["answer"], shown["failed"]) == ("GET /orders/{id}", "status 503", True)
    assert (shown["took"], shown["span"]) == ("1.21 s", "00000000000002f1")
    assert shown["statements"][0] == {
        "sql": "SELECT ?",
        "place": "orders.py:42 in list_orders",
        "calls": "51 calls",
        "total": "900 ms",
    }
    assert shown_request(replace(REQUEST, status=0))["answer"] == "no answer"


def test_what_comes_from_outside_controls_nothing() -> None:
    bad = "\x1b[31m\u202eevil\n"
    state = replace(
        STATE,
        title=bad,
        routes=[replace(ROUTE, route=bad)],
        slowest=[replace(REQUEST, route=bad, error=bad)],
        notes=[bad],
        memory=Memory(kind="none", leaking=False, reason=bad),
        alerts=[replace(FIRING, summary=bad)],
        caches=[replace(CACHE, whole=replace(FIGURES, name=bad, about=replace(FIGURES.about, keys=[bad])))],
    )
    for text in (str(page_state(state)), drawn(state), monitor_line(state)):
        assert "\x1b" not in text
        assert "\u202e" not in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "starting"}, ("Starting", "neutral")),
        ({"status": "idle"}, ("No requests", "neutral")),
        ({"status": "idle", "alerts": [FIRING]}, ("No requests", "bad")),
        ({"status": "ended"}, ("Ended", "bad")),
        ({"targets": [], "memory": None, "all_routes": replace(ROUTE, failed=0)}, ("Running", "good")),
        ({"targets": [], "memory": None}, ("Running", "warning")),
        ({"targets": [], "all_routes": replace(ROUTE, failed=0)}, ("Running", "warning")),
    ],
)
def test_the_state_in_words(changes: dict[str, Any], words: tuple[str, str]) -> None:
    assert status_words(replace(STATE, **changes)) == words


def test_before_anything_is_known() -> None:
    shown = page_state(EMPTY)
    assert [tile[1] for tile in shown["tiles"]] == ["0/s", "–", "–", "0", "–", "–"]
    assert shown["points"]["at"] == []
    assert shown["memory"] is None
    assert "Starting" in drawn(EMPTY)
    assert monitor_line(EMPTY) == "starting  0/s  p50 –  p99 –  0 errors"


def test_the_terminal_shows_the_same_figures() -> None:
    text = drawn(STATE)
    assert max(len(line) for line in text.splitlines()) <= 90
    for figure in (
        "uvicorn shop:app",
        "Running",
        "1.21 s",
        "12.5 ms",
        "python leak",
        "✗ latency p99 1.21 s, target 1 s",
        "budget     latency p99 × 20 fast",
        "used       disk 3.4 % · processor quota 100 % · memory –",
        "waits      disk 0.2 % · processor quota 250 ms",
        "moves      disk 0 B/s read · 2.5 MB/s written",
        "fails      memory 2 processes killed for memory",
    ):
        assert figure in text
    assert re.search(r"GET /orders/\{id\} +2/s +12\.5 ms +80 ms +1\.21 s +3 +62 % database", text)
    assert re.search(r"GET /orders/\{id\} +1\.21 s +503 +99\.2 % database", text)
    assert re.search(r"users +60 % +16\.7/s +0/s +90 +too early to say", text)
    assert "users redis: left alone for a while" in text
    assert "users twice the size: 60 % → 90 %" in text
    many = replace(STATE, routes=[replace(ROUTE, route=f"GET /{number}") for number in range(20)])
    assert "and 12 routes more" in drawn(many)


def test_on_a_narrow_terminal_nothing_of_the_resources_is_cut_off() -> None:
    text = drawn(replace(STATE, resources=STATE.resources * 2), width=60)
    assert "used       disk 3.4 % · processor quota 100 % · memory –\n             disk 3.4 % · " in text
    assert "…" not in text[text.index("used ") : text.index("fails ")]


def test_one_line_for_logs() -> None:
    assert monitor_line(STATE) == (
        "running  2/s  p50 12.5 ms  p99 1.21 s  3 errors  cpu 0.5  memory 50 MB  slowest GET /orders/{id} 1.21 s  "
        "missed: latency p99"
    )


def test_parts_of_policies_are_shown_with_their_last_minutes() -> None:
    (row,) = page_state(STATE)["parts"]
    assert (row["name"], row["kind"], row["state"], row["tone"]) == (
        "payments",
        "circuit breaker",
        "1 of 2 open",
        "bad",
    )
    assert row["runs"] == [(0, 200, "closed", 0.0), (200, 100, "open", 0.5)]
    for width in (60, 80, 110):
        lines = [line for line in drawn(STATE, width).splitlines() if "of 2 open" in line]
        assert len(lines) == 1
        assert lines[0].endswith("█")
        assert len(lines[0]) <= width
