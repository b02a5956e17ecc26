"""The page that shows a load test while it runs: what is on it comes later, from the server it came from."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from .assets import content_policy, script, style

__all__ = ["render_live_page"]

_TILES = (
    ("rate", "Throughput"),
    ("p50", "Typical request (p50)"),
    ("p99", "Slow request (p99)"),
    ("errors", "Errors"),
    ("in-flight", "In flight"),
    ("waiting", "Waiting for a connection"),
)
_CHARTS = (
    ("rate", "Throughput"),
    ("latency", "Latency"),
    ("errors", "Errors"),
    ("waiting", "Backlog"),
)


def render_live_page() -> tuple[str, str]:
    """The page, which holds nothing of the run, and its content security policy.

    The script takes the run's state from `events` beside the page, and writes it as text, never as markup.
    """
    css, js = style("live.css"), script("charts.js", "live.js")
    environment = Environment(
        loader=PackageLoader("perfloop.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("live.html.j2").render(style=css, script=js, tiles=_TILES, charts=_CHARTS)
    return page, content_policy(css, js, "connect-src 'self'", "frame-ancestors 'none'")
