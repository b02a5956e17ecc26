"""From one sample to the next: what is to be done about a suspicion. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from .verdict import judge

if TYPE_CHECKING:
    from .evidence import LeakEvidence
    from .options import LeakOptions
    from .samples import MemorySample
    from .verdict import LeakVerdict

__all__ = ["LeakWatch", "Step"]

Step = Literal["wait", "count", "investigate"]


class LeakWatch:
    """Keeps the last samples and their verdict, and says what comes next.

    The first verdict of a leak asks for a count of the heap, the last of several in a row for an investigation. Then
    the leak is reported, once, until the verdict has changed for as many samples.
    """

    def __init__(self, options: LeakOptions) -> None:
        """No samples yet."""
        self._options = options
        # A tuple: a list or a deque would be a container that grows.
        self._samples: tuple[MemorySample, ...] = ()
        self._streak = 0
        self._quiet = 0
        self._looks = 0
        self._next_look = 0
        self._suspected = False
        self.evidence: LeakEvidence | None = None
        """What the last investigation found; None before one."""
        self.verdict: LeakVerdict = judge((), options.rule)
        self.reported = False
        """The leak has been reported and is still there."""

    @property
    def samples(self) -> tuple[MemorySample, ...]:
        """Those judged, oldest first."""
        return self._samples

    def add(self, sample: MemorySample) -> Step:
        """Judge with one more sample; says what is to be done."""
        self._samples = (*self._samples, sample)[-self._options.capacity :]
        self._judge()
        if not self._suspected:
            self._streak = 0
            self._quiet += 1
            if self._quiet >= self._options.confirmations:
                self.evidence, self._looks, self._next_look, self.reported = None, 0, 0, False
            return "wait"
        self._streak += 1
        self._quiet = 0
        if self._streak >= max(self._options.confirmations, self._next_look) and self._looks < self._options.looks:
            return "investigate"
        return "count" if self._streak == 1 else "wait"

    def learned(self, evidence: LeakEvidence) -> None:
        """Take what an investigation found into account. The next one, if anything is missing, comes much later."""
        self.evidence = evidence
        self._judge()
        traced = evidence.traced_each is not None
        if evidence.lines or (traced and self.verdict.kind == "native leak"):
            self._looks = self._options.looks
        elif evidence.filling is None:
            self._looks += 1
        self._next_look = self._streak + 10 * self._options.confirmations

    def report(self) -> bool:
        """Whether a leak is to be reported now, which then counts as done."""
        ready = self._streak >= self._options.confirmations and (self.evidence is not None or not self._options.looks)
        if self.reported or not ready or not self.verdict.leaking:
            return False
        self.reported = True
        return True

    def _judge(self) -> None:
        evidence = self.evidence
        self.verdict = judge(
            self._samples, self._options.rule, traced_each=None if evidence is None else evidence.traced_each
        )
        self._suspected = self.verdict.leaking
        if self.verdict.leaking and evidence is not None and evidence.filling is not None:
            self.verdict = replace(self.verdict, kind="cache fill", reason=evidence.filling)
