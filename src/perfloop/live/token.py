"""The token that viewers of a live page show, where others than this machine could ask for it."""

from __future__ import annotations

from ..exceptions import ConfigurationError, InvalidValue

__all__ = ["SHORTEST_TOKEN", "TOKEN_VARIABLE", "checked_token"]

TOKEN_VARIABLE = "PERFLOOP_MONITOR_TOKEN"  # noqa: S105  # the variable's name
SHORTEST_TOKEN = 16


def checked_token(token: str | None) -> str:
    """The token, if it is one that cannot be guessed.

    Raises:
        ConfigurationError: there is none.
        InvalidValue: it is too short, or has characters that cookies and addresses do not take.
    """
    hint = "python3 -c 'import secrets; print(secrets.token_urlsafe())' makes one"
    if not token:
        raise ConfigurationError("Expected a token that viewers of the live page show", where=TOKEN_VARIABLE, hint=hint)
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.replace("-", "").replace("_", "").isalnum():
        raise InvalidValue(
            f"Expected a token of {SHORTEST_TOKEN} or more letters, digits, - and _",
            got=f"{len(token)} characters",
            where=TOKEN_VARIABLE,
            hint=hint,
        )
    return token
