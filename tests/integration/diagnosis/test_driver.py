"""Diagnoses that cannot go as planned."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
import urllib.request

import msgspec
import psutil
import pytest

from perfloop.diagnosis import DiagnosisOptions, diagnose
from perfloop.exceptions import ConfigurationError, NoServer, ServiceLost
from perfloop.loadtest import Request
from perfloop.monitoring import Service
from perfloop.records import DiagnosisRecord

SERVER = (sys.executable, "-m", "uvicorn", "service:app", "--port", "0", "--no-access-log")
HEALTHY = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
"""


def service(tmp_path, text: str = HEALTHY) -> DiagnosisOptions:
    (tmp_path / "service.py").write_text(textwrap.dedent(text))
    return DiagnosisOptions(command=SERVER, cwd=tmp_path, duration=1.0, step_duration=0.2)


def children() -> set[int]:
    return {child.pid for child in psutil.Process(os.getpid()).children(recursive=True)}


@pytest.mark.alone
async def test_a_healthy_service_has_a_whole_record_and_no_findings(tmp_path) -> None:
    before = children()
    for _ in range(4):
        told: list[str] = []
        record = await diagnose(service(tmp_path), on_progress=told.append)
        if not record.findings or record.summary.trustworthy:  # else the machine was busy with other work
            break
    assert record.findings == []
    assert not record.partial
    assert record.capacity_rps > 100
    assert [point.in_flight for point in record.curve][:3] == [1, 2, 4]
    (route,) = record.routes
    assert route.requests == record.summary.requests
    assert sum(route.typical.parts_ms.values()) == pytest.approx(route.typical.mean_ms)
    slowest = record.results.slowest[0]
    assert sum(slowest.parts_ms.values()) == pytest.approx(slowest.latency_ms, abs=0.01)
    assert record.plan.model == "open"
    assert record.plan.rate == pytest.approx(record.capacity_rps / 2)
    assert record.plan.requests == ["GET /"]
    assert any("no OpenAPI page" in note for note in record.notes)
    outcomes = {target.name: target.outcome for target in record.targets}
    assert outcomes["latency_p50"] == "met"
    assert outcomes["disk"] == "not measured"
    assert not any(target.configured for target in record.targets)
    assert told[0].startswith("service up on 127.0.0.1:")
    assert any(text.startswith("load curve 1 → ") for text in told)
    assert children() == before


async def test_only_parameterless_gets_of_the_openapi_page_are_sent(tmp_path) -> None:
    text = """
    from fastapi import FastAPI
    app = FastAPI()
    SENT = set()

    @app.middleware("http")
    async def note(request, call_next):
        SENT.add((request.method, request.url.path))
        return await call_next(request)

    @app.get("/a")
    async def a(page: int = 1): return {}

    @app.get("/b/{key}")
    async def b(key: int): return {}

    @app.get("/c")
    async def c(needed: int): return {}

    @app.post("/a")
    async def post(): return {}

    @app.delete("/d")
    async def delete(): return {}

    @app.get("/sent")
    async def sent(): return sorted(SENT)
    """
    record = await diagnose(service(tmp_path, text))
    assert sorted(record.plan.requests) == ["GET /a", "GET /sent"]
    assert sorted(route.route for route in record.routes) == ["GET /a", "GET /sent"]


async def test_a_service_that_mostly_fails_is_not_judged(tmp_path) -> None:
    text = "import itertools\nTURNS = itertools.cycle((500, 500, 200))\n"
    text += HEALTHY.replace('"status": 200', '"status": next(TURNS)')
    told: list[str] = []
    record = await diagnose(service(tmp_path, text), on_progress=told.append)
    assert not record.summary.trustworthy
    assert any("requests failed" in reason for reason in record.summary.reasons)
    assert record.findings == []
    assert all(target.outcome == "not measured" for target in record.targets)
    # Nothing found in what cannot be judged is no good news.
    assert told[-1].startswith("untrustworthy, no findings: ")


@pytest.mark.parametrize(("target", "hint"), [(None, "choose pages"), ("/orders", "see that the service has")])
async def test_a_service_that_only_fails_is_not_loaded(tmp_path, target: str | None, hint: str) -> None:
    options = service(tmp_path, HEALTHY.replace('"status": 200', '"status": 404'))
    requests = (Request(target=target),) if target else ()
    with pytest.raises(ConfigurationError, match=f"GET {target or '/'} was answered with 404") as caught:
        await diagnose(msgspec.structs.replace(options, requests=requests))
    assert hint in (caught.value.hint or "")


async def test_a_service_that_hides_from_the_agent(tmp_path) -> None:
    options = service(tmp_path)
    command = (sys.executable, "-I", *options.command[1:], "--app-dir", str(tmp_path))
    with pytest.raises(ConfigurationError, match="agent saw no request") as caught:
        await diagnose(DiagnosisOptions(command=command, cwd=tmp_path))
    assert "-I" in (caught.value.hint or "")


