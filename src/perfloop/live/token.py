"""The token that viewers of a live page show, where others than this machine could ask for it."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from ..exceptions import ConfigurationError, InvalidValue
from ..http_access import AddressAccess, TokenAccess, is_loopback

if TYPE_CHECKING:
    from ..http_access import Access

__all__ = ["TOKEN_VARIABLE", "access_to", "checked_token"]

TOKEN_VARIABLE = "PERFLOOP_MONITOR_TOKEN"  # noqa: S105  # the variable's name
_SHORTEST_TOKEN = 16


def checked_token(token: str | None) -> str:
    """The token, if it is one that cannot be guessed.

    Raises:
        ConfigurationError: there is none.
        InvalidValue: it is too short, or has characters that cookies and addresses do not take.
    """
    hint = "python3 -c 'import secrets; print(secrets.token_urlsafe())' makes one"
    if not token:
        raise ConfigurationError("Expected a token that viewers of the live page show", where=TOKEN_VARIABLE, hint=hint)
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.replace("-", "").replace("_", "").isalnum():
        raise InvalidValue(
            f"Expected a token of {_SHORTEST_TOKEN} or more letters, digits, - and _",
            got=f"{len(token)} characters",
            where=TOKEN_VARIABLE,
            hint=hint,
        )
    return token


def access_to(host: str) -> tuple[Access, str]:
    """Who may read a page that is served on an address, and what to open it with: nothing, or `?token=…`.

    On a loopback address whoever asks for it by a name of this machine; on any other who has the token, that of the
    environment or one that is made up.

    Raises:
        InvalidValue: the environment's token can be guessed.
    """
    if is_loopback(host):
        return AddressAccess(host), ""
    token = checked_token(os.environ.get(TOKEN_VARIABLE) or secrets.token_urlsafe(_SHORTEST_TOKEN))
    return TokenAccess(token), f"?token={token}"
