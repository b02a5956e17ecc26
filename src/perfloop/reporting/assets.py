"""Style and script of our pages, and the policy that lets nothing but them run."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

__all__ = ["content_policy", "live_page", "script", "style", "templates"]

_TEMPLATES = files("perfloop.reporting") / "templates"


def style(*more: str) -> Markup:
    """The style of all pages, for light and dark, and that of `more` files."""
    dark = " ".join((_TEMPLATES / "dark.css").read_text("utf-8").split())
    return _joined("style.css", *more, DARK=dark)


def script(*more: str) -> Markup:
    """The script of all pages, and that of `more` files."""
    return _joined("theme.js", *more)


def _joined(*names: str, **words: str) -> Markup:
    text = "".join((_TEMPLATES / name).read_text("utf-8") for name in names)
    for word, meaning in words.items():
        text = text.replace(word, meaning)
    return Markup(text)  # noqa: S704  # our own files, no input of anybody


def templates(**more: Any) -> Environment:
    """Our templates; what is put into them is escaped.

    Args:
        more: of the environment.
    """
    return Environment(
        loader=PackageLoader("perfloop.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **more,
    )


def live_page(name: str, style: str, script: str, **more: Any) -> tuple[str, str]:
    """A page that shows what it is sent, and its content security policy: it may ask for that and nothing else.

    Args:
        name: of its template.
        style: all of it.
        script: all of it.
        more: what the template names.
    """
    page = templates().get_template(name).render(style=style, script=script, **more)
    return page, content_policy(style, script, "connect-src 'self'", "frame-ancestors 'none'")


def content_policy(style: str, script: str, *more: str) -> str:
    """A content security policy: this style and this script run, and nothing else does or is loaded.

    Args:
        more: further directives.
    """
    directives = (
        "default-src 'none'",
        f"style-src 'sha256-{_digest(style)}'",
        f"script-src 'sha256-{_digest(script)}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        *more,
    )
    return "; ".join(directives)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
