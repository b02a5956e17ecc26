"""Several parts round one call, as one object."""

from __future__ import annotations

import functools
import textwrap
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, TypeAlias, TypeVar

from ..exceptions import InvalidValue
from ..telemetry import DEFAULT_REGISTRY
from .attempt import Attempt, Recorder
from .gate import EVERY_EXCEPTION, Gate
from .judging import Judged, Judging
from .nesting import Nesting
from .outcome import Classification
from .part import Description, Part, _acall, _call
from .settings import instance
from .timeout import Deadline

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence

    from ..clock import Clock
    from ..telemetry import Registry
    from .check import Finding

__all__ = ["ORDER", "Policy", "PolicyDescription"]

P = ParamSpec("P")
R = TypeVar("R")
ORDER: Final = (
    "fallback",
    "collapsing",
    "deadline",
    "retry",
    "hedging",
    "throttle",
    "circuit_breaker",
    "keyed_circuit_breaker",
    "rate_limiter",
    "load_shedder",
    "bulkhead",
    "adaptive_limit",
    "outcome_recorder",
    "timeout",
    "thread_pool_bulkhead",
    "policy",
    "fault",
)
"""Kinds of parts, outermost first.

A fallback answers for all that fails further inside, and what it gives is nobody's success. A deadline bounds the call
with all its attempts, a timeout one attempt: innermost, so that waiting for a permit does not count. The breaker is
inside the retry: it sees each attempt, and its rejection ends the call. What waits comes after what rejects at once.
Threads of their own are round the call itself; time out by their `call_timeout`, which does not count the queue.
Injected faults stand for those of the call.
"""
_SEVERAL: Final = {
    "fallback",
    "throttle",
    "circuit_breaker",
    "keyed_circuit_breaker",
    "rate_limiter",
    "bulkhead",
    "adaptive_limit",
    "policy",
}
"""Of which one call may pass several: one limit a host and one for all, one fallback behind another."""
_REPEATING: Final = {"retry", "hedging"}
_WIDTH: Final = 78
"""Columns of a description's lines, so that it fits a terminal where it is indented."""
_LEAST_WIDTH: Final = 40
_Layer: TypeAlias = Part | Attempt | Judged


@dataclass(frozen=True, slots=True)
class PolicyDescription(Description):
    """A policy and its parts, outermost first. `str` draws it as a tree, `dataclasses.asdict` makes it data."""

    parts: tuple[Description, ...]
    depths: tuple[int, ...]
    """How far inside each part is; those of one attempt that share a shell are equally far."""

    def __str__(self) -> str:
        return "\n".join(self._lines(_WIDTH))

    def _lines(self, width: int) -> list[str]:
        lines = [f"policy {self.name!r}"]
        for part, depth, following in zip(self.parts, self.depths, (*self.depths[1:], None), strict=True):
            branch, stem = ("├ ", "│ ") if following == depth else ("└ ", "  ")
            room = max(width - 2 * depth - 2, _LEAST_WIDTH)
            if isinstance(part, PolicyDescription):
                first, *rest = part._lines(room)
            else:
                first, *rest = textwrap.wrap(
                    str(part), room, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
                )
            lines += [f"{'  ' * depth}{branch}{first}", *(f"{'  ' * depth}{stem}{line}" for line in rest)]
        return [*lines, f"{'  ' * (self.depths[-1] + 1 if self.depths else 0)}└ the call"]


