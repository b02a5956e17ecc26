"""What a scenario catches where a request got no answer."""

from __future__ import annotations

__all__ = ["RequestFailed"]


class RequestFailed(Exception):
    """A request got no answer. It counts as an error already; a scenario may catch this and go on.

    `kind` is the kind of failure: `timeout`, `connection refused`, …
    """

    def __init__(self, kind: str, example: str) -> None:
        super().__init__(f"{kind}: {example}")
        self.kind = kind
