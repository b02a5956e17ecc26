"""Which of several settings to choose, by the calls that each puts on the wrong side. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...records import ReplayResult

__all__ = ["best_of", "choose"]

_TRY = "Try a lower max_failures, failure_rate or minimum_calls, or a window of fewer calls or of more seconds."


class Judged(Protocol):
    """What settings are compared by."""

    @property
    def false_rejected(self) -> int: ...
    @property
    def let_through(self) -> int: ...


def best_of(trials: Sequence[Judged]) -> set[int]:
    """Pareto's choice: those than which no other has fewer false rejections and no more failures let through, or the
    other way round. Equal ones are all in it."""

    def beats(a: Judged, b: Judged) -> bool:
        return (
            a.false_rejected <= b.false_rejected
            and a.let_through <= b.let_through
            and (a.false_rejected, a.let_through) != (b.false_rejected, b.let_through)
        )

    return {at for at, trial in enumerate(trials) if not any(beats(other, trial) for other in trials)}


def choose(
    results: Sequence[ReplayResult],
) -> tuple[int | None, Literal["chosen", "none opened", "not enough data"], str]:
    """The result with the fewest calls on the wrong side: rejected though it had succeeded, or let through to fail in
    an outage. But one that opened in more of the outages comes before it, in whichever process: a breaker that does not
    open is of no use, however few calls it is wrong about. Of equal ones that which opened least often, then the first
    of the grid.

    Returns:
        its place, None where the record has no outage or nothing opened in any; the verdict; the reason in words.
    """
    outages = max((each.outages for each in results), default=0)
    if not outages:
        quiet = sum(each.opens == 0 for each in results)
        words = (
            "The record has no call in an outage, so that it cannot tell which setting opens soon enough: "
            f"{quiet} of {len(results)} settings would have stayed closed."
        )
        return None, "not enough data", words

    def order(at: int) -> tuple[int, int, int, int]:
        return results[at].outages_unseen, _wrong(results[at]), results[at].opens, at

    at = min(range(len(results)), key=order)
    chosen = results[at]
    if chosen.outages_missed == chosen.outages:
        return None, "none opened", f"No setting that was tried opens in an outage of the record. {_TRY}"
    equal = sum((each.outages_unseen, _wrong(each)) == order(at)[:2] for each in results) - 1
    fewer = min(results, key=_wrong)
    words = (
        f"The fewest calls on the wrong side, {_wrong(chosen):,}: {chosen.false_rejected:,} rejected that had "
        f"succeeded, and {chosen.let_through:,} let through in an outage that failed"
    )
    if equal:
        words += (
            f"; {equal} other {'setting has' if equal == 1 else 'settings have'} as few, and opened as often or more"
        )
    if _wrong(fewer) < _wrong(chosen):
        words = words.replace("side", "side of those that opened in the most outages", 1)
        words += f". Another has {_wrong(fewer):,}, but missed {fewer.outages_missed} of {fewer.outages} outages"
    if chosen.outages_missed:
        words += f". It missed {chosen.outages_missed} of {chosen.outages} outages"
    return at, "chosen", f"{words}. {_TRY}" if chosen.outages_unseen else f"{words}."


def _wrong(result: Judged) -> int:
    return result.false_rejected + result.let_through