class Policy(Judging):
    """Parts round one call, built once: `execute`, `aexecute`, or the policy as a decorator.

    The gates of an attempt are one shell round it: what ended the attempt, and how long it took, is found once and told
    to all of them.
    """

    kind = "policy"

    def __init__(
        self,
        *parts: Part,
        name: str = "",
        classification: Classification | None = None,
        order: Literal["documented", "as given"] = "documented",
        calls: Iterable[Part] = (),
        clock: Clock | None = None,
        registry: Registry = DEFAULT_REGISTRY,
    ) -> None:
        """A policy.

        Args:
            parts: in any order; they are put into that of `ORDER`. Parts of one kind stay as given, outermost first.
            name: what events and findings call it.
            classification: which results and errors are failures, for all gates, and for each Retry, Hedge and other
                part that was made without one; that of the gates by default.
            order: "as given" leaves the parts as they are, outermost first.
            calls: policies that the function calls in turn: `check` multiplies their attempts. Those that one call
                has entered from another are found without this.
            clock: the parts' one by default.

        Raises:
            InvalidValue: no parts, one that is none, one twice, several of a kind of which a call passes one; a kind
                without a place in the order; clocks or classifications that differ.
        """
        _check(parts, order)
        self.parts = parts if order == "as given" else tuple(sorted(parts, key=lambda part: ORDER.index(part.kind)))
        self.sees_arguments = any(part.sees_arguments for part in parts)
        self.calls = tuple(calls)
        if not all(isinstance(each, Part) for each in self.calls):
            raise InvalidValue("Expected parts and policies", got=self.calls, where="calls")
        now = _one("clock", [part._now for part in parts if clock is None])
        super().__init__(name, registry=registry)
        self._now = now if clock is None else clock.now
        self._recorders: list[Recorder] = []
        repeats = any(part.kind in _REPEATING for part in parts)
        self._nesting = Nesting(self) if repeats else None
        if classification is None:
            classification = _classification(self.parts)
        self.classification = instance(classification, Classification, "classification")

    def _layered(self, classification: Classification) -> list[_Layer]:
        """The parts, outermost first, with gates beside each other in one attempt; the last is told to recorders."""
        groups: list[Part | list[Gate[Any]]] = []
        for part in self.parts:
            if not isinstance(part, Gate) or part.alone:
                groups.append(part)
            elif groups and isinstance(groups[-1], list):
                groups[-1].append(part)
            else:
                groups.append([part])
        attempts = [index for index, group in enumerate(groups) if isinstance(group, list)]
        repeating = [
            index for index, group in enumerate(groups) if isinstance(group, Part) and group.kind in _REPEATING
        ]
        innermost = attempts[-1] if attempts else -1
        if not attempts or (repeating and innermost < repeating[-1]):  # recorders are told of single attempts
            innermost = repeating[-1] + 1 if repeating else 0
            groups.insert(innermost, [])
        deadline = next((part for part in self.parts if isinstance(part, Deadline)), None)
        layers: list[_Layer] = []
        for index, group in enumerate(groups):
            if isinstance(group, Judging) and group.classification is EVERY_EXCEPTION:
                layers.append(Judged(group, classification))
            elif isinstance(group, Part):
                layers.append(group)
            else:
                last = index == innermost
                recorders, nesting = (self._recorders, self._nesting) if last else ([], None)
                layers.append(Attempt(group, classification, self._now, recorders, nesting, deadline))
        return layers

    def wrap_judging(self, function: Callable[P, R], classification: Classification, /) -> Callable[P, R]:
        """The function inside all parts, for threads."""
        for layer in reversed(self._layered(classification)):
            function = layer.wrap(function)
        return function

    def awrap_judging(
        self, function: Callable[P, Awaitable[R]], classification: Classification, /
    ) -> Callable[P, Coroutine[Any, Any, R]]:
        """As `wrap_judging`, for an event loop."""
        wrapped: Any = function
        for layer in reversed(self._layered(classification)):
            wrapped = layer.awrap(wrapped)
        result: Callable[P, Coroutine[Any, Any, R]] = wrapped
        return result

    def without(self, *kinds: str) -> Policy | None:
        """This policy without the parts of these kinds, which shares all others with it; None if none are left.

        What an adapter takes for calls that must not be repeated: `policy.without("retry", "hedging")`.
        """
        left = []
        for part in self.parts:
            inner = part.without(*kinds) if isinstance(part, Policy) else part
            if inner is not None and inner.kind not in kinds:
                left.append(inner)
        return self._like(left, self.classification) if left else None

    def judging(self, classification: Classification) -> Policy:
        """This policy with another classification: the same parts, in a policy of its own."""
        return self._like(self.parts, classification)

    def _like(self, parts: Iterable[Part], classification: Classification) -> Policy:
        other = Policy(
            *parts,
            name=self.name,
            classification=classification,
            order="as given",
            calls=self.calls,
            clock=_Reading(self._now),
            registry=self._registry,
        )
        other.made_at, other._recorders = self.made_at, self._recorders
        return other

    @functools.cached_property
    def _aexecute(self) -> Callable[..., Coroutine[Any, Any, Any]]:
        # Threads of a bulkhead's own take plain functions.
        threads = any(part.kind == "thread_pool_bulkhead" for part in self.parts)
        return self.awrap(_call if threads else _acall)

    def describe(self) -> PolicyDescription:
        """Its parts, outermost first, each with its settings."""
        depths: list[int] = []
        for index, part in enumerate(self.parts):
            fused = index and _fuses(part) and _fuses(self.parts[index - 1])
            depths.append(0 if not index else depths[-1] + (not fused))
        return PolicyDescription(
            self.kind,
            self.name,
            {"made_at": self.made_at},
            tuple(part.describe() for part in self.parts),
            tuple(depths),
        )

    @property
    def called(self) -> tuple[Part, ...]:
        """The policies that its calls enter in turn: those it was told of, and those seen that repeat calls, too."""
        seen = () if self._nesting is None else tuple(self._nesting.inner)
        return tuple(dict.fromkeys((*self.calls, *seen)))

    def check(self, *, workers: int = 1) -> list[Finding]:
        """What is wrong with these settings together, and with those of the policies that it calls.

        Args:
            workers: how many processes the deployment runs, each with this policy.
        """
        from .check import check

        return check([self], workers=workers)

    def on_outcome(self, recorder: Recorder, /) -> Callable[[], None]:
        """Call `recorder(started, seconds, outcome)` after each attempt that was admitted, in its thread or task.

        What it raises is logged.

        Returns:
            a function that ends it.
        """
        self._recorders.append(recorder)

        def end() -> None:
            if recorder in self._recorders:
                self._recorders.remove(recorder)

        return end


