"""A breaker as one writes it in an afternoon; each twin gets one more thing wrong."""

from __future__ import annotations

from perfloop.exceptions import CircuitOpen


class PlainBreaker:
    def __init__(self, max_failures: int, reset_timeout: float, *, clock) -> None:
        self.max_failures, self.reset_timeout, self.now = max_failures, reset_timeout, clock.now
        self.failures, self.opened_at, self.probing = 0, None, False

    def execute(self, function, *arguments):
        self.before()
        try:
            result = function(*arguments)
        except BaseException as error:
            self.raised(error)
            raise
        self.succeeded()
        return result

    async def aexecute(self, function, *arguments):
        self.before()
        try:
            result = await function(*arguments)
        except BaseException as error:
            self.raised(error)
            raise
        self.succeeded()
        return result

    def before(self) -> None:
        if self.opened_at is not None:
            if self.now() < self.opened_at + self.reset_timeout or self.probing:
                raise self.rejection()
            self.probing = True

    def rejection(self) -> CircuitOpen:
        return CircuitOpen("open")

    def raised(self, error: BaseException) -> None:
        if isinstance(error, Exception):
            self.failed()

    def succeeded(self) -> None:
        self.failures, self.opened_at, self.probing = 0, None, False

    def failed(self) -> None:
        self.failures += 1
        self.probing = False
        if self.failures >= self.max_failures:
            self.opened_at = self.now()
