"""`perfloop load --server-count` against servers that count: rightly, twice, and not at all."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Perfloop


class Counting(BaseHTTPRequestHandler):
    """Answers everything, and on /metrics how often `add` was counted for each other request."""

    protocol_version = "HTTP/1.1"
    counted = 0
    add = 1
    broken_after = 1 << 30

    def do_GET(self) -> None:
        kind = type(self)
        status, body = 200, b"ok"
        if self.path == "/metrics":
            kind.broken_after -= 1
            status = 200 if kind.broken_after >= 0 else 500
            body = b'# TYPE served_total counter\nserved_total{app="shop"} %d\n' % kind.counted
        elif self.path == "/count":
            body = b"%d" % kind.counted
        else:
            kind.counted += kind.add
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def counting(**attributes: int) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Counting,), attributes))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


LOAD = ("--requests", "30", "--connections", "1", "--json")


@pytest.mark.parametrize("page", ["/count", "/metrics#served_total", '/metrics#served_total{app="shop"}'])
def test_a_count_that_agrees_is_in_the_record(perfloop: Perfloop, page: str) -> None:
    with counting() as url:
        run = perfloop("load", url, *LOAD, "--server-count", url + page)
    assert run.returncode in (0, 3), run.stderr  # a busy machine may say more
    record = json.loads(run.stdout)
    assert record["server_count"] == {
        "source": url + page,
        "counted": 30,
        "answered": 30,
        "sent": 30,
        "reason": None,
    }
    assert "the server counted" not in run.stderr


@pytest.mark.parametrize(
    ("add", "says"),
    [(2, "counted 60 requests, but only 30 were sent"), (0, "counted 0 requests, but 30 were answered")],
)
def test_a_count_that_cannot_be_true_is_untrustworthy(perfloop: Perfloop, add: int, says: str) -> None:
    """What counts twice; what stands in front of the counter and answers itself."""
    with counting(add=add) as url:
        run = perfloop("load", url, *LOAD, "--server-count", f"{url}/count")
        shown = perfloop("load", url, "--requests", "30", "--connections", "1", "--server-count", f"{url}/count")
    assert run.returncode == shown.returncode == 3
    assert says in run.stderr
    summary = json.loads(run.stdout)["summary"]
    assert not summary["trustworthy"]
    assert any(says in reason for reason in summary["reasons"])
    assert "which disagrees" in shown.stdout


def test_a_counter_that_is_gone_after_the_run_is_untrustworthy(perfloop: Perfloop) -> None:
    with counting(broken_after=1) as url:
        run = perfloop("load", url, *LOAD, "--server-count", f"{url}/metrics#served_total")
    assert run.returncode == 3
    assert "could not be read after the run: HTTP Error 500" in run.stderr


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("/metrics#serve_total", "did you mean served_total?"),
        ("/", "a number on its own"),
        ("/metrics", "which metric of it"),
        ("/count#a b", "Expected a URL"),
    ],
)
def test_a_counter_that_says_nothing_before_the_run_is_wrong_use(perfloop: Perfloop, page: str, says: str) -> None:
    with counting() as url:
        run = perfloop("load", url, *LOAD, "--server-count", url + page)
    assert run.returncode == 2
    assert says in run.stderr
    assert run.stdout == ""


def test_nothing_listens_at_the_counter(perfloop: Perfloop) -> None:
    with counting() as url:
        run = perfloop("load", url, *LOAD, "--server-count", "http://127.0.0.1:9/count")
    assert run.returncode == 2
    assert "cannot be read" in run.stderr
    assert "--server-count" in run.stderr
