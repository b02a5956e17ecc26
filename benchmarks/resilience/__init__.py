"""Area `resilience`: what each part of a policy adds to a call that succeeds, beside the libraries people use for it.

The cost of a part is a call through it minus the bare call. Ours and the peer's are measured in the same rounds, the
order turning; a figure is the median over rounds of ours ÷ theirs. Nothing fails and nobody waits, unless said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from . import breakers, bulkhead, policies, recorder, retries, timeouts

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["COMPARISONS", "run"]


class Comparison(Protocol):
    """One file of this package."""

    def measure(self, rounds: int) -> tuple[Mapping[str, float], Mapping[str, float]]:
        """Figures and peers' own numbers."""


COMPARISONS: tuple[Comparison, ...] = (breakers, bulkhead, policies, recorder, retries, timeouts)
_ROUNDS = 15


def run(full: bool) -> dict[str, Any]:
    """Measure every figure.

    Args:
        full: four times the rounds.
    """
    figures: dict[str, float] = {}
    peers: dict[str, float] = {}
    for comparison in COMPARISONS:
        more_figures, more_peers = comparison.measure(_ROUNDS * (4 if full else 1))
        figures |= more_figures
        peers |= more_peers
    return {"figures": figures, "peers": peers}
