"""Takes an error that is not to count for a success: it ends rows of failures, and closes the circuit."""

from .breaker import PlainBreaker


class Naive(PlainBreaker):
    ignored = LookupError

    def raised(self, error: BaseException) -> None:
        if isinstance(error, self.ignored):
            self.succeeded()
        else:
            super().raised(error)
