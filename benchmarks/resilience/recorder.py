"""Recording how calls end, beside a line of `logging` for each in a file: what people have who record that at all."""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from perfloop.resilience.replay import OutcomeRecorder
from perfloop.telemetry import Registry

from .added import added, loop, nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["measure"]


def measure(rounds: int) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """`recorder_vs_logging`."""
    with tempfile.TemporaryDirectory() as directory:
        recorder = OutcomeRecorder(Path(directory) / "outcomes", "calls", registry=Registry())
        log = logging.Logger("calls")
        handler = logging.FileHandler(Path(directory) / "calls.log")
        log.addHandler(handler)

        def logged() -> str:
            started = time.monotonic()
            outcome = "failed"
            try:
                result = nothing()
                outcome = "successful"
                return result
            finally:
                log.info("%.6f %.6f %s", started, time.monotonic() - started, outcome)

        try:
            found = added(loop(nothing), loop(recorder(nothing)), loop(logged), rounds=rounds, their_calls=1_000)
        finally:
            recorder.close()
            handler.close()
    return {"recorder_vs_logging": found.ratio, "recorder_ns": found.ours_ns}, {"logging": found.theirs_ns}
