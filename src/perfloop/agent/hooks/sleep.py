"""time.sleep: blocking, on the loop or on a worker."""

from __future__ import annotations

from .. import originals  # noqa: F401 - when the interpreter starts, before anything replaces them
from ..active import ACTIVE
from ..events import BLOCKING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["apply"]


class _TimedSleep:
    """time.sleep's stand-in: like a builtin no descriptor, so that a class may hold it as an attribute.

    It is in place from the interpreter's start, and costs a look into a dict until the process serves requests.
    """

    __slots__ = ("__wrapped__",)

    def __init__(self, sleep: Any) -> None:
        self.__wrapped__ = sleep

    def __call__(self, *args: Any) -> Any:
        if not ACTIVE:
            return self.__wrapped__(*args)
        from ..calls import begin_call, end_call

        mark = begin_call()
        if mark is None:
            return self.__wrapped__(*args)
        try:
            return self.__wrapped__(*args)
        finally:
            end_call(mark, BLOCKING)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)


def apply(module: Any) -> None:
    """Replace time.sleep."""
    module.sleep = _TimedSleep(module.sleep)
