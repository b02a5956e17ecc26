"""A real HTTP server that answers as it is told."""

from __future__ import annotations

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HTTPService", "http_service"]


class HTTPService:
    """`answers`: what each request gets in turn, the last one for ever; `requests`: what came."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: list[tuple[int, dict[str, str], float]] = [(200, {}, 0)]
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self._lock = threading.Lock()

    def say(self, *answers: int | tuple[int, dict[str, str], float]) -> None:
        """Statuses, or statuses with headers and seconds until they come."""
        self.answers = [(each, {}, 0) if isinstance(each, int) else each for each in answers]
        self.requests.clear()

    def next(self, method: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], float]:
        with self._lock:
            self.requests.append((method, headers, body))
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @property
    def methods(self) -> list[str]:
        return [method for method, _, _ in self.requests]


@contextlib.contextmanager
def http_service() -> Iterator[HTTPService]:
    """A server in this process, on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, extra, seconds = service.next(self.command, headers, body)
            time.sleep(seconds)
            text = f"answer {len(service.requests)}".encode()
            with contextlib.suppress(ConnectionError):
                self.send_response(status)
                for name, value in {**extra, **({} if status == 304 else {"content-length": str(len(text))})}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD" and status != 304:
                    self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_HEAD = answer

        def log_message(self, *_: object) -> None:
            """Not on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service = HTTPService(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
