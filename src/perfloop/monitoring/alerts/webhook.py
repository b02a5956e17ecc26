"""Alerts to a URL, from a thread of its own."""

from __future__ import annotations

import http.client
import logging
import os
import random
import re
import threading
import urllib.error
import urllib.request
import weakref
from collections import deque
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import msgspec

from ..._version import __version__
from ...exceptions import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from urllib.parse import SplitResult

    from .alert import Alert

__all__ = ["Deliveries", "WebhookChannel", "retry_delay"]

_LOGGER = logging.getLogger("perfloop.alerts")
_TIMEOUT_SECONDS = 5.0
_MOST_QUEUED = 100
_ATTEMPTS = 5
_FIRST_DELAY, _LONGEST_DELAY = 1.0, 30.0
_CLOSING_SECONDS = 5.0
# Those that may go well another time; any other refusal of the receiver is final.
_PASSING = {408, 425, 429}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LINE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")


class Deliveries(NamedTuple):
    """How many alerts arrived, and how many did not: refused, given up after all attempts, pushed out of the queue."""

    sent: int
    lost: int


def retry_delay(attempt: int, random_share: float) -> float:
    """Seconds to wait after a failed attempt, the first being 1: twice as long each time, half of it by chance.

    Args:
        attempt: how many have failed.
        random_share: 0 to 1.
    """
    delay: float = min(_FIRST_DELAY * 2 ** (attempt - 1), _LONGEST_DELAY)
    return delay * (0.5 + 0.5 * random_share)


def _has_port(parts: SplitResult) -> bool:
    """Whether the port is a number that ports have, or left out."""
    try:
        return parts.port != 0
    except ValueError:
        return False


def post(url: str, headers: Mapping[str, str], body: bytes) -> int:
    """Send a body and give the status of the answer; redirects are not followed: they may lead anywhere.

    Raises:
        OSError: no answer.
    """
    request = urllib.request.Request(url, body, dict(headers), method="POST")  # noqa: S310  (http and https only)
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP answer: {type(error).__name__}") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


class WebhookChannel:
    """Posts each alert as JSON. Sending never blocks: alerts wait in a queue, the oldest give way to new ones.

    An attempt that fails, or meets a 5xx, 408, 425 or 429, is repeated with growing delays, five times in all. The URL
    may be a secret, as chat services make them: no log shows more of it than its host. A forked process has a queue of
    its own, empty at first.

    Args:
        url: http or https.
        headers: sent with each, such as `Authorization`.
        most_queued: alerts that may wait.
        logger: told of what did not arrive; `perfloop.alerts` unless given.
        post: sends a body to a URL with headers, and gives the status.

    Raises:
        InvalidValue: no HTTP URL, a header that cannot be sent, or a queue for less than 1.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        most_queued: int = _MOST_QUEUED,
        post: Callable[[str, Mapping[str, str], bytes], int] = post,
        logger: logging.Logger = _LOGGER,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not _has_port(parts):
            raise InvalidValue(
                "Expected the URL of a webhook",
                got=f"{parts.scheme or '(no scheme)'}://…",
                hint="https://example.com/hook",
            )
        for name, value in (headers or {}).items():
            if not _TOKEN.fullmatch(name) or not _LINE.fullmatch(value):
                # Not when the first alert is sent. The value may be a secret.
                raise InvalidValue("Expected a header that HTTP can carry", got=repr(name), where="headers")
        if most_queued < 1:
            raise InvalidValue("Expected a queue for 1 or more alerts", got=most_queued)
        self._url = url
        self._place = parts.hostname
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": f"perfloop/{__version__}",
            **(headers or {}),
        }
        self._most = most_queued
        self._post = post
        self._logger = logger
        self._sent = self._lost = 0
        self._begin()
        _channels.add(self)

    def _begin(self) -> None:
        self._queue: deque[Alert] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def deliveries(self) -> Deliveries:
        """How it went so far."""
        return Deliveries(self._sent, self._lost)

    def send(self, alert: Alert) -> None:
        """Queue it; nothing after `close`."""
        with self._changed:
            if self._closing.is_set():
                return
            if len(self._queue) >= self._most:
                self._queue.popleft()
                self._lost += 1
            self._queue.append(alert)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="perfloop-webhook", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Take no more, and give those that wait one attempt each and a few seconds together."""
        with self._changed:
            self._closing.set()
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_CLOSING_SECONDS)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue:
                    if self._closing.is_set():
                        return
                    self._changed.wait()
                alert = self._queue.popleft()
            if self._deliver(msgspec.json.encode(alert)):
                self._sent += 1
            else:
                self._lost += 1

    def _deliver(self, body: bytes) -> bool:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                status = self._post(self._url, self._headers, body)
                if 200 <= status < 300:
                    return True
                problem = f"answered {status}"
                passing = status >= 500 or status in _PASSING
            except Exception as error:  # a hook that cannot be reached, or anything else: the watch goes on
                problem, passing = type(error).__name__, True
            if not passing or attempt == _ATTEMPTS or self._closing.wait(retry_delay(attempt, random.random())):
                break
        self._logger.warning("an alert did not reach the webhook at %s: %s", self._place, problem)
        return False

    def after_fork(self) -> None:
        """In a child process: what waits is the parent's to send."""
        self._begin()


_channels: weakref.WeakSet[WebhookChannel] = weakref.WeakSet()


def _after_fork() -> None:
    for channel in list(_channels):
        channel.after_fork()


os.register_at_fork(after_in_child=_after_fork)
