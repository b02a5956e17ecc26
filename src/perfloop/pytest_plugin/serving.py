"""An application on a unix socket, in a thread of the test's process.

There it needs no import string, and shares what the test has set up. The load comes from another process, and the
test's own thread waits for that: so the application has the interpreter to itself, as it has in production.
"""

from __future__ import annotations

import contextlib
import gc
import inspect
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from ..exceptions import ConfigurationError, MissingExtra, ServiceNotReady

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Interface", "interface_of", "serve"]

Interface = Literal["asgi", "wsgi"]

_STARTUP_SECONDS = 30.0
_STOP_SECONDS = 10.0
_LOOK_SECONDS = 0.01


def interface_of(app: Any) -> Interface:
    """What an application speaks: ASGI where it is a coroutine function of three arguments, WSGI where it takes two.

    Raises:
        ConfigurationError: neither.
    """
    if callable(app) and not inspect.isclass(app):
        if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(app.__call__):
            return "asgi"
        try:
            parameters = list(inspect.signature(app).parameters.values())
        except (TypeError, ValueError):
            parameters = []
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        needed = [each for each in parameters if each.kind in positional and each.default is each.empty]
        if len(needed) in (2, 3):
            return "wsgi" if len(needed) == 2 else "asgi"
    raise ConfigurationError(
        "Expected an ASGI or WSGI application, or a URL",
        got=type(app).__name__,
        where="perfloop_slo",
        hint='where it is one that does not look like it, say interface="asgi" or interface="wsgi"',
    )


@contextlib.contextmanager
def serve(app: Any, *, interface: Interface | None = None, threads: int = 10) -> Iterator[str]:
    """The URL of the application, which is served inside the block.

    Args:
        app: the application itself.
        interface: what it speaks; found out unless given.
        threads: of a WSGI application's server.

    Raises:
        ConfigurationError: no application.
        MissingExtra: the server for it is not installed.
        ServiceNotReady: it did not start.
    """
    server = {"asgi": _asgi, "wsgi": _wsgi}[interface or interface_of(app)]
    # Not below pytest's directory: the path of a socket may have some hundred characters.
    with tempfile.TemporaryDirectory(prefix="perfloop-") as directory, _own_garbage():
        path = Path(directory) / "app.sock"
        with server(app, path, threads):
            yield f"http+unix://{quote(str(path), safe='')}"


@contextlib.contextmanager
def _own_garbage() -> Iterator[None]:
    """Collections inside look at what the application makes, not at all that the test session has piled up."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextlib.contextmanager
def _asgi(app: Any, path: Path, threads: int) -> Iterator[None]:
    try:
        import uvicorn
    except ImportError as error:
        raise _missing("uvicorn", "an ASGI application") from error
    # No configuration of logging: the test has its own.
    server = uvicorn.Server(uvicorn.Config(app, uds=str(path), log_config=None, access_log=False))

    def stop() -> None:
        server.should_exit = True

    with _running(server.run, stop, started=lambda: server.started):
        yield


@contextlib.contextmanager
def _wsgi(app: Any, path: Path, threads: int) -> Iterator[None]:
    try:
        import waitress
        from waitress import wasyncore
    except ImportError as error:
        raise _missing("waitress", "a WSGI application") from error
    channels: dict[int, Any] = {}
    server = waitress.create_server(app, map=channels, unix_socket=str(path), unix_socket_perms="600", threads=threads)

    def stop() -> None:
        # In the server's own thread, whose loop ends when nothing is left to wait for.
        server.trigger.pull_trigger(lambda: wasyncore.close_all(channels, ignore_all=True))

    try:
        with _running(server.run, stop, started=path.exists):
            yield
    finally:
        server.task_dispatcher.shutdown(timeout=_STOP_SECONDS)


@contextlib.contextmanager
def _running(run: Callable[[], object], stop: Callable[[], None], *, started: Callable[[], bool]) -> Iterator[None]:
    """The server in its thread."""
    ended: list[BaseException | None] = []

    def target() -> None:
        try:
            run()
        except BaseException as error:  # also SystemExit, which is how a server gives up
            ended.append(error)
        else:
            ended.append(None)

    thread = threading.Thread(target=target, name="perfloop-app", daemon=True)
    thread.start()
    deadline = time.monotonic() + _STARTUP_SECONDS
    try:
        while not started():
            if ended or time.monotonic() > deadline:
                error = ended[0] if ended else None
                raise ServiceNotReady(
                    "Expected the application to start, but "
                    + ("its server gave up" if ended else f"it had not after {_STARTUP_SECONDS:.0f} s"),
                    got=f"{type(error).__name__}: {error}" if error else None,
                    where="perfloop_slo",
                    hint="what it said while starting is in the test's captured log",
                ) from error
            time.sleep(_LOOK_SECONDS)
        yield
    finally:
        stop()
        thread.join(_STOP_SECONDS)


def _missing(library: str, what: str) -> MissingExtra:
    return MissingExtra(
        f"Expected {library} to serve {what} with, which is not installed",
        where="perfloop_slo",
        hint=f"pip install 'perfloop[testing]', or {library} alone; or start the application yourself and give its URL",
    )
