"""`perfloop monitor` from the outside: its page in a browser, its lines, and services that end or come back."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Literal

import pytest

from .conftest import PERFLOOP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

SERVICE = """
import asyncio, os, signal, time

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    path = scope["path"]
    if path == "/slow":
        await asyncio.sleep(0.4)
    if path == "/blocked":
        time.sleep(0.4)
    if path == "/broken":
        raise ValueError("secret=s3cret")
    if path == "/die":
        os.kill(os.getpid(), signal.SIGKILL)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""
SPAN = "00000000000002f1"


class Monitored:
    """A monitor under way."""

    def __init__(self, command: subprocess.Popen[str]) -> None:
        self.command = command
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.command.stderr is not None
        for line in self.command.stderr:
            self.said.append(line)

    def word(self, pattern: str) -> str:
        """What stands in standard error, sooner or later."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            match = re.search(pattern, "".join(self.said))
            if match is not None:
                return match[1]
            assert self.command.poll() is None, "".join(self.said)
            time.sleep(0.05)
        raise AssertionError("".join(self.said))

    @property
    def page(self) -> str:
        return self.word(r"live     (http://\S+)\n")

    @property
    def service(self) -> str:
        return self.word(r"service  (http://\S+)\n")

    def end(self) -> tuple[str, int]:
        self.command.send_signal(signal.SIGINT)
        output, _ = "", self.command.wait(60)
        if self.command.stdout is not None:
            output = self.command.stdout.read()
        return output, self.command.returncode


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Monitored]]:
    """Start a monitor of the small service: words before `--`, uvicorn's after."""
    (tmp_path / "small.py").write_text(SERVICE)
    begun: list[Monitored] = []

    def begin(*words: str, uvicorn: tuple[str, ...] = (), env: dict[str, str] | None = None) -> Monitored:
        serve = [sys.executable, "-m", "uvicorn", "small:app", "--port", "0", "--log-level", "warning", *uvicorn]
        command = subprocess.Popen(
            [PERFLOOP, "monitor", *(words or ("--live-web", "0")), "--", *serve],
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(Monitored(command))
        return begun[-1]

    yield begin
    for each in begun:
        if each.command.poll() is None:
            each.command.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                each.command.wait(30)
        each.command.kill()
        each.command.wait()


def ask(url: str, **headers: str) -> tuple[int, str]:
    """The status and text of a GET; 0 when the connection was lost."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except (OSError, http.client.HTTPException):
        return 0, ""


def state_of(page: str) -> dict[str, Any]:
    """The figures the page is sent now."""
    with urllib.request.urlopen(page + "events", timeout=30) as events:
        while not (line := events.readline()).startswith(b"data: "):
            pass
    state: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
    return state


def eventually(holds: Callable[[], object], seconds: float = 40) -> Any:
    """The first answer that is true."""
    deadline = time.monotonic() + seconds
    while True:
        answer = holds()
        if answer or time.monotonic() > deadline:
            assert answer
            return answer
        time.sleep(0.1)


@contextlib.contextmanager
def window(browser: Browser, width: int, scheme: Literal["light", "dark"], *, alone: bool = False) -> Iterator[Page]:
    """A page; fails when what is opened there complains, or asks for anything elsewhere.

    Args:
        alone: nobody answers for a while, which the browser itself tells the console.
    """
    context = browser.new_context(viewport={"width": width, "height": 812}, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: (alone and "ERR_" in message.text) or complaints.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    yield page
    assert complaints == []
    assert [url for url in asked if not url.startswith((page.url.partition("?")[0], "data:"))] == []
    context.close()


@pytest.mark.services
def test_the_page_shows_a_slow_request_and_where_its_time_went(
    browser: Browser, start: Callable[..., Monitored]
) -> None:
    monitored = start()
    service = monitored.service
    with window(browser, 1280, "light") as page:
        page.goto(monitored.page)
        assert ask(f"{service}/slow", traceparent=f"00-{'ab' * 16}-{SPAN}-01")[0] == 200
        slowest = page.locator("#slowest details:has(svg[aria-label*='asyncio.sleep'])").first
        slowest.locator("summary").click()
        slowest.locator(".whole").wait_for()
        assert "asyncio.sleep" in slowest.inner_text()
        assert f"span {SPAN}" in slowest.inner_text()
        ask(f"{service}/broken")
        page.locator("#failures.bad").wait_for()
        page.locator("#chart-errors path.line").first.wait_for(state="attached")
        for resource in ("Processors", "Memory", "Disk", "Network", "Descriptors"):
            page.locator("#resources tbody th").get_by_text(resource, exact=True).wait_for()
        page.locator("#targets").get_by_text("target 60 % (a default)").wait_for()
        assert slowest.get_attribute("open") is not None  # what a reader has opened stays open

        page.locator("#span").fill(f"00-{'ab' * 16}-{SPAN}-01")
        page.locator("#lookup button").click()
        page.locator("#found details").wait_for()
        page.locator("#span").fill("1")
        page.locator("#lookup button").click()
        page.locator("#found").get_by_text("Not among the slowest").wait_for()
        assert "s3cret" not in page.content()


@pytest.mark.services
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(
    browser: Browser, start: Callable[..., Monitored], scheme: Literal["light", "dark"]
) -> None:
    monitored = start()
    ask(f"{monitored.service}/slow")
    with window(browser, 375, scheme) as page:
        page.goto(monitored.page)
        page.locator("#slowest summary").first.click()
        page.locator("#routes tbody tr").first.wait_for()
        page.locator("#resources tbody tr").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 26)"
        assert dark == (scheme == "dark")


@pytest.mark.services
def test_the_page_goes_on_when_the_monitor_is_started_anew(browser: Browser, start: Callable[..., Monitored]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    first = start("--live-web", port)
    with window(browser, 900, "light", alone=True) as page:
        page.goto(first.page)
        ask(f"{first.service}/")
        page.get_by_role("status").get_by_text("Running", exact=True).wait_for()
        assert first.end()[1] == 0
        page.get_by_role("status").get_by_text("Connection lost", exact=True).wait_for()
        second = start("--live-web", port)
        ask(f"{second.service}/broken")
        page.get_by_role("status").get_by_text("Running", exact=True).wait_for()
        page.locator("#failures.bad").wait_for()


def test_workers_that_die_and_come_back_are_followed(start: Callable[..., Monitored]) -> None:
    monitored = start(uvicorn=("--workers", "2"))
    page, service = monitored.page, monitored.service
    eventually(lambda: ask(f"{service}/")[0] == 200 and state_of(page)["state"] == "Running")

    def told(what: str) -> set[str]:
        return {words for _, words in state_of(page)["events"] if words.endswith(what)}

    def both_known() -> bool:
        """Whether two have served (from then on one is known): one answers while the other is busy."""
        busy = threading.Thread(target=ask, args=(f"{service}/blocked",))
        busy.start()
        time.sleep(0.1)
        ask(f"{service}/")
        busy.join()
        return len(told(" serves")) >= 2

    eventually(both_known)  # of a process that nobody knows nobody can tell that it ended
    before = told(" serves")
    ask(f"{service}/die")
    assert len(eventually(lambda: told(" has ended"))) == 1
    eventually(lambda: both_known() and told(" serves") > before)
    assert state_of(page)["state"] == "Running"


def test_lines_of_json_and_a_given_time(start: Callable[..., Monitored]) -> None:
    monitored = start("--json", "--no-web", "--duration", "2s")
    ask(f"{monitored.service}/slow?token=s3cret")
    assert monitored.command.stdout is not None
    lines = [json.loads(line) for line in monitored.command.stdout]
    assert monitored.command.wait(30) == 0
    last = lines[-1]
    assert last["status"] == "ended"
    assert last["requests"] == 1  # not the one that asked whether it is up
    assert last["slowest"][0]["duration_ms"] >= 390
    assert last["slowest"][0]["parts_ms"]["sleep"] >= 350
    assert last["usage"]["processes"] >= 1
    assert {budget["target"] for budget in last["budgets"]} >= {"latency_p99", "cpu"}
    assert last["alerts"] == []
    assert "s3cret" not in json.dumps(lines)


def test_lines_where_there_is_no_terminal_and_the_output_of_the_service(start: Callable[..., Monitored]) -> None:
    monitored = start("--no-web", uvicorn=("--log-level", "info"))
    monitored.word(r"(Uvicorn running on )")
    ask(f"{monitored.service}/")
    assert monitored.end()[1] == 0
    # There is a line every five seconds, and one at the end.
    last = r"\nended  [\d.]+/s  p50 \S+( \S+)?  p99 \S+( \S+)?  0 errors\b.*\n"
    eventually(lambda: re.search(last, "".join(monitored.said)))


def test_an_alert_is_on_the_page_in_a_line_in_a_file_and_at_a_webhook(
    start: Callable[..., Monitored], tmp_path: Path
) -> None:
    posted: list[dict[str, Any]] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

    log = tmp_path / "alerts.log"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        hook = f"http://127.0.0.1:{server.server_port}/private"
        monitored = start("--live-web", "0", "--alert-log", str(log), env={"PERFLOOP_ALERT_WEBHOOK": hook})
        for _ in range(20):
            assert ask(f"{monitored.service}/broken")[0] == 500
        monitored.word(r"alert    (firing: latency_p99 should be at most 1000 ms)")
        alerts = eventually(lambda: state_of(monitored.page)["alerts"])
        assert alerts[0]["state"] == "firing"
        assert monitored.end()[1] == 0
        server.shutdown()
    assert "latency_p99" in {alert["target"] for alert in posted}
    assert " firing: latency_p99 should be" in log.read_text()
    assert "/private" not in "".join(monitored.said)


def test_who_has_no_token_sees_nothing_from_elsewhere(start: Callable[..., Monitored]) -> None:
    token = "a-token-of-the-user-s"
    monitored = start("--live-web", "0.0.0.0:0", env={"PERFLOOP_MONITOR_TOKEN": token})
    page, _, shown = monitored.page.partition("?token=")
    assert shown == token
    page = page.replace("0.0.0.0", "127.0.0.1")
    for path in ("", "events", f"requests/{SPAN}", "?token=wrong", "?token="):
        status, text = ask(page + path)
        assert (status, token in text) == (401, False)
    assert ask(page, Authorization=f"Bearer {token}")[0] == 200
    assert ask(page, Authorization="Bearer x")[0] == 401
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(f"{page}?token={token}", timeout=30) as response:
        assert response.url == page
        assert b"perfloop" in response.read()
    with opener.open(f"{page}requests/{SPAN}", timeout=30) as response:
        assert response.read() == b"null"


def test_a_command_that_dies_at_once_is_an_error_and_nothing_else(tmp_path: Path) -> None:
    command = [
        PERFLOOP,
        "monitor",
        "--live-web",
        "0",
        "--",
        sys.executable,
        "-c",
        "import sys; sys.exit('no such shop')",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert ended.returncode == 2
    assert "live " not in ended.stderr
    assert "ended  " not in ended.stderr
    assert "no such shop" in ended.stderr


def test_a_service_that_ends_ends_the_monitor(start: Callable[..., Monitored]) -> None:
    monitored = start()
    ask(f"{monitored.service}/die")
    assert monitored.command.wait(60) == 3
    eventually(lambda: "error: The service ended while it was needed" in "".join(monitored.said))


def test_an_address_that_is_taken_is_an_error_where_it_was_asked_for(start: Callable[..., Monitored]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        monitored = start("--live-web", str(other.getsockname()[1]))
        assert monitored.command.wait(60) == 2
    eventually(lambda: "where  --live-web" in "".join(monitored.said))


def test_a_token_that_is_too_short_is_refused_and_not_shown(start: Callable[..., Monitored]) -> None:
    monitored = start("--live-web", "0.0.0.0:0", env={"PERFLOOP_MONITOR_TOKEN": "s3cret"})
    assert monitored.command.wait(60) == 2
    eventually(lambda: "where  PERFLOOP_MONITOR_TOKEN" in "".join(monitored.said))
    assert "s3cret" not in "".join(monitored.said)
