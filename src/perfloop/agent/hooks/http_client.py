"""http.client, and with it urllib, urllib3 and requests: outgoing HTTP calls."""

from __future__ import annotations

from ..calls import time_method
from ..events import UPSTREAM

# Not from typing: importing that would cost every helper process of the service.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["apply"]


def apply(module: Any) -> None:
    """Time connecting, sending, waiting for the answer and reading it."""
    if module.__name__ == "urllib3.connection":
        time_method(module.HTTPConnection, "connect", UPSTREAM)
        time_method(module.HTTPSConnection, "connect", UPSTREAM)
        return
    for name in ("connect", "endheaders", "getresponse"):
        time_method(module.HTTPConnection, name, UPSTREAM)
    time_method(module.HTTPSConnection, "connect", UPSTREAM)
    for name in ("read", "read1", "readinto"):
        time_method(module.HTTPResponse, name, UPSTREAM)