async def test_metrics_served_beside_the_service_are_not_taken_for_it(tmp_path) -> None:
    """prometheus_client listens while the application is imported, before uvicorn does."""
    text = """
    from prometheus_client import start_http_server
    start_http_server(0, addr="127.0.0.1")
    """
    told: list[str] = []
    stop = asyncio.Event()

    def tell(line: str) -> None:
        address = line.partition("service up on ")[2].partition(" ")[0]
        with urllib.request.urlopen(f"http://{address}/") as answer:
            told.append(answer.headers["server"])
        stop.set()

    with pytest.raises(asyncio.CancelledError):
        await diagnose(service(tmp_path, textwrap.dedent(text) + HEALTHY), on_progress=tell, stop=stop)
    assert told == ["uvicorn"]


async def test_a_command_that_is_no_server(tmp_path) -> None:
    with pytest.raises(NoServer):
        await diagnose(DiagnosisOptions(command=(sys.executable, "-c", "print('done')"), cwd=tmp_path))


DYING = """
import itertools, os
COUNT = itertools.count()

async def app(scope, receive, send, answer=app):
    if next(COUNT) == 300:
        print("out of memory", flush=True)
        os._exit(7)
    await answer(scope, receive, send)
"""


async def test_a_service_that_dies_before_the_judged_run(tmp_path) -> None:
    with pytest.raises(ServiceLost, match="exit status 7") as caught:
        await diagnose(service(tmp_path, HEALTHY + DYING))
    record = caught.value.record
    assert isinstance(record, DiagnosisRecord)
    assert record.partial
    assert not record.summary.trustworthy
    assert "the service ended while it was needed: exit status 7" in record.notes
    assert any("out of memory" in note for note in record.notes)


async def test_a_service_that_dies_in_the_judged_run(tmp_path) -> None:
    """What was measured until then is analysed, as after an interrupt."""
    before = psutil.Process().children()

    def tell(text: str) -> None:
        if text.startswith("load curve"):
            now = [child for child in psutil.Process().children() if child not in before]
            (pid,) = [child.pid for child in now if "uvicorn" in child.cmdline()]
            asyncio.get_running_loop().call_later(1.0, os.kill, pid, signal.SIGKILL)

    options = service(tmp_path)
    with pytest.raises(ServiceLost, match="killed by signal 9") as caught:
        await diagnose(msgspec.structs.replace(options, duration=30.0), on_progress=tell)
    record = caught.value.record
    assert isinstance(record, DiagnosisRecord)
    assert record.partial
    assert not record.summary.trustworthy
    assert record.summary.reasons[0].endswith("killed by signal 9")
    assert record.capacity_rps > 0
    assert record.routes[0].requests > 100
    assert record.summary.elapsed_seconds < 10


async def test_stopped_before_the_judged_run_leaves_nothing(tmp_path) -> None:
    before = children()
    stop = asyncio.Event()
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        stop.set()

    with pytest.raises(asyncio.CancelledError):
        await diagnose(service(tmp_path), on_progress=tell, stop=stop)
    assert len(told) == 1
    assert children() == before


async def test_stopped_in_the_judged_run_leaves_a_partial_record(tmp_path) -> None:
    before = children()
    stop = asyncio.Event()

    def tell(text: str) -> None:
        if text.startswith("load curve"):
            asyncio.get_running_loop().call_later(0.5, stop.set)

    options = service(tmp_path)
    record = await diagnose(
        DiagnosisOptions(command=options.command, cwd=tmp_path, duration=30.0, step_duration=0.2),
        on_progress=tell,
        stop=stop,
    )
    assert record.partial
    assert record.summary.requests > 0
    assert record.summary.elapsed_seconds < 10
    assert record.routes
    assert children() == before


async def test_stopped_again_while_the_service_ends_keeps_the_record(tmp_path, monkeypatch) -> None:
    before = children()
    stop = asyncio.Event()
    end = Service.stop

    def tell(text: str) -> None:
        if text.startswith("load curve"):
            asyncio.get_running_loop().call_later(0.5, stop.set)

    async def hurried(self: Service) -> None:
        running.cancel()
        await end(self)

    monkeypatch.setattr(Service, "stop", hurried)
    options = msgspec.structs.replace(service(tmp_path), duration=30.0, step_duration=0.2)
    running = asyncio.ensure_future(diagnose(options, on_progress=tell, stop=stop))
    record = await running
    assert record.partial
    assert record.summary.requests > 0
    assert children() == before


async def test_an_unusable_request_is_refused_before_anything_starts(tmp_path) -> None:
    options = DiagnosisOptions(command=SERVER, cwd=tmp_path, requests=(Request(target="no slash"),))
    with pytest.raises(ConfigurationError):
        await diagnose(options)


async def test_no_command() -> None:
    with pytest.raises(ConfigurationError, match="command"):
        await diagnose(DiagnosisOptions(command=()))
