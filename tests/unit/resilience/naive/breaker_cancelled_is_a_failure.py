"""Counts whatever is raised, so that users who go away, or Ctrl-C, open the circuit."""

from .breaker import PlainBreaker


class Naive(PlainBreaker):
    def raised(self, error: BaseException) -> None:
        self.failed()
