from __future__ import annotations

import json
import logging
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.exceptions import InvalidValue
from perfloop.monitoring.alerts import Alert, ExitHook, HookChannel, LogChannel, WebhookChannel
from perfloop.monitoring.alerts import webhook as module
from perfloop.monitoring.alerts.webhook import post, retry_delay

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SECRET = "https://user:pa55@chat.example/hook/s3cret?token=t0ken"


def alert(**more: Any) -> Alert:
    first: dict[str, Any] = {
        "target": "cpu", "state": "firing", "window": "fast", "summary": "cpu should be at most 70 %.",
        "burn_rate": 20.0, "measured": 93.0, "limit": 70.0, "unit": "%",
    }  # fmt: skip
    return Alert(**{**first, **more})


class Receiver:
    """Answers each attempt with the next of its statuses, the last one for ever."""

    def __init__(self, *statuses: int | Exception) -> None:
        self.statuses = list(statuses)
        self.bodies: list[Any] = []
        self.headers: Mapping[str, str] = {}
        self.called = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        self.called.release()
        self.go_on.wait(30)
        self.bodies.append(json.loads(body))
        self.headers = headers
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if isinstance(status, Exception):
            raise status
        return status


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Retries wait for no time; gives the attempts that were waited after."""
    attempts: list[int] = []

    def no_time(attempt: int, _: float) -> float:
        attempts.append(attempt)
        return 0.0

    monkeypatch.setattr(module, "retry_delay", no_time)
    return attempts  # type: ignore[return-value]


def test_the_log_says_how_bad_it_is(caplog: pytest.LogCaptureFixture) -> None:
    channel = LogChannel()
    with caplog.at_level(logging.INFO):
        channel.send(alert())
        channel.send(alert(state="resolved"))
    channel.close()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("ERROR", "firing: cpu should be at most 70 %."),
        ("INFO", "resolved: cpu should be at most 70 %."),
    ]
    assert caplog.records[0].alert == alert()  # type: ignore[attr-defined]


def test_a_webhook_gets_json(patience: list[int]) -> None:
    receiver = Receiver(204)
    channel = WebhookChannel(SECRET, headers={"Authorization": "Bearer x"}, post=receiver)
    channel.send(alert())
    channel.close()
    assert receiver.bodies == [
        {
            "target": "cpu",
            "state": "firing",
            "window": "fast",
            "summary": "cpu should be at most 70 %.",
            "burn_rate": 20.0,
            "measured": 93.0,
            "limit": 70.0,
            "unit": "%",
        }
    ]
    assert receiver.headers["Authorization"] == "Bearer x"
    assert receiver.headers["Content-Type"] == "application/json"
    assert channel.deliveries == (1, 0)


def test_what_may_pass_is_tried_again(patience: list[int]) -> None:
    receiver = Receiver(OSError("refused"), 503, 429, 200)
    channel = WebhookChannel(SECRET, post=receiver)
    channel.send(alert())
    for _ in range(4):
        assert receiver.called.acquire(timeout=30)
    channel.close()
    assert (len(receiver.bodies), patience, channel.deliveries) == (4, [1, 2, 3], (1, 0))


@pytest.mark.parametrize(
    ("answer", "attempts", "said"),
    [(404, 1, "answered 404"), (302, 1, "answered 302"), (500, 5, "answered 500"), (OSError("s3cret"), 5, "OSError")],
)
def test_a_broken_webhook_is_given_up_and_no_secret_is_said(
    answer: int | Exception, attempts: int, said: str, patience: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver(answer)
    channel = WebhookChannel(SECRET, post=receiver)
    channel.send(alert())
    for _ in range(attempts):
        assert receiver.called.acquire(timeout=30)
    channel.close()
    assert (len(receiver.bodies), channel.deliveries) == (attempts, (0, 1))
    [record] = caplog.records
    assert record.message == f"an alert did not reach the webhook at chat.example: {said}"


def test_the_queue_is_bounded_and_the_latest_stay() -> None:
    receiver = Receiver(200)
    receiver.go_on.clear()
    channel = WebhookChannel(SECRET, most_queued=3, post=receiver)
    channel.send(alert(target="0"))
    assert receiver.called.acquire(timeout=30), "the first is under way"
    for number in range(1, 8):
        channel.send(alert(target=str(number)))
    receiver.go_on.set()
    channel.close()
    assert [body["target"] for body in receiver.bodies] == ["0", "5", "6", "7"]
    assert channel.deliveries == (4, 4)


def test_closing_waits_for_no_retry_and_may_be_done_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "retry_delay", lambda *_: 3600.0)
    receiver = Receiver(500)
    channel = WebhookChannel(SECRET, post=receiver)
    channel.close()
    channel.send(alert())
    assert receiver.bodies == [], "it is closed"
    channel = WebhookChannel(SECRET, post=receiver)
    channel.send(alert())
    channel.send(alert())
    assert receiver.called.acquire(timeout=30)
    channel.close()
    channel.close()
    assert channel.deliveries == (0, 2)
    assert len(receiver.bodies) == 2, "each had its attempt"


def test_a_fork_has_a_queue_of_its_own() -> None:
    receiver = Receiver(200)
    receiver.go_on.clear()
    channel = WebhookChannel(SECRET, post=receiver)
    for _ in range(3):
        channel.send(alert())
    assert receiver.called.acquire(timeout=30)
    child = os.fork()
    if not child:
        status = 1
        try:
            receiver.go_on = threading.Event()
            receiver.go_on.set()
            channel.send(alert(target="child"))
            channel.close()
            status = 0 if [body["target"] for body in receiver.bodies] == ["child"] else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    receiver.go_on.set()
    channel.close()
    assert channel.deliveries == (3, 0)


def test_posting_over_a_socket() -> None:
    got: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response({"/ok": 200, "/moved": 307, "/bad": 400}[self.path])
            self.send_header("Location", "/ok")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert [post(url + path, {}, b"x") for path in ("/ok", "/moved", "/bad")] == [200, 307, 400]
        server.shutdown()
        thread.join()
    assert got == [("/ok", b"x"), ("/moved", b"x"), ("/bad", b"x")], "a redirect is not followed"
    with pytest.raises(OSError, match="refused"):
        post(url, {}, b"x")


@given(st.integers(1, 40), st.floats(0, 1))
def test_delays_grow_and_stay_bounded(attempt: int, share: float) -> None:
    assert 0.5 <= retry_delay(attempt, share) <= 30
    assert retry_delay(attempt, share) <= retry_delay(attempt + 1, share)


@pytest.mark.parametrize(
    "url",
    ["", "chat.example/s3cret", "ftp://chat.example/s3cret", "https:///s3cret", "http://chat.example:99999/s3cret"],
)
def test_what_is_no_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(InvalidValue, match="Expected the URL of a webhook") as error:
        WebhookChannel(url)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"), [("a b", "s3cret"), ("A", "s3cret\r\nB: c"), ("", "s3cret"), ("A", "s3cret€")]
)
def test_a_header_that_cannot_be_sent_is_refused_at_once(name: str, value: str) -> None:
    with pytest.raises(InvalidValue, match="Expected a header that HTTP can carry") as error:
        WebhookChannel(SECRET, headers={name: value})
    assert "s3cret" not in str(error.value)


def test_a_queue_holds_something() -> None:
    with pytest.raises(InvalidValue, match="Expected a queue for 1 or more"):
        WebhookChannel(SECRET, most_queued=0)


def test_a_hook_is_called() -> None:
    seen: list[Alert] = []
    channel = HookChannel(seen.append)
    channel.send(alert())
    channel.close()
    assert seen == [alert()]


def test_the_exit_hook_ends_the_process_once_and_only_for_what_is_urgent() -> None:
    killed: list[tuple[int, int]] = []
    before: list[Alert] = []
    hook = ExitHook(before=before.append, kill=lambda pid, number: killed.append((pid, number)))
    for each in (alert(window="slow"), alert(state="resolved"), alert(), alert()):
        hook.send(each)
    hook.close()
    assert killed == [(os.getpid(), signal.SIGTERM)]
    assert before == [alert()]


def test_what_comes_before_the_end_may_fail() -> None:
    killed: list[int] = []

    def before(_: Alert) -> None:
        raise RuntimeError("no load balancer")

    hook = ExitHook(before=before, kill=lambda pid, number: killed.append(number))
    with pytest.raises(RuntimeError, match="no load balancer"):
        hook.send(alert())
    assert killed == [signal.SIGTERM]
