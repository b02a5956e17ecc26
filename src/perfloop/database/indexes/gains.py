"""What an index saves a statement, as measured without and with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...records.index_advice import StatementGain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .costs import Judged
    from .what_if import Measured

__all__ = ["statement_gain"]


def statement_gain(judged: Judged, runs: Sequence[tuple[Measured, Measured]]) -> StatementGain:
    """The mean over the executions that the index changes.

    Args:
        judged: the statement.
        runs: each execution without and with the index; at least one.
    """

    def mean(values: Sequence[float]) -> float:
        return sum(values) / len(values)

    ended = all(bare.ended for bare, _ in runs)
    return StatementGain(
        fingerprint=judged.statement.fingerprint,
        cost_before=mean([bare.cost for bare, _ in runs]),
        cost_after=mean([with_.cost for _, with_ in runs]),
        buffers_before=mean([bare.buffers for bare, _ in runs]) if ended else None,
        buffers_after=mean([with_.buffers for _, with_ in runs]) if all(with_.ended for _, with_ in runs) else None,
        ms_before=mean([bare.ms for bare, _ in runs]) if ended else None,
        ms_after=mean([with_.ms for _, with_ in runs]),
    )
