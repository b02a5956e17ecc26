"""Parts that judge calls by themselves, and what they judge by inside a policy."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from .part import Part

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from .outcome import Classification

__all__ = ["Judged", "Judging"]

P = ParamSpec("P")
R = TypeVar("R")


class Judging(Part):
    """A part with a classification; in a Policy the policy's one takes the place of one it was not given.

    Policies that judge differently may share it: what it judges by belongs to the wrapped function.
    """

    classification: Classification

    @abstractmethod
    def wrap_judging(self, function: Callable[P, R], classification: Classification, /) -> Callable[P, R]:
        """As `wrap`, by this classification instead of the part's own."""

    @abstractmethod
    def awrap_judging(
        self, function: Callable[P, Awaitable[R]], classification: Classification, /
    ) -> Callable[P, Coroutine[Any, Any, R]]:
        """As `awrap`, by this classification instead of the part's own."""

    def wrap(self, function: Callable[P, R], /) -> Callable[P, R]:
        """The function with this part round it, for threads."""
        return self.wrap_judging(function, self.classification)

    def awrap(self, function: Callable[P, Awaitable[R]], /) -> Callable[P, Coroutine[Any, Any, R]]:
        """As `wrap`, for an event loop."""
        return self.awrap_judging(function, self.classification)


class Judged:
    """A part under a policy's classification."""

    __slots__ = ("_classification", "_part")

    def __init__(self, part: Judging, classification: Classification) -> None:
        self._part, self._classification = part, classification

    def wrap(self, function: Callable[P, R], /) -> Callable[P, R]:
        """As `Part.wrap`."""
        return self._part.wrap_judging(function, self._classification)

    def awrap(self, function: Callable[P, Awaitable[R]], /) -> Callable[P, Coroutine[Any, Any, R]]:
        """As `Part.awrap`."""
        return self._part.awrap_judging(function, self._classification)
