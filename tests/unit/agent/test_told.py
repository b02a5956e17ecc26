"""The agent asks the service's own perfloop once a second, rarer where that takes long, and only what is imported."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

from perfloop.agent import told as told_of
from perfloop.agent.protocol import CACHES

if TYPE_CHECKING:
    import pytest


class Told:
    def __init__(self) -> None:
        self.frames: list[tuple[int, bytes]] = []

    def put(self, kind: int, payload: bytes) -> None:
        self.frames.append((kind, payload))


def test_what_is_new_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told, now = Told(), [0]
    answers = iter([b"", b"{1}", b"{1}", b"{1}", b"{2}"])

    def report() -> bytes:
        now[0] += 50_000_000  # takes 50 ms: then once in five seconds is enough
        return next(answers)

    monkeypatch.setattr(told_of, "CHANNEL", told)
    monkeypatch.setattr(told_of, "monotonic_ns", lambda: now[0])
    monkeypatch.setitem(sys.modules, "perfloop.telemetry.caches", None)
    watched = told_of.Told("perfloop.telemetry.caches", CACHES)
    watched.start()
    watched.flush(0, True)
    assert told.frames == []
    monkeypatch.setitem(sys.modules, "perfloop.telemetry.caches", SimpleNamespace(report=report))
    for second in range(17):
        now[0] = max(now[0], second * 1_000_000_000)
        watched.flush(now[0], False)
    assert [payload[8:] for _, payload in told.frames] == [b"{1}"]
    watched.flush(now[0], True)  # who asks is told, new or not
    watched.flush(now[0], True)
    assert [(kind, payload[8:]) for kind, payload in told.frames[1:]] == [(CACHES, b"{1}"), (CACHES, b"{2}")]
