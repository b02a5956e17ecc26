"""Parts that let a call begin and hear how it ended: breakers, bulkheads, limits. Everything but what each decides."""

from __future__ import annotations

from abc import abstractmethod
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from ..clock import MONOTONIC
from ..telemetry import DEFAULT_REGISTRY
from .outcome import IGNORED, SUCCESS, Classification, Outcome
from .part import Part, refuse_coroutine
from .settings import instance

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from types import TracebackType

    from ..clock import Clock
    from ..telemetry import Registry

__all__ = ["EVERY_EXCEPTION", "Gate", "Guard"]

P = ParamSpec("P")
R = TypeVar("R")
Token = TypeVar("Token")
EVERY_EXCEPTION = Classification()


class Gate(Part, Generic[Token]):
    """Admits calls. For each token it gave, `release` comes exactly once, whatever becomes of the call."""

    def __init__(
        self,
        name: str = "",
        *,
        classification: Classification = EVERY_EXCEPTION,
        clock: Clock = MONOTONIC,
        registry: Registry = DEFAULT_REGISTRY,
    ) -> None:
        """A gate. Other arguments as in `Part`.

        Args:
            classification: which results and errors are failures. In a Policy the policy's own one decides.
        """
        super().__init__(name, clock=clock, registry=registry)
        self.classification = instance(classification, Classification, "classification")

    @property
    def alone(self) -> bool:
        """Whether its `wrap` does more than admit and release, such as to run the call in threads of its own.

        A Policy then calls that, which judges by the gate's own classification. All others it puts into one shell with
        the gates beside them.
        """
        return False

    @abstractmethod
    def try_acquire(self) -> Token | None:
        """Admit a call now. None: it would have to wait, in `acquire` or `aacquire`.

        Raises:
            CallRejected: it may not begin, and waiting would not help.
        """

    def acquire(self) -> Token:
        """Admit a call; the thread waits if it has to. A gate at which nobody waits need not override this.

        Raises:
            CallRejected: it may not begin.
        """
        token = self.try_acquire()
        assert token is not None, f"{self.kind} lets nobody wait"
        return token

    async def aacquire(self) -> Token:
        """As `acquire`, in an event loop. Cancelled, it has admitted nothing."""
        return self.acquire()

    @abstractmethod
    def release(self, token: Token, outcome: Outcome, seconds: float) -> None:
        """The call ended. Never raises and never waits.

        Args:
            token: what it was admitted with.
            outcome: how it ended.
            seconds: how long it took, from after its admission.
        """

    def wrap(self, function: Callable[P, R], /) -> Callable[P, R]:
        """The function behind this gate, for threads."""
        try_acquire, acquire, release, now = self.try_acquire, self.acquire, self.release, self._now
        of_result, of_error = self.classification.of_result, self.classification.of_error

        def gated(*args: P.args, **kwargs: P.kwargs) -> R:
            token = try_acquire()
            if token is None:
                token = acquire()
            outcome: Outcome = IGNORED  # and stays so should a predicate raise
            started = 0.0
            try:
                started = now()  # inside: a signal's handler may raise as soon as something has been called
                result = function(*args, **kwargs)
                if type(result) is CoroutineType:
                    refuse_coroutine(result)
            except BaseException as error:
                outcome = of_error(error)
                raise
            else:
                outcome = of_result(result)
                return result
            finally:
                release(token, outcome, now() - started)

        return gated

    def awrap(self, function: Callable[P, Awaitable[R]], /) -> Callable[P, Coroutine[Any, Any, R]]:
        """The coroutine function behind this gate."""
        try_acquire, acquire, release, now = self.try_acquire, self.aacquire, self.release, self._now
        of_result, of_error = self.classification.of_result, self.classification.of_error

        async def gated(*args: P.args, **kwargs: P.kwargs) -> R:
            token = try_acquire()
            if token is None:
                token = await acquire()
            outcome: Outcome = IGNORED  # and stays so should a predicate raise
            started = 0.0
            try:
                started = now()  # inside: a signal's handler may raise as soon as something has been called
                result = await function(*args, **kwargs)
            except BaseException as error:
                outcome = of_error(error)
                raise
            else:
                outcome = of_result(result)
                return result
            finally:
                release(token, outcome, now() - started)

        return gated

    def guard(self) -> Guard[Token]:
        """A context manager for one call: `with breaker.guard():`, `async with bulkhead.guard():`."""
        return Guard(self)


class Guard(Generic[Token]):
    """One call that is let in on entry and judged on exit, by what was raised. Used once."""

    __slots__ = ("_gate", "_started", "_token")

    def __init__(self, gate: Gate[Token]) -> None:
        self._gate = gate

    def __enter__(self) -> None:
        token = self._gate.try_acquire()
        self._token = self._gate.acquire() if token is None else token
        self._started = self._gate._now()

    async def __aenter__(self) -> None:
        token = self._gate.try_acquire()
        self._token = await self._gate.aacquire() if token is None else token
        self._started = self._gate._now()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        outcome: Outcome = IGNORED
        try:
            outcome = SUCCESS if error is None else self._gate.classification.of_error(error)
        finally:
            self._gate.release(self._token, outcome, self._gate._now() - self._started)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)
