from __future__ import annotations

from perfloop.monitoring.memory.alert_level import AlertLevel


def test_it_tells_once_that_memory_became_high() -> None:
    alert = AlertLevel(100)
    assert [alert.crossed(size) for size in (50, 100, 101, 150, 120)] == [False, False, True, False, False]
    assert alert.level == "high"


def test_it_tells_again_only_after_memory_was_clearly_below() -> None:
    alert = AlertLevel(100)
    assert [alert.crossed(size) for size in (101, 99, 101, 96, 101)] == [True, False, False, False, False]
    assert not alert.crossed(95)
    assert alert.level == "normal"
    assert alert.crossed(101)
