from __future__ import annotations

from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

from perfloop.telemetry import Registry
from perfloop.telemetry.exporters.wsgi import metrics_wsgi_app


def call(method: str, registry: Registry | None = None, **environ: str) -> tuple[str, dict[str, str], bytes]:
    found: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        found.update(status=status, headers=dict(headers))

    scope: dict[str, Any] = {"REQUEST_METHOD": method, "QUERY_STRING": "", **environ}
    setup_testing_defaults(scope)
    answer: Any = metrics_wsgi_app(registry or Registry())
    if method != "POST":  # the validator wants a type of the empty body too
        answer = validator(answer)
    chunks = answer(scope, start_response)
    body = b"".join(chunks)
    getattr(chunks, "close", list)()
    return found["status"], found["headers"], body


def test_it_answers_in_the_format_asked_for() -> None:
    registry = Registry()
    registry.counter("requests", "Requests.").inc(3)
    text = b"# HELP requests_total Requests.\n# TYPE requests_total counter\nrequests_total 3\n"
    status, headers, body = call("GET", registry)
    assert (status, body, headers["Content-Length"]) == ("200 OK", text, str(len(text)))
    assert call("HEAD", registry)[1:] == (headers, b"")
    openmetrics = call("GET", registry, HTTP_ACCEPT="application/openmetrics-text")
    assert openmetrics[1]["Content-Type"].startswith("application/openmetrics-text")
    assert openmetrics[2].endswith(b"# EOF\n")


def test_other_methods_are_refused() -> None:
    status, headers, _ = call("POST")
    assert (status, headers["Allow"]) == ("405 Method Not Allowed", "GET, HEAD")
