"""The requests of a service, measured inside it: middleware for ASGI and WSGI, access log, slow requests."""

from __future__ import annotations

from .asgi import PerformanceMiddleware
from .slow import SlowRequest
from .tally import requests_in_flight, slow_requests
from .wsgi import WSGIPerformanceMiddleware

__all__ = [
    "PerformanceMiddleware",
    "SlowRequest",
    "WSGIPerformanceMiddleware",
    "requests_in_flight",
    "slow_requests",
]
