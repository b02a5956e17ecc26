"""HTTP/2: many requests in flight on one connection.

`frames` and `headers` are its formats, `protocol` and `streams` the client's side without I/O, `session` its shell on
an event loop, whose streams the engine drives as it drives connections of HTTP/1.1. The compression of headers is the
library hpack; frames are read here, because what is wrong with one response must not end the others on its connection.
"""

from __future__ import annotations

from .connector import Http2Connector

__all__ = ["Http2Connector"]
