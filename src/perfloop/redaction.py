"""What must never be shown or recorded: users and passwords in URLs, and values whose name says secret. Pure.

The one place that knows what a secret is called. Well-formed or not, a URL loses its user and password: error messages
show those above all that do not parse.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

__all__ = ["HIDDEN", "is_secret_name", "redact_malformed_url", "redact_text", "redact_url"]

HIDDEN = "***"

# Anywhere in a name; `key` and its like only as the whole of it, or every `sort_key` were a secret.
_SECRET = re.compile(
    r"pass|pwd|secret|token|auth|signature|session|sess[-_]?id|credential|jwt|cookie"
    r"|(?:api|access|private|account|shared|encryption|signing|license)[-_.]?key|(?:^|[-_.])(?:sid|sig|otp|pin|pw)$"
    r"|^(?:key|code)$",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
_HOST = re.compile(r"(?:[^:@\s]*|\[[^]]*\])(?::\d*)?")
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://\S+")
_USER = re.compile(r"(?<![^\s\"'=])[^\s:/@\"'=]+:(?!//)[^\s@]*@(?=[\w\[])")
_QUERY = re.compile(r"\?([^\s?\"']*=[^\s\"']*)")
_ASSIGNED = re.compile(r"([A-Za-z_][\w.-]*)([\"']?[=:]\s*[\"']?)([^\s,;&\"']+)")
# `token expired` is a sentence, `--token expired` an option and its value.
_OPTION = re.compile(r"(--[A-Za-z][\w.-]*)(\s+[\"']?)([^\s\"'-][^\s\"']*)")
_PATH_PARAMETER = re.compile(r";([^;=/?]+)=([^;/?]*)")


def is_secret_name(name: str) -> bool:
    """Whether what stands under this name is a secret: `api_key`, `X-Amz-Signature`, `access%5Ftoken`."""
    return _SECRET.search(unquote_plus(name).strip(" \t-_.[]")) is not None


def redact_url(url: str) -> str:
    """The URL without user, password, fragment, or the values of query parameters that name a secret.

    Takes a path with its query, with a method before it, just as well.
    """
    scheme, rest = _split(url)
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        rest = f"{HIDDEN}@{authority.rpartition('@')[2]}{rest[len(authority) :]}"
    elif scheme and "@" in rest and _HOST.fullmatch(authority) is None:
        # A password with a slash, a question mark or a hash in it ends the authority too early.
        return redact_malformed_url(url)
    target, mark, query = rest.partition("#")[0].partition("?")
    return f"{scheme}{_PATH_PARAMETER.sub(_parameter, target)}{mark}{_redact_query(query)}"


def redact_malformed_url(url: str) -> str:
    """A URL that does not parse, without all that may be a user or a password: everything before the last `@`."""
    scheme, rest = _split(url)
    if "@" in rest:
        rest = f"{HIDDEN}@{rest.rpartition('@')[2]}"
    return redact_url(scheme + rest)


def redact_text(text: str) -> str:
    """Any text without the secrets of the URLs, queries, options and assignments in it."""
    if _SCHEME.match(text):
        return redact_url(text)
    text = _URL.sub(lambda match: redact_url(match[0]), text)
    text = _USER.sub(f"{HIDDEN}@", text)
    text = _QUERY.sub(lambda match: f"?{_redact_query(match[1])}", text)
    return _OPTION.sub(_named, _ASSIGNED.sub(_named, text))


def _split(url: str) -> tuple[str, str]:
    match = _SCHEME.match(url)
    return (match[0], url[match.end() :]) if match else ("", url)


def _redact_query(query: str) -> str:
    return "&".join(map(_pair, query.split("&")))


def _pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    plain = unquote_plus(value)
    nested = "://" in plain and redact_text(plain) != plain
    return f"{name}={HIDDEN}" if equals and (nested or is_secret_name(name)) else pair


def _parameter(match: re.Match[str]) -> str:
    return f";{match[1]}={HIDDEN}" if is_secret_name(match[1]) else match[0]


def _named(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}{HIDDEN}" if is_secret_name(match[1]) else match[0]
