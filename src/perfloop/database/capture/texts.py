"""With which literals a statement was executed: a sample, so that one execution is not taken for all."""

from __future__ import annotations

import random

from ...records.workload import StatementText

__all__ = ["TextSample"]

_MOST = 10


class TextSample:
    """Up to ten different texts of one statement and how often each was met; the same ones each time.

    Args:
        name: the statement's fingerprint.
    """

    def __init__(self, name: str) -> None:
        self._choice = random.Random(name)
        self._calls: dict[str, int] = {}
        self._different = 0

    def add(self, text: str, calls: int = 1) -> None:
        """Note executions. Once there are ten texts a further one takes the place of another by chance."""
        if text not in self._calls:
            self._different += 1
            if len(self._calls) == _MOST:
                place = self._choice.randrange(self._different)
                if place >= _MOST:
                    return
                del self._calls[list(self._calls)[place]]
        self._calls[text] = self._calls.get(text, 0) + calls

    def texts(self) -> list[StatementText]:
        """The commonest first; none where all executions had the same literals."""
        if len(self._calls) < 2:
            return []
        return [
            StatementText(sql=text, calls=calls)
            for text, calls in sorted(self._calls.items(), key=lambda each: (-each[1], each[0]))
        ]