class _Reading:
    """A clock out of its function."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now


def _fuses(part: Part) -> bool:
    return isinstance(part, Gate) and not part.alone


def _check(parts: Sequence[Part], order: str) -> None:
    if order not in ("documented", "as given"):
        raise InvalidValue('Expected "documented" or "as given"', got=order, where="order")
    if not parts:
        raise InvalidValue("Expected at least one part", where="parts")
    for part in parts:
        if not isinstance(part, Part):
            raise InvalidValue("Expected parts: a CircuitBreaker, a Retry, a Timeout …", got=part, where="parts")
    if len({id(part) for part in parts}) < len(parts):
        raise InvalidValue("Expected each part once", got=[part.name for part in parts], where="parts")
    if order == "as given":
        return
    for kind, number in Counter(part.kind for part in parts).items():
        if kind not in ORDER:
            raise InvalidValue(
                "Expected a part whose place is known",
                got=kind,
                where="parts",
                hint='give order="as given" and the parts outermost first',
            )
        if number > 1 and kind not in _SEVERAL:
            raise InvalidValue(
                f"Expected one {kind}: a second one in the same place does nothing but multiply or shorten the first",
                got=number,
                where="parts",
                hint='give order="as given" if it is meant',
            )


def _one(what: str, values: Sequence[Any]) -> Any:
    """The value that all share.

    Raises:
        InvalidValue: they differ.
    """
    if any(value != values[0] for value in values):
        raise InvalidValue(f"Expected parts of one {what}", where="parts", hint=f"give the policy its {what}=")
    return values[0] if values else None


def _classification(parts: Sequence[Part]) -> Classification:
    own = [part.classification for part in parts if isinstance(part, Gate)]
    chosen: Classification | None = _one("classification", [each for each in own if each is not EVERY_EXCEPTION])
    return chosen or EVERY_EXCEPTION
