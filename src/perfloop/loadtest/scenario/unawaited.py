"""Requests that a scenario's code makes but never awaits, sessions that it never enters: nobody would miss them."""

from __future__ import annotations

import ast
from typing import NamedTuple

__all__ = ["Unawaited", "unawaited"]

_SENDING = frozenset({"delete", "get", "head", "patch", "post", "put", "request"})
_SESSIONS = frozenset({"events", "websocket"})


class Unawaited(NamedTuple):
    """A statement that is a request without `await`, or a session without `async with`."""

    line: int
    text: str
    right: str
    """What to write in its place."""

    @property
    def keyword(self) -> str:
        """What is missing before it."""
        return "async with" if self.right.startswith("async with") else "await"


def unawaited(source: str | bytes) -> Unawaited | None:
    """The first statement `user.get("/")` without `await`, or `user.websocket("/")` without `async with`; else None.

    A user is a function's argument that is named `user` or annotated as `User`.

    Args:
        source: of a Python file that can be compiled.
    """
    found: list[Unawaited] = []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        arguments = function.args
        users = {
            argument.arg
            for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
            if argument.arg == "user" or _is_user(argument.annotation)
        }
        for node in ast.walk(function) if users else ():
            match node:
                case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method))) if (
                    name in users and method in _SENDING
                ):
                    text = f"{name}.{method}(…)"
                    found.append(Unawaited(node.lineno, text, f"await {text}"))
                case (
                    ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)))
                    | ast.Await(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)))
                ) if name in users and method in _SESSIONS:
                    text = f"{name}.{method}(…)"
                    awaited = "await " if isinstance(node, ast.Await) else ""
                    found.append(Unawaited(node.lineno, f"{awaited}{text}", f"async with {text} as …:"))
    return min(found, default=None)


def _is_user(annotation: ast.expr | None) -> bool:
    match annotation:
        case ast.Name(id="User") | ast.Attribute(attr="User") | ast.Constant(value="User"):
            return True
    return False
