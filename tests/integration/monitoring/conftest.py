"""Small servers as single files, on the standard library alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SERVER = """
import http.server, os, signal, socket, socketserver, subprocess, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            print("last words", flush=True)
            os._exit(7)
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *arguments):
        pass

class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in os.environ.get("HOST", "") else socket.AF_INET

def serve(port=0):
    Server((os.environ.get("HOST", "127.0.0.1"), port), Handler).serve_forever()
"""


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], list[str]]:
    """Write a server's file ending in `body`; returns the command that runs it."""

    def write(body: str) -> list[str]:
        path = tmp_path / "server.py"
        path.write_text(SERVER + body)
        return [sys.executable, str(path)]

    return write
