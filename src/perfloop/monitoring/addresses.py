"""Where a command says that it will listen, read from its own words."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .listening import Listener

__all__ = ["Named", "is_server_program", "named_addresses"]

_PORT_OPTIONS = ("--port", "-p")
_ADDRESS_OPTIONS = ("--bind", "-b", "--listen", "--endpoint")
_PATH_OPTIONS = ("--uds", "--unix-socket")
_PORT = re.compile(r"(?:.*[:=])?(\d{1,5})")
_ADDRESS = re.compile(r"(?:[\w.*-]+|\[[0-9a-fA-F:]+\])?:(\d{1,5})")
# Servers that serve an application: until they listen, whatever else does is not the service.
_SERVERS = frozenset(
    ["daphne", "fastapi", "flask", "granian", "gunicorn", "hypercorn", "uvicorn", "uwsgi", "waitress-serve"]
)
_MANAGED = "runserver"


class Named(Struct, frozen=True):
    """The ports and paths of unix sockets that a command names; empty when it leaves them to its server."""

    ports: frozenset[int]
    paths: frozenset[str]

    def holds(self, listener: Listener) -> bool:
        """The command names this socket."""
        return listener.path in self.paths if listener.path is not None else listener.port in self.ports

    def __bool__(self) -> bool:
        return bool(self.ports or self.paths)


def named_addresses(command: Sequence[str]) -> Named:
    """What `--port 8120`, `-b 0.0.0.0:8000`, `--bind unix:/run/x.sock`, `runserver 8001` and their like name.

    Port 0, which leaves the choice to the system, is no name.
    """
    ports: set[int] = set()
    paths: set[str] = set()
    for at, word in enumerate(command):
        following = command[at + 1] if at + 1 < len(command) else ""
        for options, take in ((_PORT_OPTIONS, _port), (_ADDRESS_OPTIONS, _address), (_PATH_OPTIONS, _path)):
            value = _value(word, following, options)
            if value is not None:
                take(value, ports, paths)
        if at and _MANAGED in command[:at] and not word.startswith("-"):
            take = _address if ":" in word else _port
            take(word, ports, paths)
    ports.discard(0)
    return Named(frozenset(ports), frozenset(paths))


def is_server_program(command: Sequence[str]) -> bool:
    """The command runs one of the known ASGI and WSGI servers, by name or as `python -m NAME`."""
    words = [PurePath(word).name for word in command]
    modules = [following for word, following in pairwise(words) if word == "-m"]
    return bool(_SERVERS & {*words[:1], *words[1:2], *modules}) or _MANAGED in words


def _value(word: str, following: str, options: Sequence[str]) -> str | None:
    for option in options:
        if word == option:
            return following
        if word.startswith(f"{option}="):
            return word[len(option) + 1 :]
        if not option.startswith("--") and word.startswith(option) and word[2:3].isdigit():
            return word[2:]
    return None


def _port(value: str, ports: set[int], paths: set[str]) -> None:
    if value.isdigit():
        ports.add(int(value))


def _address(value: str, ports: set[int], paths: set[str]) -> None:
    if value.startswith("unix:"):
        paths.add("/" + value.removeprefix("unix:").lstrip("/"))
        return
    found = _ADDRESS.fullmatch(value) or _PORT.fullmatch(value)
    if found is not None:
        ports.add(int(found[1]))


def _path(value: str, ports: set[int], paths: set[str]) -> None:
    if value.startswith("/"):
        paths.add(value)
