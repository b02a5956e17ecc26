from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from perfloop.cli import signals

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in NUMBERS}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_interrupts_once_and_more_at_the_same_time_do_nothing(number: signal.Signals) -> None:
    signals.interrupt_once()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_later_one_interrupts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "SAME_SECONDS", -1.0)
    signals.interrupt_once()
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    signals.interrupt_once()
    os.kill(os.getpid(), signal.SIGHUP)
    assert signal.SIGHUP not in signals.ours()


def test_at_the_end_none_counts() -> None:
    signals.interrupt_once()
    signals.ignore()
    for number in NUMBERS:
        os.kill(os.getpid(), number)
