"""A coroutine driven step by step: time inside a step is running, time between steps is waiting."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from .events import STEP
from .state import CURRENT, Request, close_segment, open_segment

__all__ = ["DrivenRequest", "DrivenTask"]


class DrivenTask(Coroutine[Any, Any, Any]):
    """Any coroutine of a request. It passes values, exceptions and cancellation through unchanged.

    The attributes of the coroutine it drives (cr_frame, cr_await, __name__ …) show through, for debuggers.
    """

    __slots__ = ("__weakref__", "_send", "coroutine", "request")

    def __init__(self, request: Request, coroutine: Any) -> None:
        self.request = request
        self.coroutine = coroutine
        self._send = coroutine.send

    def send(self, value: Any) -> Any:
        request = self.request
        segment = open_segment(request, STEP) if request.started else None
        if segment is None:
            return self._send(value)
        try:
            result = self._send(value)
        except BaseException:
            close_segment(segment)
            raise
        close_segment(segment, result is None)
        return result

    def __next__(self) -> Any:
        # What tasks and `await` call; as `send(None)`, without the call in between.
        request = self.request
        segment = open_segment(request, STEP) if request.started else None
        if segment is None:
            return self._send(None)
        try:
            result = self._send(None)
        except BaseException:
            close_segment(segment)
            raise
        close_segment(segment, result is None)
        return result

    def throw(self, *exception: Any) -> Any:
        request = self.request
        segment = open_segment(request, STEP) if request.started else None
        if segment is None:
            return self.coroutine.throw(*exception)
        try:
            return self.coroutine.throw(*exception)
        finally:
            close_segment(segment)

    def close(self) -> None:
        self.coroutine.close()

    def __await__(self) -> Any:
        return self

    def __iter__(self) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.coroutine, name)


class DrivenRequest(DrivenTask):
    """The coroutine of the application itself: the request is in its context, and over when it is."""

    __slots__ = ("entered",)

    def __init__(self, request: Request, coroutine: Any) -> None:
        super().__init__(request, coroutine)
        self.entered = False

    def send(self, value: Any) -> Any:
        request = self.request
        if not self.entered:
            self.entered = True
            CURRENT.set(request)
        segment = open_segment(request, STEP) if request.started else None
        try:
            result = self._send(value)
        except BaseException as error:
            if segment is not None:
                close_segment(segment)
            self._over(error)
            raise
        if segment is not None:
            close_segment(segment, result is None)
        return result

    def __next__(self) -> Any:
        request = self.request
        if not self.entered:
            self.entered = True
            CURRENT.set(request)
        segment = open_segment(request, STEP) if request.started else None
        try:
            result = self._send(None)
        except BaseException as error:
            if segment is not None:
                close_segment(segment)
            self._over(error)
            raise
        if segment is not None:
            close_segment(segment, result is None)
        return result

    def throw(self, *exception: Any) -> Any:
        try:
            return super().throw(*exception)
        except BaseException as error:
            self._over(error)
            raise

    def close(self) -> None:
        try:
            self.coroutine.close()
        finally:
            self._over(GeneratorExit())

    def _over(self, error: BaseException) -> None:
        """The application returned (StopIteration) or raised."""
        request = self.request
        if request.started:
            if not isinstance(error, StopIteration):
                request.error = type(error).__name__
            request.finish()
        if self.entered and CURRENT.get() is request:
            CURRENT.set(None)
