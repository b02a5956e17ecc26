"""Requests that a scenario's code makes but never awaits: they would never be sent, and nobody would miss them."""

from __future__ import annotations

import ast
from typing import NamedTuple

__all__ = ["Unawaited", "unawaited"]

_SENDING = frozenset({"delete", "get", "head", "patch", "post", "put", "request"})


class Unawaited(NamedTuple):
    """A statement that is a request without `await`."""

    line: int
    text: str


def unawaited(source: str | bytes) -> Unawaited | None:
    """The first statement `user.get("/")` without `await`; None where there is none.

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
                    found.append(Unawaited(node.lineno, f"{name}.{method}(…)"))
    return min(found, default=None)


def _is_user(annotation: ast.expr | None) -> bool:
    match annotation:
        case ast.Name(id="User") | ast.Attribute(attr="User") | ast.Constant(value="User"):
            return True
    return False
