"""What HTTP clients of all libraries share: which requests may be repeated, what a status says, a policy a host."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ...exceptions import InvalidValue
from ..check.deployment import within
from ..circuit_breaker import CircuitBreaker, CircuitState
from ..deadline import TIMEOUT_HEADER, remaining, to_header
from ..gate import EVERY_EXCEPTION
from ..outcome import Classification
from ..policy import Policy
from ..settings import count
from .answers import Policies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["HTTP", "FailedResponse", "HostPolicies", "Responses", "deadline_header", "is_failure", "may_repeat"]

IDEMPOTENT: Final = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"}
"""RFC 9110, 9.2.2."""
TOO_MANY: Final = 429
R = TypeVar("R")
_LOOKED_AT: Final = 32
"""Hosts that are looked at for one that may go, when another comes."""


class FailedResponse(Exception):
    """An answer with a status that says that it was none: 5xx, or 429. Seen by the parts of a policy only."""

    def __init__(self, response: Any, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(f"status {status}")
        self.response, self.status, self.headers = response, status, headers


def _is_too_many(error: Exception) -> bool:
    return isinstance(error, FailedResponse) and error.status == TOO_MANY


class _OfResponses(Classification):
    __slots__ = ()

    def repeats(self, error: BaseException) -> bool:
        return (isinstance(error, Exception) and _is_too_many(error)) or super().repeats(error)


HTTP: Final = _OfResponses(ignored=_is_too_many)
"""5xx and errors of the connection are failures. 429 is none: the service is well, and has had enough of us. It is
repeated when its Retry-After says. All other statuses are successes, those of wrong requests too."""


def is_failure(status: int) -> bool:
    """Whether an answer of this status is a FailedResponse."""
    return status >= 500 or status == TOO_MANY


def may_repeat(method: str, headers: Mapping[str, str], replayable: bool) -> bool:
    """Whether a request may go out twice: by its method or an Idempotency-Key, and if its body is still there then."""
    return replayable and (method.upper() in IDEMPOTENT or "idempotency-key" in headers)


def deadline_header() -> tuple[str, str] | None:
    """The header that tells the service how long its answer is waited for; None where there is no limit."""
    left = remaining()
    return None if left is None else (TIMEOUT_HEADER, to_header(left))


class HostPolicies:
    """A policy for each host, made when the host is first asked."""

    def __init__(self, policy: Policy | Callable[[str], Policy], *, max_hosts: int = 1000) -> None:
        """Policies.

        Args:
            policy: one for all hosts, or a function that makes that of a host (`api.example.org:443`).
            max_hosts: when there are more, those asked least recently go; none whose breaker still has to be open.

        Raises:
            InvalidValue: neither a policy nor a function.
        """
        if not callable(policy):
            raise InvalidValue("Expected a Policy, or a function that makes one of a host", got=policy, where="policy")
        self._one: Policies | None = None
        self._make: Callable[[str], Policy] | None = None
        if isinstance(policy, Policy):
            self._one = _policies(policy)
        else:
            self._make = policy
        self._max_hosts = count(max_hosts, "max_hosts")
        self._known: OrderedDict[str, Policies] = OrderedDict()
        self._lock = Lock()

    def of(self, host: str, *, repeat: bool) -> Policy | None:
        """That of a host; None: nothing of it is left for requests that must not be repeated."""
        return (self._one or self._of_host(host)).of(repeat=repeat)

    def _of_host(self, host: str) -> Policies:
        with self._lock:
            found = self._known.get(host)
            if found is not None:
                self._known.move_to_end(host)
                return found
        assert self._make is not None, "there is one policy for all hosts"
        made = self._make(host)  # the user's code: not with the lock held
        if not isinstance(made, Policy):
            raise InvalidValue("Expected a function that makes a Policy of a host", got=made, where="policy")
        with self._lock:
            found = self._known.setdefault(host, _policies(made))
            for key in list(islice(self._known, _LOOKED_AT)):  # asked least recently
                if len(self._known) > self._max_hosts and key != host and _may_go(self._known[key]):
                    del self._known[key]
        return found


def _policies(policy: Policy) -> Policies:
    return Policies(policy.judging(HTTP) if policy.classification is EVERY_EXCEPTION else policy)


def _may_go(policies: Policies) -> bool:
    breakers = [part for part in within(policies.repeating) if isinstance(part, CircuitBreaker)]
    return all(breaker.state is CircuitState.CLOSED or breaker.retry_after == 0 for breaker in breakers)


class Responses(Generic[R]):
    """The responses that the attempts of one request have brought: all but the one that is given must be closed."""

    __slots__ = ("_given", "_hedged", "_open")

    def __init__(self, policy: Policy) -> None:
        self._open: list[R] = []
        self._hedged = any(part.kind == "hedging" for part in within(policy))
        self._given = False

    def brought(self, response: R) -> bool:
        """One came; False: nobody waits for it any more, and it is to be closed at once."""
        if not self._given:
            self._open.append(response)
        return not self._given

    def left_behind(self) -> list[R]:
        """Another attempt begins: those of earlier ones, to be closed. Hedged attempts run beside each other."""
        if self._hedged:
            return []
        left, self._open = self._open, []
        return left

    def others(self, given: R | None) -> list[R]:
        """The call is over, and this is given: all others."""
        self._given = True
        others = [response for response in self._open if response is not given]
        self._open = []
        return others
