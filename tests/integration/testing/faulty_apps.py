"""Applications that go wrong on purpose: `asgi` and `wsgi`."""

from __future__ import annotations

import asyncio

from perfloop.testing import Fault, FaultMiddleware, Faults, WSGIFaultMiddleware

BODY = b"0123456789" * 30
FAULTS = Faults(
    {
        "/slow": Fault(latency=0.2),
        "/status": Fault(status=503),
        "/error": Fault(error=LookupError),
        "/reset": Fault(reset=True),
        "/partial": Fault(partial=100),
        "/partial/stream": Fault(partial=100),
        "/partial/long": Fault(partial=10**6),
    },
    by_header=True,
)


async def plain(scope, receive, send) -> None:
    if scope["type"] != "http":
        return
    streams = scope["path"].endswith("stream")
    headers = [] if streams else [(b"content-length", str(len(BODY)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if streams:
        for start in range(0, len(BODY), 10):
            await send({"type": "http.response.body", "body": BODY[start : start + 10], "more_body": True})
            await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b"" if streams else BODY})


def plain_wsgi(environ, start_response):
    streams = environ["PATH_INFO"].endswith("stream")
    start_response("200 OK", [] if streams else [("Content-Length", str(len(BODY)))])
    return (BODY[start : start + 10] for start in range(0, len(BODY), 10)) if streams else [BODY]


asgi = FaultMiddleware(plain, FAULTS)
wsgi = WSGIFaultMiddleware(plain_wsgi, FAULTS)
