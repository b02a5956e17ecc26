"""A WSGI application on the standard library's own server: needs nothing installed."""

from __future__ import annotations

import sqlite3
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server


def app(environ, start_response):
    rows = query()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(rows).encode()]


def query():
    return sqlite3.connect(":memory:").execute("SELECT 1 + 1").fetchall()


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


if __name__ == "__main__":
    if len(sys.argv) > 1:
        import sitecustomize

        print("own sitecustomize:", sitecustomize.OWN, flush=True)
    make_server("127.0.0.1", 0, app, handler_class=Quiet).serve_forever()
